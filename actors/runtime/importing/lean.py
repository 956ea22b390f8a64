"""LEAN's zips of US equity trade bars, as they lie in its data folder.

1. `equity/usa/minute/aapl/20250702_trade.zip` (and `second`) holds one day: rows of milliseconds since
   midnight by the New York clock, open, high, low, close, volume. The date is in the name.
2. `equity/usa/daily/aapl.zip` (and `hour`) holds all days: rows that begin with `20250702 09:00`, New York.
3. Prices are whole numbers of 1/10000 dollar. Stamps are those of the bar's open.
4. Only the folders tell US equities from what has another zone and scale, so they have to be there.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from actors.domain.errors import ConfigError, DataError, Problem
from actors.runtime.importing.source import ImportRequest, Label, RowFault, SourceRows
from actors.runtime.importing.times import local_times
from actors.runtime.store.layout import VALUES

_ZONE: Final = "America/New_York"
_PRICE_SCALE: Final = 10_000
_NS_PER_MS: Final = 1_000_000
_DAY_MS: Final = 86_400_000
_INTERVALS: Final = {"second": "1s", "minute": "1m", "hour": "1h", "daily": "1d"}
_KINDS: Final = frozenset({
    "alternative", "cfd", "crypto", "cryptofuture", "equity", "forex", "future", "futureoption", "index",
    "indexoption", "option",
})  # fmt: skip
_DAY_NAME: Final = re.compile(r"([0-9]{8})_([a-z_]+)")
_MOMENT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2}) ([0-9]{2}):([0-9]{2})")
_FIELDS: Final = 1 + len(VALUES)
_QUOTE_FIELDS: Final = 11
_TRADE: Final = "trade"


class _Place(NamedTuple):
    """What the path of a zip says."""

    symbol: str
    interval: str
    day: date | None
    """The day of a zip that holds one."""


class Lean:
    """Read a zip of US equity trade bars."""

    name = "lean"
    label: Label | None = "open"
    timezone: str | None = _ZONE

    def read(self, path: Path, request: ImportRequest) -> Iterator[SourceRows]:
        """Give the rows of the zip's one file."""
        place = _place(path)
        if request.interval not in {None, place.interval}:
            reason = (
                f"is {request.interval}, but the file's folder says {place.interval}; leave the option out"
            )
            raise ConfigError(path, (Problem("--interval", reason),))
        lines = _lines(path, place)
        yield _source_rows(path, place, lines)


def _place(path: Path) -> _Place:
    folders = [part.lower() for part in path.absolute().parts[:-1]]
    at = next(
        (index for index in reversed(range(len(folders) - 2)) if folders[index] in _KINDS), len(folders)
    )
    kind, market, resolution, ticker = [*folders[at:], "", "", "", ""][:4]
    if kind != "equity" or market != "usa":
        found = f"{kind}/{market}" if kind else "no such folder"
        raise DataError(
            f"{path}: lies in {found}; only US equities are read, "
            "from a folder such as equity/usa/minute/aapl"
        )
    if resolution not in _INTERVALS:
        raise DataError(f"{path}: holds {resolution or 'unknown'} data; bars lie in {', '.join(_INTERVALS)}")
    return _named_place(path, resolution, ticker)


def _named_place(path: Path, resolution: str, ticker: str) -> _Place:
    interval = _INTERVALS[resolution]
    if resolution in {"hour", "daily"}:
        return _Place(path.stem.upper(), interval, None)
    match = _DAY_NAME.fullmatch(path.stem.lower())
    day = _day(match[1]) if match else None
    if match is None or day is None or not ticker:
        raise DataError(
            f"{path}: is not named as LEAN names {resolution} bars, such as aapl/20250702_trade.zip"
        )
    if match[2] != _TRADE:
        raise DataError(f"{path}: holds {match[2]} bars; import {match[1]}_trade.zip")
    return _Place(ticker.upper(), interval, day)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _lines(path: Path, place: _Place) -> list[str]:
    """Read the text that the zip holds and check that it is the one its path promises."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(path, archive.namelist(), place)
            return archive.read(member).decode("ascii").splitlines()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: is no whole zip of LEAN ({error}); copy it again from its source"
        ) from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the path and the rights"
        ) from error


def _member(path: Path, names: list[str], place: _Place) -> str:
    expected = f"{place.day:%Y%m%d}_" if place.day else ""
    if len(names) != 1 or not names[0].lower().endswith(".csv") or not names[0].startswith(expected):
        found = ", ".join(names[:3]) or "nothing"
        raise DataError(
            f"{path}: should hold one file {expected or place.symbol.lower()}….csv but holds {found}"
        )
    return names[0]


def _source_rows(path: Path, place: _Place, lines: list[str]) -> SourceRows:
    records = [line.split(",") for line in lines]
    if records and len(records[0]) == _QUOTE_FIELDS:
        raise DataError(f"{path}: holds quotes (11 fields a row), not trades; import the trade file")
    walls = [_wall_ns(record, place.day) for record in records]
    kept = np.array([row for row, wall in enumerate(walls) if wall is not None], dtype=np.int64)
    times = local_times(
        np.array([wall for wall in walls if wall is not None], dtype=np.int64), ZoneInfo(_ZONE)
    )
    faults = _faults(records, walls, place.day)
    faults += [RowFault(int(kept[at]) + 1, lines[kept[at]], reason) for at, reason in times.faults.items()]
    clear = np.array([at not in times.faults for at in range(len(kept))], dtype=bool)
    numbers = _numbers([records[row] for row in kept[clear]])
    return SourceRows(
        place.symbol,
        place.interval,
        times.stamps[clear],
        {name: numbers[:, at] / (1 if name == "volume" else _PRICE_SCALE) for at, name in enumerate(VALUES)},
        kept[clear] + 1,
        tuple(sorted(faults)),
        lambda row: lines[row - 1],
    )


def _wall_ns(record: list[str], day: date | None) -> int | None:
    """Tell the time by the New York clock; None where the record is not one of a bar."""
    if len(record) != _FIELDS:
        return None
    return _moment_ns(record[0]) if day is None else _time_of_day_ns(record[0], day)


def _time_of_day_ns(text: str, day: date) -> int | None:
    if not (text.isascii() and text.isdigit() and int(text) < _DAY_MS):
        return None
    return _date_ms(day) * _NS_PER_MS + int(text) * _NS_PER_MS


def _moment_ns(text: str) -> int | None:
    match = _MOMENT.fullmatch(text)
    day = _day(match[1] + match[2] + match[3]) if match else None
    if match is None or day is None:
        return None
    minutes = int(match[4]) * 60 + int(match[5])
    return (_date_ms(day) + minutes * 60_000) * _NS_PER_MS if minutes < 24 * 60 else None


def _date_ms(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY_MS


def _faults(records: list[list[str]], walls: list[int | None], day: date | None) -> list[RowFault]:
    start = "YYYYMMDD HH:MM" if day is None else "milliseconds since midnight"
    reason = f"a row has {start}, open, high, low, close, volume"
    return [
        RowFault(row, ",".join(record), reason)
        for row, (record, wall) in enumerate(zip(records, walls, strict=True), 1)
        if wall is None
    ]


def _numbers(records: list[list[str]]) -> npt.NDArray[np.float64]:
    """Give `open high low close volume` as they are written, shape (n, 5); NaN where there is no number."""
    texts = [text for record in records for text in record[1:]]
    try:
        values = np.array(texts, dtype=np.float64)
    except ValueError:
        values = np.array([_number(text) for text in texts], dtype=np.float64)
    return values.reshape(-1, len(VALUES))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
