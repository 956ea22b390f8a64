"""Copies of a catalog's streams: as they are, and with all that becomes known after an instant altered."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from actors.domain.errors import DataError
from actors.domain.intervals import UNIT_NS
from actors.domain.lookahead import Rows, altered, last_price
from actors.runtime.store.bar_file import BarFile
from actors.runtime.store.layout import YearFile, stored_intervals, stream_folder, year_files
from actors.runtime.store.writing import write_part

_NO_PRICE: Final = (0, 1.0)
"""When nothing is known yet, any price will do."""
_LOOK_BACK_NS: Final = 366 * UNIT_NS["d"]


def copy_streams(catalog: Path, symbols: Iterable[str], target: Path) -> None:
    """Copy all stored bars of some symbols to a new catalog; what is there is only read.

    Raises DataError where a file cannot be copied.
    """
    for symbol in symbols:
        for file in _files_of(catalog, symbol):
            copy = _place(file, catalog, target)
            try:
                shutil.copyfile(file.path, copy)
            except OSError as error:
                raise DataError(
                    f"{file.path}: cannot be copied ({error.strerror}); give this user the right to read it, "
                    "and make room in TMPDIR, where the copy goes"
                ) from error


def alter_streams(catalog: Path, symbols: Iterable[str], target: Path, after_ns: int) -> None:
    """Make a catalog of the same bars in which what becomes known after an instant is something else.

    Files are linked where nothing changes, so both must lie on one file system.
    """
    for symbol in symbols:
        files = list(_files_of(catalog, symbol))
        pivot = _pivot(files, after_ns)
        for file in files:
            _alter(file, _place(file, catalog, target), after_ns, pivot)


def _files_of(catalog: Path, symbol: str) -> Iterator[YearFile]:
    for interval in stored_intervals(catalog, symbol):
        yield from year_files(stream_folder(catalog, symbol, interval))


def _place(file: YearFile, catalog: Path, target: Path) -> Path:
    place = target / file.path.relative_to(catalog)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _pivot(files: Iterable[YearFile], after_ns: int) -> float:
    """Find the last price that is known."""
    near = (file for file in files if file.start_ns <= after_ns < file.end_ns + _LOOK_BACK_NS)
    read = (_rows(file.path) for file in near)
    found = [last_price(rows, after_ns) for rows in read if rows is not None]
    return max(filter(None, found), default=_NO_PRICE)[1]


def _alter(file: YearFile, place: Path, after_ns: int, pivot: float) -> None:
    rows = _rows(file.path) if file.end_ns > after_ns else None
    if rows is None or not (rows["close_ts"] > after_ns).any():
        os.link(file.path, place)
    else:
        write_part(place, altered(rows, after_ns, pivot), _opened(file.path).facts())


def _rows(path: Path) -> Rows | None:
    """Read a file; None where it is damaged, which the run itself will tell."""
    try:
        return _opened(path).all_rows()
    except DataError:
        return None


def _opened(path: Path) -> BarFile:
    return BarFile(path, path.name)
