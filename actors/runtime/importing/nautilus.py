"""Bars of a NautilusTrader Parquet catalog: `data/bar/AAPL.XNAS-1-MINUTE-LAST-EXTERNAL/….parquet`.

1. The bar type, of the schema's metadata or else of the folder, says symbol, interval and kind of price.
2. Prices and volumes are fixed-point numbers in one of these forms: 16 bytes (an integer, times 10^16),
   8 bytes or Arrow integers (times 10^9), Arrow decimals; of old, floats or texts.
3. `ts_init` is a bar's close by NautilusTrader's convention; `ts_event` is its close or its open. So the two
   say which: where `ts_init` is an interval later, `ts_event` is the open; where it is less, the close.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.errors import ConfigError, DataError, Problem
from actors.domain.intervals import Interval
from actors.runtime.importing.source import ImportRequest, Label, SourceRows
from actors.runtime.store.foreign import ForeignColumn, ForeignTable, Kind, foreign_table
from actors.runtime.store.layout import VALUES

_BAR_TYPE: Final = re.compile(r"(.+)\.([^.]+)-([0-9]+)-([A-Z_]+)-([A-Z]+)-(?:EXTERNAL|INTERNAL)(?:@.*)?")
_UNITS: Final = {"SECOND": "s", "MINUTE": "m", "HOUR": "h", "DAY": "d", "WEEK": "w"}
_STAMPS: Final = ("ts_event", "ts_init")
_STANDARD: Final = 10**9
_HIGH_PRECISION: Final = 10**16
_STANDARD_BYTES: Final = 8
_HIGH_PRECISION_BYTES: Final = 16
_INT64_MAX: Final = 2**63 - 1
_UNDEFINED: Final = {2**63 - 1, -(2**63), 2**64 - 1, 2**127 - 1, -(2**127), 2**128 - 1}
"""Raw values by which NautilusTrader says that there is no price or size."""
Integers = npt.NDArray[np.int64]


class _Stream(NamedTuple):
    symbol: str
    interval: Interval


class Nautilus:
    """Read a Parquet file of bars of a NautilusTrader catalog."""

    name = "nautilus"
    label: Label | None = None
    timezone: str | None = "UTC"

    def read(self, path: Path, request: ImportRequest) -> Iterator[SourceRows]:
        """Give the rows; their label is the one that was said, else the one that the file shows."""
        with foreign_table(path) as table:
            stream = _stream(path, table, request)
            first, label = 1, request.label
            for piece in table.pieces((*VALUES, *_STAMPS)):
                rows = np.arange(first, first + len(piece["ts_event"].missing), dtype=np.int64)
                first += len(rows)
                event, init = (_stamps(path, name, piece[name], rows) for name in _STAMPS)
                if request.label is None:
                    label = _label(path, init - event, stream.interval, label)
                yield SourceRows(
                    stream.symbol,
                    str(stream.interval),
                    _dated(event, label, stream.interval),
                    {name: _numbers(path, name, piece[name], rows) for name in VALUES},
                    rows,
                    label=label,
                )


def _label(path: Path, delays: Integers, interval: Interval, before: Label | None) -> Label | None:
    """Tell what `ts_event` is; what the first rows show, all rows must."""
    if not len(delays):
        return before
    shown: Label | None = None
    if (delays == interval.length_ns).all():
        shown = "open"
    elif ((delays >= 0) & (delays < interval.length_ns)).all():
        shown = "close"
    if shown is None or before not in {None, shown}:
        raise DataError(
            f"{path}: ts_init is neither less than an interval behind ts_event in all rows, as where it is "
            "the close, nor an interval, as where it is the open; say --label open or --label close"
        )
    return shown


def _dated(event: Integers, label: Label | None, interval: Interval) -> Integers:
    """Keep the close of a day's bar within the day, whose end is the midnight that begins the next."""
    return event - 1 if label == "close" and not interval.is_intraday else event


def _stream(path: Path, table: ForeignTable, request: ImportRequest) -> _Stream:
    text = table.metadata.get("bar_type") or path.absolute().parent.name
    match = _BAR_TYPE.fullmatch(text)
    if match is None:
        return _Stream(request.needed_symbol(path), Interval.parse(request.needed_interval(path)))
    symbol, _, count, unit, price = match.groups()
    if price != "LAST" and request.symbol is None:
        reason = f"bars of {text} are of {price} prices, not of trades; say under which symbol to keep them"
        raise ConfigError(path, (Problem("--symbol", reason),))
    kept = symbol if price == "LAST" else request.needed_symbol(path)
    return _Stream(kept, _interval(path, count, unit, request))


def _interval(path: Path, count: str, unit: str, request: ImportRequest) -> Interval:
    if unit not in _UNITS:
        raise DataError(
            f"{path}: bars by {unit} are not bars of a fixed time; import bars by {', '.join(_UNITS)}"
        )
    found = Interval(int(count), _UNITS[unit])
    if request.interval not in {None, str(found)}:
        reason = f"is {request.interval}, but the file holds {found} bars; leave the option out"
        raise ConfigError(path, (Problem("--interval", reason),))
    return found


def _stamps(path: Path, name: str, column: ForeignColumn, rows: Integers) -> Integers:
    if column.missing.any():
        raise DataError(
            f"{path}: column '{name}' has no value in row {rows[column.missing][0]}; remove the row"
        )
    if column.kind not in {"integer", "instant"}:
        raise _unknown(path, name, column)
    values = column.values
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) <= _INT64_MAX:
        raise DataError(
            f"{path}: column '{name}' holds what are no nanoseconds since 1970; write the file again"
        )
    return values.astype(np.int64)


def _numbers(path: Path, name: str, column: ForeignColumn, rows: Integers) -> npt.NDArray[np.float64]:
    decoder = _DECODERS.get(column.kind)
    if decoder is None or (column.kind == "bytes" and column.values.shape[1] not in _BYTES_SCALE):
        raise _unknown(path, name, column)
    try:
        numbers = decoder(column, name)
    except ValueError as error:
        raise DataError(
            f"{path}: column '{name}', rows {rows[0]} to {rows[-1]}: {error}; correct it"
        ) from error
    return np.where(column.missing, np.nan, numbers)


def _unknown(path: Path, name: str, column: ForeignColumn) -> DataError:
    return DataError(
        f"{path}: column '{name}' is {column.stored_as}, in which NautilusTrader is not known to write bars; "
        "write the catalog again with a NautilusTrader of today"
    )


def _floats(column: ForeignColumn, _: str) -> npt.NDArray[np.float64]:
    return column.values.astype(np.float64)


def _texts(column: ForeignColumn, _: str) -> npt.NDArray[np.float64]:
    texts = np.where(column.missing, "nan", column.values)
    return np.array([float(text) for text in texts], dtype=np.float64)


def _integers(column: ForeignColumn, _: str) -> npt.NDArray[np.float64]:
    return _scaled(column.values.tolist(), _STANDARD)


def _decimals(column: ForeignColumn, name: str) -> npt.NDArray[np.float64]:
    return _scaled(_long_integers(column.values, name), 10**column.scale)


def _fixed_points(column: ForeignColumn, name: str) -> npt.NDArray[np.float64]:
    width = column.values.shape[1]
    if width == _HIGH_PRECISION_BYTES:
        return _scaled(_long_integers(column.values, name), _HIGH_PRECISION)
    kind = "<u8" if name == "volume" else "<i8"
    return _scaled(np.ascontiguousarray(column.values).view(kind).ravel().tolist(), _STANDARD)


def _long_integers(cells: npt.NDArray[np.uint8], name: str) -> list[int]:
    """Join the halves of 16-byte integers; sizes have no sign."""
    high_kind = "<u8" if name == "volume" else "<i8"
    halves = np.ascontiguousarray(cells)
    low = halves[:, :8].copy().view("<u8").ravel().tolist()
    high = halves[:, 8:].copy().view(high_kind).ravel().tolist()
    return [(upper << 64) | lower for upper, lower in zip(high, low, strict=True)]


def _scaled(raw: list[int], scale: int) -> npt.NDArray[np.float64]:
    """Divide integers, which Python rounds once: through floats, 16 digits would be rounded twice."""
    return np.array([np.nan if value in _UNDEFINED else value / scale for value in raw], dtype=np.float64)


_BYTES_SCALE: Final = {_STANDARD_BYTES: _STANDARD, _HIGH_PRECISION_BYTES: _HIGH_PRECISION}
_DECODERS: Final[dict[Kind, Callable[[ForeignColumn, str], npt.NDArray[np.float64]]]] = {
    "float": _floats,
    "text": _texts,
    "integer": _integers,
    "decimal": _decimals,
    "bytes": _fixed_points,
}
