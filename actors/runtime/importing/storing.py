"""Merge what was staged into the catalog, a year of a stream at a time."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from actors.domain.errors import DataError
from actors.domain.screening import VALUES
from actors.runtime.importing.intake import Stream, StreamTally
from actors.runtime.importing.reports import NOT_STATED, ImportSettings, StreamReport
from actors.runtime.importing.staging import Rows, Shelf, Staging
from actors.runtime.store.merging import (
    MAX_CONFLICTS,
    Conflict,
    Merged,
    first_difference,
    merge_year,
    stored_facts,
)


class _Distinct(NamedTuple):
    """Rows with ascending and distinct stamps, and what was left out for that."""

    rows: Rows
    repeated: int
    conflicts: tuple[Conflict, ...]
    """The first of those left out that had other values."""


class _Stored(NamedTuple):
    """What became of one year's rows."""

    repeated: int
    conflicts: tuple[Conflict, ...]
    merged: Merged


def check_adjustment(staging: Staging, settings: ImportSettings) -> None:
    """Make sure that no file would hold bars of two adjustments.

    Raises DataError.
    """
    for _, symbol, interval, year in staging.shelves():
        for facts in stored_facts(settings.catalog, symbol, interval, year):
            stored = facts.get("adjustment", NOT_STATED)
            known = {*stored.split(", ")} - {NOT_STATED}
            if known and settings.adjustment not in {NOT_STATED, *known}:
                raise DataError(
                    f"{settings.catalog}: its {interval} bars of {symbol} in {year} have adjustment "
                    f"'{stored}', these have '{settings.adjustment}'; import them into another catalog"
                )


def store_file(
    number: int,
    staging: Staging,
    tallies: Mapping[Stream, StreamTally],
    settings: ImportSettings,
    record: Mapping[str, Any],
) -> Iterator[StreamReport]:
    """Merge what is staged of one file, and report stream by stream."""
    shelves = [shelf for shelf in staging.shelves() if shelf.file == number]
    for (symbol, interval), of_stream in groupby(shelves, key=lambda shelf: (shelf.symbol, shelf.interval)):
        stored = [_store(shelf, staging.rows(shelf), settings, record) for shelf in of_stream]
        yield _report((symbol, interval), tallies[symbol, interval], stored, settings)


def _store(shelf: Shelf, rows: Rows, settings: ImportSettings, record: Mapping[str, Any]) -> _Stored:
    distinct = _distinct(rows)
    columns = {name: np.ascontiguousarray(distinct.rows[name]) for name in distinct.rows.dtype.names or ()}
    stream = shelf.symbol, shelf.interval
    entry = {**record, "rows": len(distinct.rows)}
    merged = merge_year(settings.catalog, stream, shelf.year, columns, entry)
    return _Stored(distinct.repeated, (*distinct.conflicts, *merged.conflicts), merged)


def _distinct(rows: Rows) -> _Distinct:
    """Sort by open stamps; of rows with the same one take the last."""
    ordered = rows[np.argsort(rows["open_ts"], kind="stable")]
    last = np.append(ordered["open_ts"][1:] != ordered["open_ts"][:-1], [True])
    taken = ordered[last]
    replaced = ordered[~last]
    winners = taken[np.searchsorted(taken["open_ts"], replaced["open_ts"])]
    differing = np.flatnonzero(np.logical_or.reduce([replaced[name] != winners[name] for name in VALUES]))
    conflicts = tuple(
        first_difference(int(replaced["open_ts"][at]), _values(replaced, at), _values(winners, at))
        for at in differing[:MAX_CONFLICTS].tolist()
    )
    return _Distinct(taken, len(replaced), conflicts)


def _values(rows: Rows, at: int) -> dict[str, float]:
    return {name: float(rows[name][at]) for name in VALUES}


def _report(
    stream: Stream, tally: StreamTally, stored: list[_Stored], settings: ImportSettings
) -> StreamReport:
    merged = [each.merged for each in stored]
    written = [each.path for each in merged if each.added or each.changed]
    conflicts = [conflict for each in stored for conflict in each.conflicts]
    return StreamReport(
        *stream,
        rows=tally.rows,
        added=sum(each.added for each in merged),
        known=sum(each.known for each in merged),
        changed=sum(each.changed for each in merged),
        repeated=sum(each.repeated for each in stored),
        unsorted=tally.unsorted,
        off_grid=tally.off_grid,
        first_open_ns=tally.lowest_open_ns,
        last_open_ns=tally.highest_open_ns,
        conflicts=tuple(conflicts[:MAX_CONFLICTS]),
        written=tuple(path.relative_to(settings.catalog).as_posix() for path in written),
    )
