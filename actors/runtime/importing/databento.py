"""Databento's ohlcv bars: DBN files (`.dbn`, `.dbn.zst`) and the CSV files made of them (`.csv`, `.csv.zst`).

1. A record names its interval (`rtype`), its publisher and its instrument by number. DBN files say in their
   head which number has which symbol on which days; CSV files have the symbol in each row, or not at all.
2. `ts_event` is the bar's open in UTC. Prices are decimals, or whole numbers of 10^-9.
3. Databento makes bars for each publisher. Bars of one symbol by several publishers are no one stream.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, cast

from actors.domain.errors import ConfigError, DataError, Problem
from actors.runtime.importing.databento_csv import csv_records
from actors.runtime.importing.databento_records import BarRecords
from actors.runtime.importing.source import ImportRequest, Label, RowFault, SourceRows
from actors.runtime.store.foreign import foreign_bytes

_INTERVALS: Final = {32: "1s", 33: "1m", 34: "1h", 35: "1d"}
_DBN_MAGIC: Final = b"DBN"
_DECODER: Final = "actors.runtime.importing.dbn"
_Reader = Callable[[Path, BinaryIO], Iterator[BarRecords]]


class Databento:
    """Read a file of ohlcv bars, DBN or CSV, compressed with zstd or not."""

    name = "databento"
    label: Label | None = "open"
    timezone: str | None = "UTC"

    def read(self, path: Path, request: ImportRequest) -> Iterator[SourceRows]:
        """Give the rows, stream by stream within each piece of the file.

        Raises ConfigError where the file has no symbols and none is said, and where the package that decodes
        DBN is not installed.
        """
        streams = _Streams(path, request)
        with foreign_bytes(path) as file:
            for records in _records(path, file):
                yield from streams.of(records)
        yield from streams.rest()


def _records(path: Path, file: BufferedReader) -> Iterator[BarRecords]:
    if file.peek(len(_DBN_MAGIC)).startswith(_DBN_MAGIC):
        return _dbn_reader(path)(path, file)
    return csv_records(path, file)


def _dbn_reader(path: Path) -> _Reader:
    try:
        return cast("_Reader", import_module(_DECODER).dbn_records)
    except ModuleNotFoundError as error:
        if error.name != "databento_dbn":
            raise
        reason = "DBN files need a package: pip install 'sessionflow[databento]', or import CSV files"
        raise ConfigError(path, (Problem("--format", reason),)) from error


class _Streams:
    """Part records by symbol and interval; remember whose bars were seen."""

    def __init__(self, path: Path, request: ImportRequest) -> None:
        self._path = path
        self._request = request
        self._publishers: dict[tuple[str, int], int] = {}
        self._named = False
        self._nameless: dict[int, int] = {}
        self._faults: tuple[RowFault, ...] = ()
        self._last: SourceRows | None = None

    def of(self, records: BarRecords) -> Iterator[SourceRows]:
        """Give the rows of each stream; the faults of all go with the first."""
        self._faults += records.faults
        for symbol, rtype in _streams(records):
            part = records.where((records.symbols == symbol) & (records.rtype == rtype))
            name = self._name(symbol, part)
            self._check_publisher(name, rtype, part)
            interval = self._interval(rtype, part)
            faults, self._faults = self._faults, ()
            rows = SourceRows(name, interval, part.stamps, part.columns, part.rows, faults, part.content)
            self._last = _none_of(rows)
            yield rows

    def rest(self) -> Iterator[SourceRows]:
        """Give the faults behind the last row that could be read.

        Raises DataError where there is no such row.
        """
        if self._faults and self._last is None:
            fault = self._faults[0]
            raise DataError(
                f"{self._path}: no row can be read; row {fault.row}: {fault.reason}: {fault.content}"
            )
        if self._faults and self._last is not None:
            yield self._last._replace(faults=self._faults)

    def _name(self, symbol: str | None, part: BarRecords) -> str:
        """Give the symbol that the file says; where it says none at all, the one that was said."""
        if symbol is None:
            self._nameless.update(dict.fromkeys(part.instrument.tolist(), int(part.rows[0])))
        self._named |= symbol is not None
        if self._nameless and (self._named or len(self._nameless) > 1):
            instrument, row = next(reversed(self._nameless.items()))
            raise DataError(
                f"{self._path}: instrument {instrument}, as in row {row}, has no symbol in the file on that "
                "day; request the data again with symbols"
            )
        return symbol or self._request.needed_symbol(self._path)

    def _interval(self, rtype: int, part: BarRecords) -> str:
        found = _INTERVALS.get(rtype)
        if found is None:
            raise DataError(
                f"{self._path}: row {part.rows[0]} has rtype {rtype}, which is no bar of a known length; "
                "import a file of schema ohlcv-1s, ohlcv-1m, ohlcv-1h or ohlcv-1d"
            )
        if self._request.interval not in {None, found}:
            reason = f"is {self._request.interval}, but the file holds {found} bars; leave the option out"
            raise ConfigError(self._path, (Problem("--interval", reason),))
        return found

    def _check_publisher(self, symbol: str, rtype: int, part: BarRecords) -> None:
        publisher = self._publishers.setdefault((symbol, rtype), int(part.publisher[0]))
        other = part.publisher != publisher
        if other.any():
            raise DataError(
                f"{self._path}: row {part.rows[other][0]} is {symbol} by publisher "
                f"{part.publisher[other][0]}, others by {publisher}; bars of several venues are no one "
                "stream: request one of them, or a consolidated dataset"
            )


def _streams(records: BarRecords) -> list[tuple[str | None, int]]:
    return list(dict.fromkeys(zip(records.symbols.tolist(), records.rtype.tolist(), strict=True)))


def _none_of(rows: SourceRows) -> SourceRows:
    columns = {name: column[:0] for name, column in rows.columns.items()}
    return rows._replace(stamps=rows.stamps[:0], columns=columns, rows=rows.rows[:0], faults=())
