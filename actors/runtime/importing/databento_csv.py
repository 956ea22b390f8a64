"""Read the CSV files that Databento makes of its ohlcv records, prices and times pretty or not."""

import csv
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from actors.domain.errors import DataError
from actors.runtime.importing.databento_records import PRICE_SCALE, UNDEFINED_PRICE, BarRecords, Integers
from actors.runtime.importing.source import RowFault
from actors.runtime.importing.times import UnitUnclear, WrittenTimes, written_times
from actors.runtime.store.layout import VALUES

_PIECE_ROWS: Final = 65_536
_NUMBERS: Final = ("rtype", "publisher_id", "instrument_id")
_FIELDS: Final = ("ts_event", *_NUMBERS, *VALUES)
_PRICES: Final = VALUES[:4]
Texts = dict[str, list[str]]
Numbered = list[tuple[int, list[str]]]
"""Records with the numbers of their lines."""


def csv_records(path: Path, file: BinaryIO) -> Iterator[BarRecords]:
    """Read a CSV file in pieces.

    Raises DataError where it is not one of ohlcv records.
    """
    with TextIOWrapper(file, encoding="utf-8", newline="") as text:
        reader = csv.reader(text)
        try:
            header = next(reader, [])
            _check_header(path, header)
            style = _PriceStyle(path)
            numbered = enumerate(reader, 2)
            while piece := list(islice(numbered, _PIECE_ROWS)):
                yield _records(path, header, piece, style)
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"{path}: is neither DBN nor CSV ({error}); import a file of Databento"
            ) from error


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in _FIELDS if name not in header]
    if missing:
        raise DataError(
            f"{path}: its first line has no {', '.join(missing)}; "
            f"CSV files of Databento's ohlcv schemas have {','.join(_FIELDS)} and perhaps symbol"
        )


class _PriceStyle:
    """Whether a file's prices are decimals or whole numbers of 10^-9: all of them are one or the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decimal: bool | None = None

    def scale(self, texts: list[str], lines: list[int]) -> int:
        """Give what to divide by."""
        decimal = np.array(["." in text for text in texts], dtype=bool)
        written = np.array([text not in {"", "nan"} for text in texts], dtype=bool)
        if self._decimal is None and written.any():
            self._decimal = bool(decimal[written.argmax()])
        strange = written & (decimal != self._decimal)
        if strange.any():
            at = int(strange.argmax())
            style = "with" if self._decimal else "without"
            raise DataError(
                f"{self._path}: line {lines[at]} has the price {texts[at]}, but others are {style} a point; "
                "Databento writes all in one way"
            )
        return 1 if self._decimal else PRICE_SCALE


def _records(path: Path, header: list[str], piece: Numbered, style: _PriceStyle) -> BarRecords:
    whole = [(line, record) for line, record in piece if len(record) == len(header)]
    short = [(line, record) for line, record in piece if len(record) != len(header)]
    lines, texts = _columns(header, whole)
    times = _times(path, texts["ts_event"])
    numbers = {name: _integers(texts[name]) for name in _NUMBERS}
    good = np.array([at not in times.faults for at in range(len(lines))], dtype=bool)
    for values in numbers.values():
        good &= values >= 0
    contents = dict(piece)
    faults = [RowFault(line, ",".join(record), f"a row has {len(header)} fields") for line, record in short]
    faults += [
        RowFault(
            lines[at], ",".join(whole[at][1]), times.faults.get(at, f"{', '.join(_NUMBERS)} are numbers")
        )
        for at in np.flatnonzero(~good).tolist()
    ]
    scale = style.scale([text for name in _PRICES for text in texts[name]], lines * len(_PRICES))
    return BarRecords(
        numbers["rtype"],
        numbers["publisher_id"],
        numbers["instrument_id"],
        np.array([text or None for text in texts.get("symbol", [""] * len(lines))], dtype=object),
        times.stamps,
        {name: _values(texts[name], scale if name in _PRICES else 1) for name in VALUES},
        np.array(lines, dtype=np.int64),
        tuple(sorted(faults)),
        lambda row: ",".join(contents[row]),
    ).where(good)


def _columns(header: list[str], whole: Numbered) -> tuple[list[int], Texts]:
    lines = [line for line, _ in whole]
    cells = list(zip(*(record for _, record in whole), strict=True)) or [()] * len(header)
    return lines, {name: list(cell) for name, cell in zip(header, cells, strict=True)}


def _times(path: Path, texts: list[str]) -> WrittenTimes:
    try:
        return written_times(texts)
    except UnitUnclear as error:
        raise DataError(f"{path}: ts_event {error.count} is no time in ns since 1970; correct it") from error


def _integers(texts: list[str]) -> Integers:
    """Read numbers; -1 where there is none."""
    return np.array([int(text) if text.isdecimal() else -1 for text in texts], dtype=np.int64)


def _values(texts: list[str], scale: int) -> npt.NDArray[np.float64]:
    try:
        values = np.array(texts, dtype=np.float64)
    except ValueError:
        values = np.array([_value(text) for text in texts], dtype=np.float64)
    return np.where(values == float(UNDEFINED_PRICE), np.nan, values / scale)


def _value(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
