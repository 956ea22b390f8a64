"""Merge rows into a catalog by their open stamps, a year's file at a time.

1. A row that is stored as it is changes nothing; one at a new stamp is added; one that differs from what is
   stored there replaces it.
2. What is stored is what a reader takes: of all part files of the year the last row in their order. So the
   merged rows go into the last part, and the others stay as they are.
3. A file is written beside the old one, synced and renamed; where nothing changes it is not written.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.runtime.locks import wait_lock
from actors.runtime.store.bar_file import BAR_SCHEMA, BarFile
from actors.runtime.store.layout import VALUES, part_files, year_folder
from actors.runtime.store.writing import FIRST_PART, replacing_durably, write_part

BarColumns = Mapping[str, npt.NDArray[Any]]
"""`open_ts close_ts` (int64 ns UTC) and `open high low close volume` (float64), shape (n,)."""
IMPORTS: Final = "imports"
"""The key of a file's metadata under which all its imports are listed, as JSON."""
MAX_CONFLICTS: Final = 10
"""How many are listed."""
_LOCK: Final = ".import.lock"


class Conflict(NamedTuple):
    """A row that says something else than the one it replaces."""

    open_ts: int
    column: str
    """The first value in which they differ."""
    stored: float
    imported: float


class Merged(NamedTuple):
    """What became of the rows of one year."""

    path: Path
    added: int
    known: int
    changed: int
    conflicts: tuple[Conflict, ...]
    """The first of those that changed."""


@contextmanager
def writing_alone(catalog: Path) -> Iterator[None]:
    """Hold the catalog against other imports; wait while one of them writes.

    Raises LockHeld where that takes too long.
    """
    catalog.mkdir(parents=True, exist_ok=True)
    lock = wait_lock(catalog / _LOCK)
    try:
        yield
    finally:
        os.close(lock)


def stored_facts(catalog: Path, symbol: str, interval: str, year: int) -> tuple[dict[str, str], ...]:
    """Give the metadata of each part file of a year.

    Raises DataError where one cannot be read.
    """
    return tuple(part.facts() for part in _parts(catalog, symbol, interval, year))


def merge_year(
    catalog: Path, stream: tuple[str, str], year: int, rows: BarColumns, record: Mapping[str, Any]
) -> Merged:
    """Merge rows of one year, with ascending and distinct open stamps, into the stream's file.

    `stream` is symbol and interval; `record` goes into the file's metadata. Call it while `writing_alone`.
    Raises DataError where what is stored cannot be read and OSError where nothing can be written.
    """
    parts = _parts(catalog, *stream, year)
    stored = [part.all_rows() for part in parts]
    sorting = _sort_out(_together(stored), rows)
    folder = year_folder(catalog, *stream, year)
    target = part_files(folder)[-1] if parts else folder / FIRST_PART
    if sorting.taken.any():
        facts = parts[-1].facts() if parts else {}
        with replacing_durably(target) as partial:
            write_part(partial, _overlaid(stored[-1:], rows, sorting.taken), _with_record(facts, record))
    added, taken = int(np.count_nonzero(sorting.fresh)), int(np.count_nonzero(sorting.taken))
    return Merged(target, added, len(rows["open_ts"]) - taken, taken - added, sorting.conflicts)


def first_difference(stamp: int, stored: Mapping[str, float], imported: Mapping[str, float]) -> Conflict:
    """Name the first value in which two rows differ."""
    name = next(name for name in VALUES if stored[name] != imported[name])
    return Conflict(stamp, name, stored[name], imported[name])


class _Sorting(NamedTuple):
    fresh: npt.NDArray[np.bool_]
    """Rows at stamps where nothing is stored."""
    taken: npt.NDArray[np.bool_]
    """Rows that change something."""
    conflicts: tuple[Conflict, ...]
    """The first ones."""


def _parts(catalog: Path, symbol: str, interval: str, year: int) -> list[BarFile]:
    paths = part_files(year_folder(catalog, symbol, interval, year))
    return [BarFile(path, path.relative_to(catalog).as_posix()) for path in paths]


def _together(tables: list[dict[str, npt.NDArray[Any]]]) -> BarColumns:
    return {
        name: np.concatenate([np.empty(0, np.int64 if name.endswith("_ts") else np.float64), *columns])
        for name in BAR_SCHEMA.names
        for columns in ([table[name] for table in tables],)
    }


def _sort_out(stored: BarColumns, rows: BarColumns) -> _Sorting:
    """Compare each row with the last stored one of its stamp."""
    stamps = rows["open_ts"]
    if not len(stored["open_ts"]):
        return _Sorting(np.ones(len(stamps), np.bool_), np.ones(len(stamps), np.bool_), ())
    order = np.argsort(stored["open_ts"], kind="stable")
    place = order[np.maximum(np.searchsorted(stored["open_ts"][order], stamps, "right") - 1, 0)]
    fresh = stored["open_ts"][place] != stamps
    same = np.logical_and.reduce([stored[name][place] == rows[name] for name in VALUES])
    differing = np.flatnonzero(~fresh & ~same)[:MAX_CONFLICTS].tolist()
    conflicts = tuple(
        first_difference(int(stamps[at]), _row(stored, int(place[at])), _row(rows, at)) for at in differing
    )
    return _Sorting(fresh, fresh | ~same, conflicts)


def _row(columns: BarColumns, at: int) -> dict[str, float]:
    return {name: float(columns[name][at]) for name in VALUES}


def _overlaid(
    stored: list[dict[str, npt.NDArray[Any]]], rows: BarColumns, taken: npt.NDArray[np.bool_]
) -> BarColumns:
    """Put the taken rows in the place of stored ones, or between them."""
    incoming = {name: rows[name][taken] for name in BAR_SCHEMA.names}
    if not stored:
        return incoming
    kept = ~np.isin(stored[0]["open_ts"], incoming["open_ts"])
    both = {name: np.concatenate([stored[0][name][kept], incoming[name]]) for name in BAR_SCHEMA.names}
    order = np.argsort(both["open_ts"], kind="stable")
    return {name: column[order] for name, column in both.items()}


def _with_record(facts: Mapping[str, str], record: Mapping[str, Any]) -> dict[str, str]:
    """Add an import to a file's metadata: to the list of all, and to what the file says as a whole."""
    earlier = json.loads(facts.get(IMPORTS, "[]"))
    imports = [*(entry for entry in earlier if entry != record), record]
    whole = {
        name: _joined(facts.get(name), str(record[name]))
        for name in ("source", "label", "timezone", "adjustment")
    }
    return {**facts, **whole, IMPORTS: json.dumps(imports)}


def _joined(before: str | None, added: str) -> str:
    if before is None or added in before.split(", "):
        return added if before is None else before
    return f"{before}, {added}"
