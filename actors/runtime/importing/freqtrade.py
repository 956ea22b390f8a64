"""Candles that freqtrade stored: `user_data/data/binance/BTC_USDT-1m.feather`, or `.parquet`.

1. Pair and timeframe are in the file's name. Futures lie in `futures/BTC_USDT_USDT-1h-futures.feather`;
   mark, index and funding candles are no trades.
2. `date` is a candle's open, in UTC: as instants, or as milliseconds since 1970.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.errors import ConfigError, DataError, Problem
from actors.runtime.importing.source import ImportRequest, Label, SourceRows
from actors.runtime.importing.times import counted_times
from actors.runtime.store.foreign import ForeignColumn, foreign_table
from actors.runtime.store.layout import VALUES

_NAME: Final = re.compile(r"([A-Za-z0-9_-]+)-([0-9]+[A-Za-z]{1,2})(?:-([A-Za-z_]+))?")
_TRADED: Final = {None, "spot", "futures"}
_STAMP: Final = "date"


class _Stream(NamedTuple):
    symbol: str
    interval: str


class Freqtrade:
    """Read a Feather or Parquet file of candles of freqtrade's data folder."""

    name = "freqtrade"
    label: Label | None = "open"
    timezone: str | None = "UTC"

    def read(self, path: Path, request: ImportRequest) -> Iterator[SourceRows]:
        """Give the rows; the symbol is freqtrade's name of the pair, such as `BTC/USDT`."""
        stream = _stream(path, request)
        first = 1
        with foreign_table(path) as table:
            for piece in table.pieces((_STAMP, *VALUES)):
                rows = np.arange(first, first + len(piece[_STAMP].missing), dtype=np.int64)
                first += len(rows)
                columns = {name: _numbers(path, name, piece[name]) for name in VALUES}
                yield SourceRows(*stream, _stamps(path, piece[_STAMP], rows), columns, rows)


def _stream(path: Path, request: ImportRequest) -> _Stream:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return _Stream(request.needed_symbol(path), request.needed_interval(path))
    pair, interval, candles = match.groups()
    if candles not in _TRADED:
        raise DataError(
            f"{path}: holds {candles} candles, which are no trades; import the file without -{candles}"
        )
    if request.interval not in {None, interval}:
        reason = f"is {request.interval}, but the file's name says {interval}; leave the option out"
        raise ConfigError(path, (Problem("--interval", reason),))
    return _Stream(_pair(pair), interval)


def _pair(text: str) -> str:
    """Undo freqtrade's naming of files: `BTC_USDT_USDT` is `BTC/USDT:USDT`."""
    return text.replace("_", "/", 1).replace("_", ":", 1)


def _stamps(path: Path, column: ForeignColumn, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if column.missing.any():
        raise DataError(
            f"{path}: column '{_STAMP}' has no value in row {rows[column.missing][0]}; remove the row"
        )
    if column.kind == "integer":
        return counted_times(column.values.tolist(), "ms")
    if column.kind != "instant" or column.timezone not in {None, "UTC"}:
        raise DataError(f"{path}: column '{_STAMP}' is {column.stored_as}; freqtrade writes instants in UTC")
    stamps: npt.NDArray[np.int64] = column.values
    return stamps


def _numbers(path: Path, name: str, column: ForeignColumn) -> npt.NDArray[np.float64]:
    if column.kind not in {"float", "integer"}:
        raise DataError(
            f"{path}: column '{name}' is {column.stored_as}, not a number; download the data again"
        )
    return np.where(column.missing, np.nan, column.values.astype(np.float64))
