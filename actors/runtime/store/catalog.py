"""Read stored bars: only the years, row groups and columns that a range needs."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.errors import DataError
from actors.domain.screening import StoredRows
from actors.runtime.store import layout
from actors.runtime.store.bar_file import BarFile, DecodedRows, RowGroup, joined

CACHE_BYTES: Final = 96 * 2**20
"""Bound of what is kept decoded. Sessions are read one at a time and a row group holds dozens of them."""
Stream = tuple[str, str]
"""Symbol and interval."""


class _Piece(NamedTuple):
    """The rows of one row group that lie in the range."""

    file: str
    rows: npt.NDArray[np.int64]
    open_ts: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[np.float64]]


class _Kept(NamedTuple):
    """The row group of a stream that was decoded last."""

    file: BarFile
    group: RowGroup
    decoded: DecodedRows


class _LastDecoded:
    """Keep the last row group of each stream, as many as fit.

    What does not fit is not kept: sessions are read in turns over all streams, and pushing out the oldest
    would push out each one just before its turn.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._kept: dict[tuple[Stream, int], _Kept] = {}

    def decode(self, stream: Stream, file: BarFile, group: RowGroup, columns: tuple[str, ...]) -> DecodedRows:
        """Give the columns of a row group, decoded now or before."""
        key = stream, len(columns)
        kept = self._kept.get(key)
        if kept is not None and kept.file is file and kept.group is group:
            return kept.decoded
        self._forget(key)
        decoded = file.decode(group, columns)
        if self._bytes + decoded.nbytes <= self._limit_bytes:
            self._kept[key] = _Kept(file, group, decoded)
            self._bytes += decoded.nbytes
        return decoded

    def _forget(self, key: tuple[Stream, int]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.decoded.nbytes


class Catalog:
    """The bars below one folder. What it has listed and opened it takes to stay as it is."""

    def __init__(self, path: Path, cache_bytes: int = CACHE_BYTES) -> None:
        """Name the folder; nothing is read yet."""
        self._path = path
        self._listed: dict[Stream, tuple[layout.YearFile, ...]] = {}
        self._opened: dict[Stream, dict[Path, BarFile]] = {}
        self._decoded = _LastDecoded(cache_bytes)

    def read(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> StoredRows:
        """Read the rows with `start_ns <= open_ts < end_ns`, by year and file name, then in file order.

        Raises DataError where there is nothing of the stream, or a file is unreadable or of the wrong shape.
        """
        stream = symbol, interval
        if not self._files(stream):
            folder = layout.stream_folder(self._path, symbol, interval).relative_to(self._path)
            raise DataError(
                f"{self._path}: holds no {interval} bars of {symbol}; "
                f"bring Parquet files into {folder}/year=YYYY, or leave the symbol out"
            )
        return _stored_rows(self._pieces(stream, start_ns, end_ns, layout.VALUES))

    def open_stamps(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> npt.NDArray[np.int64]:
        """Read only the open stamps of the same rows; empty where there is nothing of the stream.

        Raises DataError where a file is unreadable or of the wrong shape.
        """
        pieces = self._pieces((symbol, interval), start_ns, end_ns, ())
        return joined([piece.open_ts for piece in pieces], np.int64)

    def stored_intervals(self, symbol: str) -> tuple[str, ...]:
        """List the intervals that are there for a symbol, shortest first; empty where none.

        Raises DataError where there is no catalog.
        """
        self._require_bars()
        return layout.stored_intervals(self._path, symbol)

    def symbols(self) -> tuple[str, ...]:
        """List all symbols, sorted.

        Raises DataError where there is no catalog.
        """
        self._require_bars()
        return layout.stored_symbols(self._path)

    def _require_bars(self) -> None:
        if not layout.bars_folder(self._path).is_dir():
            raise DataError(
                f"{self._path}: is no catalog, it has no folder 'bars'; set catalog.path to one that has, "
                f"or make the sample there with `sessionflow data sample --output {self._path}`"
            )

    def _files(self, stream: Stream) -> tuple[layout.YearFile, ...]:
        if stream not in self._listed:
            files = layout.year_files(layout.stream_folder(self._path, *stream))
            if not files:
                self._require_bars()
            self._listed[stream] = files
        return self._listed[stream]

    def _opened_files(self, stream: Stream, start_ns: int, end_ns: int) -> list[BarFile]:
        """Give the files of a range; those of a stream that it does not need are let go of: 45 kB a file."""
        opened = self._opened.get(stream, {})
        needed = {
            file.path: opened.get(file.path) or self._open(file.path)
            for file in self._files(stream)
            if file.start_ns < end_ns and file.end_ns > start_ns
        }
        self._opened[stream] = needed
        return list(needed.values())

    def _open(self, path: Path) -> BarFile:
        return BarFile(path, path.relative_to(self._path).as_posix())

    def _pieces(self, stream: Stream, start_ns: int, end_ns: int, columns: tuple[str, ...]) -> list[_Piece]:
        decoded = [
            (file.name, self._decoded.decode(stream, file, group, columns))
            for file in self._opened_files(stream, start_ns, end_ns)
            for group in file.groups_between(start_ns, end_ns)
        ]
        return [_piece(name, rows, start_ns, end_ns) for name, rows in decoded]


def _piece(name: str, decoded: DecodedRows, start_ns: int, end_ns: int) -> _Piece:
    chosen = decoded.between(start_ns, end_ns)
    places = np.arange(chosen.start, chosen.stop) if isinstance(chosen, slice) else chosen
    return _Piece(
        file=name,
        rows=places + decoded.first_row,
        open_ts=decoded.open_ts[chosen],
        columns={column: values[chosen] for column, values in decoded.columns.items()},
    )


def _stored_rows(pieces: list[_Piece]) -> StoredRows:
    """Put the pieces one behind the other."""
    return StoredRows(
        open_ts=joined([piece.open_ts for piece in pieces], np.int64),
        columns={
            name: joined([piece.columns[name] for piece in pieces], np.float64) for name in layout.VALUES
        },
        rows=joined([piece.rows for piece in pieces], np.int64),
        files=tuple((piece.file, len(piece.rows)) for piece in pieces if len(piece.rows)),
    )
