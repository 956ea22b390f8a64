"""Bars in text files: one row each, the first line names the columns."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from actors.domain.errors import ConfigError, DataError, Problem
from actors.domain.intervals import Interval
from actors.domain.screening import VALUES
from actors.runtime.importing.source import ImportRequest, Label, RowFault, SourceRows
from actors.runtime.importing.terms import label_problem, zone_problem
from actors.runtime.importing.times import (
    Reasons,
    UnitUnclear,
    local_times,
    repeated_local_times,
    written_times,
)
from actors.runtime.store.csv_table import BLOCK_BYTES, CsvBlock, CsvTable, Lines

_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)?")


@dataclass(frozen=True)
class Dialect:
    """What columns are called, in small letters; of several names the first that is there is taken."""

    times: tuple[str, ...]
    symbols: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]
    timezone: str | None = None
    """Of times without an offset, where the format fixes it."""


GENERIC: Final = Dialect(
    times=("timestamp", "datetime", "date_time", "date time", "open_time", "open time", "time", "date", "ts"),
    symbols=("symbol", "ticker"),
    values={name: (name,) for name in VALUES},
)


class GenericCsv:
    """Any table with a time, open, high, low, close and volume. What its times are has to be said."""

    name = "csv"
    label: Label | None = None
    timezone: str | None = None

    def read(self, path: Path, request: ImportRequest) -> Iterator[SourceRows]:
        """Give the rows of a file, block by block."""
        return read_csv(path, request, GENERIC)


def read_csv(
    path: Path, request: ImportRequest, dialect: Dialect, block_bytes: int = BLOCK_BYTES
) -> Iterator[SourceRows]:
    """Give the rows of a text file, block by block.

    Raises ConfigError where zone, interval or symbol has to be said, DataError where it is no such table.
    """
    table = CsvTable(path, block_bytes)
    columns = _columns(path, table.names, dialect)
    texts = (*columns.times, *columns.symbols)
    reader = _Reader(path, request, dialect, columns)
    for block in table.blocks(texts, tuple(columns.values.values())):
        yield from reader.on_block(block)
    yield from reader.on_end()


class _Columns(NamedTuple):
    """What the columns are called in a file."""

    times: tuple[str, ...]
    """One, or date and time."""
    symbols: tuple[str, ...]
    """One or none."""
    values: dict[str, str]


def _columns(path: Path, names: tuple[str, ...], dialect: Dialect) -> _Columns:
    found = {name.lower(): name for name in reversed(names)}
    missing = [value for value, others in dialect.values.items() if not any(name in found for name in others)]
    times = _time_columns(found, dialect)
    if not times:
        missing = [f"a time ({', '.join(dialect.times)})", *missing]
    if missing:
        raise DataError(
            f"{path}: has no column for {', '.join(missing)}; its first line names {', '.join(names[:12])}; "
            "name the columns there"
        )
    values = {
        value: found[next(name for name in others if name in found)]
        for value, others in dialect.values.items()
    }
    return _Columns(times, tuple(found[name] for name in dialect.symbols if name in found)[:1], values)


def _time_columns(found: Mapping[str, str], dialect: Dialect) -> tuple[str, ...]:
    """Find the column of times, or those of date and time."""
    first = next((name for name in dialect.times if name in found), None)
    if first in {"date", "time"} and "date" in found and "time" in found:
        return found["date"], found["time"]
    return () if first is None else (found[first],)


class _Table(NamedTuple):
    """Rows with their times read; arrays and lists of length n."""

    stamps: npt.NDArray[np.int64]
    local: npt.NDArray[np.bool_]
    lines: npt.NDArray[np.int64]
    symbols: npt.NDArray[np.str_] | None
    values: dict[str, npt.NDArray[np.float64]]

    def part(self, chosen: slice | npt.NDArray[np.bool_]) -> "_Table":
        """Choose rows."""
        return _Table(
            self.stamps[chosen],
            self.local[chosen],
            self.lines[chosen],
            None if self.symbols is None else self.symbols[chosen],
            {name: values[chosen] for name, values in self.values.items()},
        )

    def followed_by(self, other: "_Table") -> "_Table":
        """Add rows at the end."""
        symbols = None
        if self.symbols is not None and other.symbols is not None:
            symbols = np.concatenate([self.symbols, other.symbols])
        return _Table(
            np.concatenate([self.stamps, other.stamps]),
            np.concatenate([self.local, other.local]),
            np.concatenate([self.lines, other.lines]),
            symbols,
            {name: np.concatenate([self.values[name], other.values[name]]) for name in VALUES},
        )


class _Reader:
    """Turn blocks of text into rows. What ends within an hour that comes twice waits for the next block."""

    def __init__(self, path: Path, request: ImportRequest, dialect: Dialect, columns: _Columns) -> None:
        self._path = path
        self._request = request
        self._columns = columns
        self._interval = request.needed_interval(path)
        if not columns.symbols:
            request.needed_symbol(path)
        zone = dialect.timezone or request.timezone
        self._zone = ZoneInfo(zone) if zone else None
        self._sources: tuple[Lines, ...] = ()
        self._waiting: _Table | None = None

    def on_block(self, block: CsvBlock) -> Iterator[SourceRows]:
        """Take a block, give what can be told of its rows."""
        self._sources = (*self._sources_of_waiting(), block.source)
        yield self._faulty(
            [(odd.line, f"has {odd.fields} fields, not as many as the header") for odd in block.odd]
        )
        table, faults = self._table(block)
        yield self._faulty([(int(block.lines[at]), reason) for at, reason in sorted(faults.items())])
        whole = self._waiting.followed_by(table) if self._waiting else table
        settled = self._settled(whole)
        self._waiting = whole.part(slice(settled, None))
        yield from self._streams(whole.part(slice(settled)))

    def on_end(self) -> Iterator[SourceRows]:
        """Give what was waiting."""
        if self._waiting:
            yield from self._streams(self._waiting)

    def _sources_of_waiting(self) -> Iterator[Lines]:
        if self._waiting is not None and len(self._waiting.lines):
            oldest = int(self._waiting.lines[0])
            yield from (lines for lines in self._sources if lines.first + len(lines) > oldest)

    def _table(self, block: CsvBlock) -> tuple[_Table, Reasons]:
        """Read a block's times; give the rows that have one, and the faults of the others."""
        try:
            times = written_times(_time_texts(block, self._columns.times))
        except UnitUnclear as error:
            readings = "; ".join(error.readings())
            raise DataError(
                f"{self._path}: {error.count} in row {block.lines[0]} counts nobody knows what since 1970 "
                f"({readings}); write times as 2025-07-02 09:30:00, or as a count of s, ms, us or ns"
            ) from error
        present = np.ones(len(times.stamps), np.bool_)
        present[list(times.faults)] = False
        symbols = [np.array(block.texts[name], dtype=np.str_) for name in self._columns.symbols]
        values = {value: block.numbers[name] for value, name in self._columns.values.items()}
        whole = _Table(times.stamps, times.local, block.lines, symbols[0] if symbols else None, values)
        table = whole if not times.faults else whole.part(present)
        self._check_zone(table)
        return table, times.faults

    def _check_zone(self, table: _Table) -> None:
        """Make sure that local times can be read.

        Raises ConfigError with all that has to be said.
        """
        if self._zone is None and table.local.any():
            first = self._rows(self._request.symbol or "", table.part(slice(3)), ())
            problems: list[Problem] = [zone_problem(first)]
            if self._request.label is None and Interval.parse(self._interval).is_intraday:
                problems.append(label_problem(first, None))
            raise ConfigError(self._path, tuple(problems))

    def _settled(self, table: _Table) -> int:
        """Count the rows before those at the end that come twice."""
        last = slice(-1, None)
        if (
            self._zone is None
            or not (table.local[last] & repeated_local_times(table.stamps[last], self._zone)).any()
        ):
            return len(table.stamps)
        once = np.flatnonzero(~(table.local & repeated_local_times(table.stamps, self._zone)))
        return int(once[-1]) + 1 if len(once) else 0

    def _streams(self, table: _Table) -> Iterator[SourceRows]:
        """Give rows symbol by symbol."""
        if table.symbols is None:
            yield self._instants(self._request.needed_symbol(self._path), table)
            return
        for symbol in np.unique(table.symbols).tolist():
            yield self._instants(symbol, table.part(table.symbols == symbol))

    def _instants(self, symbol: str, table: _Table) -> SourceRows:
        """Turn local times into instants."""
        if self._zone is None or not table.local.any():
            return self._rows(symbol, table, ())
        at = np.flatnonzero(table.local)
        found = local_times(table.stamps[at], self._zone)
        stamps = table.stamps.copy()
        stamps[at] = found.stamps
        present = np.ones(len(stamps), np.bool_)
        present[at[list(found.faults)]] = False
        content = self._content()
        faults = tuple(
            RowFault(line, content(line), reason)
            for line, reason in sorted(
                (int(table.lines[at[place]]), why) for place, why in found.faults.items()
            )
        )
        return self._rows(symbol, table._replace(stamps=stamps).part(present), faults)

    def _faulty(self, reasons: list[tuple[int, str]]) -> SourceRows:
        """Give rows that have no symbol or no time."""
        content = self._content()
        none = np.empty(0, np.int64)
        empty = _Table(none, none.astype(np.bool_), none, None, {name: np.empty(0) for name in VALUES})
        faults = tuple(RowFault(line, content(line), reason) for line, reason in reasons)
        return self._rows(self._request.symbol or "", empty, faults)

    def _rows(self, symbol: str, table: _Table, faults: tuple[RowFault, ...]) -> SourceRows:
        return SourceRows(
            symbol, self._interval, table.stamps, table.values, table.lines, faults, self._content()
        )

    def _content(self) -> Callable[[int], str]:
        sources = self._sources
        return lambda line: next(lines for lines in reversed(sources) if lines.first <= line).text(line)


def _time_texts(block: CsvBlock, columns: tuple[str, ...]) -> list[str]:
    """Give the texts of times, of two columns put together."""
    if len(columns) == 1:
        return block.texts[columns[0]]
    dates, times = (block.texts[name] for name in columns)
    return [f"{_date(date)} {_time(time)}" for date, time in zip(dates, times, strict=True)]


def _date(text: str) -> str:
    match = _DATE.fullmatch(text)
    return "-".join(match.groups()) if match else text


def _time(text: str) -> str:
    match = _TIME.fullmatch(text)
    return ":".join(part for part in match.groups() if part) if match else text
