"""Decode Databento's binary encoding. The only module that imports `databento_dbn`, an optional package."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import databento_dbn
import numpy as np
import numpy.typing as npt

from actors.domain.errors import DataError
from actors.runtime.importing.databento_records import PRICE_SCALE, UNDEFINED_PRICE, BarRecords, Integers
from actors.runtime.store.layout import VALUES

Decoded = Any
"""An object of databento_dbn, which need not be installed where types are checked."""
_CHUNK_BYTES: Final = 2**21
_NS_PER_S: Final = 1_000_000_000
_BY_NUMBER: Final = "instrument_id"


class _Name(NamedTuple):
    """A symbol, the instrument it stands for, and when, `[start_ns, end_ns)`."""

    symbol: str
    instrument: int
    start_ns: int
    end_ns: int


def dbn_records(path: Path, file: BinaryIO) -> Iterator[BarRecords]:
    """Read a DBN stream in pieces.

    Raises DataError where it is damaged, cut short or holds other records than bars.
    """
    decoder = databento_dbn.DBNDecoder()
    names: tuple[_Name, ...] = ()
    count = 0
    while chunk := file.read(_CHUNK_BYTES):
        decoded = _decoded(path, decoder, chunk)
        if decoded and isinstance(decoded[0], databento_dbn.Metadata):
            names = tuple(sorted(_names(decoded.pop(0))))
        yield _records(path, decoded, names, count)
        count += len(decoded)
    if decoder.buffer():
        raise DataError(f"{path}: ends within record {count + 1}; copy it again from its source")


def _decoded(path: Path, decoder: Decoded, chunk: bytes) -> list[Decoded]:
    try:
        decoder.write(chunk)
        return list(decoder.decode())
    except databento_dbn.DBNError as error:
        raise DataError(f"{path}: is damaged ({error}); copy it again from its source") from error


def _names(metadata: Decoded) -> Iterator[_Name]:
    """List what the head says; either side of the mapping may be the instrument's number."""
    if _BY_NUMBER not in (metadata.stype_out, metadata.stype_in):
        return
    for key, intervals in metadata.mappings.items():
        for interval in intervals:
            if interval["symbol"]:
                forward = metadata.stype_out == _BY_NUMBER
                symbol, number = (key, interval["symbol"]) if forward else (interval["symbol"], key)
                yield _Name(
                    symbol, int(number), _day_ns(interval["start_date"]), _day_ns(interval["end_date"])
                )


def _day_ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * _NS_PER_S


def _records(path: Path, decoded: list[Decoded], names: tuple[_Name, ...], before: int) -> BarRecords:
    for row, record in enumerate(decoded, before + 1):
        if not isinstance(record, databento_dbn.OHLCVMsg):
            kind = type(record).__name__
            raise DataError(f"{path}: record {row} is a {kind}, not a bar; import a file of an ohlcv schema")
    bars = [record for record in decoded if isinstance(record, databento_dbn.OHLCVMsg)]
    instrument = _integers(bars, "instrument_id")
    stamps = _integers(bars, "ts_event")
    return BarRecords(
        np.fromiter((bar.rtype.value for bar in bars), np.int64, len(bars)),
        _integers(bars, "publisher_id"),
        instrument,
        _symbols(path, names, instrument, stamps),
        stamps,
        {name: _numbers(bars, name) for name in VALUES},
        np.arange(before + 1, before + 1 + len(bars), dtype=np.int64),
    )


def _integers(bars: list[Decoded], field: str) -> Integers:
    return np.fromiter((getattr(bar, field) for bar in bars), np.int64, len(bars))


def _numbers(bars: list[Decoded], field: str) -> npt.NDArray[np.float64]:
    values = np.fromiter((getattr(bar, field) for bar in bars), np.float64, len(bars))
    if field == "volume":
        return values
    return np.where(values == float(UNDEFINED_PRICE), np.nan, values / PRICE_SCALE)


def _symbols(
    path: Path, names: tuple[_Name, ...], instrument: Integers, stamps: Integers
) -> npt.NDArray[np.object_]:
    symbols = np.full(len(instrument), None, dtype=object)
    for name in names:
        meant = (instrument == name.instrument) & (stamps >= name.start_ns) & (stamps < name.end_ns)
        taken = meant & (symbols != None)  # noqa: E711  element by element
        if taken.any():
            other = symbols[taken][0]
            raise DataError(
                f"{path}: instrument {name.instrument} is both {other} and {name.symbol}; request one of them"
            )
        symbols[meant] = name.symbol
    return symbols
