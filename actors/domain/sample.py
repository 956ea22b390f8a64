"""Make the sample bars: synthetic, the same on every machine, with planted defects.

Prices are a seeded random walk in arithmetic that gives the same bits everywhere: raw words of PCG64, whose
sequence numpy guarantees, sums, products and rounding, but no function whose last digit a machine may choose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.intervals import NS_PER_S
from actors.domain.session_plan import Hours

SAMPLE_INTERVAL: Final = "1m"
DEFAULT_SEED: Final = 7
FIRST_DATE: Final = date(2025, 6, 2)
LAST_DATE: Final = date(2025, 7, 11)
HOLIDAYS: Final = frozenset({date(2025, 6, 19), date(2025, 7, 4)})
"""Juneteenth and Independence Day."""
EARLY_CLOSES: Final = frozenset({date(2025, 7, 3)})
"""Closed at 13:00."""
SATURDAY: Final = 5
NEW_YORK: Final = timezone(timedelta(hours=-4))
"""Daylight time holds on all days of the sample."""
MINUTE_NS: Final = 60 * NS_PER_S

Floats = npt.NDArray[np.float64]
Rows = dict[str, npt.NDArray[Any]]
"""`open_ts close_ts` (int64) and `open high low close volume` (float64), all of shape (n,)."""


@dataclass(frozen=True)
class Instrument:
    """What the random walk of a symbol looks like."""

    symbol: str
    start: float
    minute_move: float
    """Standard deviation of a minute's return."""
    gap_move: float
    """Standard deviation of the return over night; six of it, the most there can be, are under 5 %."""
    volume: float
    """Shares in a minute of the quiet middle of the day, on average."""


INSTRUMENTS: Final = (
    Instrument("AAPL", start=201.35, minute_move=0.0007, gap_move=0.006, volume=60_000),
    Instrument("RIVN", start=14.27, minute_move=0.0013, gap_move=0.008, volume=45_000),
)


class Planted(NamedTuple):
    """A defect on purpose: what, and the bar's open, New York time."""

    symbol: str
    kind: Literal["missing", "duplicate_same", "duplicate_conflict", "bad_ohlc", "off_grid", "out_of_order"]
    at: str
    minutes: int = 1

    @property
    def open_ts(self) -> int:
        """The open stamp of the row that a reader of the catalog finds, or misses."""
        return _ns(datetime.fromisoformat(self.at).replace(tzinfo=NEW_YORK))


PLANTED: Final = (
    Planted("RIVN", "missing", "2025-07-02 10:41"),
    Planted("AAPL", "missing", "2025-07-02 11:15", minutes=3),
    Planted("RIVN", "duplicate_conflict", "2025-07-02 13:22"),
    Planted("AAPL", "duplicate_same", "2025-07-02 14:07"),
    Planted("AAPL", "missing", "2025-07-03 10:12"),
    Planted("RIVN", "off_grid", "2025-07-03 11:03:30"),
    Planted("AAPL", "bad_ohlc", "2025-07-03 11:44"),
    Planted("RIVN", "missing", "2025-07-03 12:31"),
    Planted("RIVN", "out_of_order", "2025-07-07 10:26"),
    Planted("AAPL", "missing", "2025-07-07 12:48"),
    Planted("RIVN", "missing", "2025-07-07 15:09"),
)
"""By time. A bar whose only row has bad OHLC is missing too; no bar is missing for both symbols."""


def sample_hours() -> tuple[Hours, ...]:
    """List the trading hours of the New York Stock Exchange on the days of the sample, earliest first."""
    days = (FIRST_DATE + timedelta(days=count) for count in range((LAST_DATE - FIRST_DATE).days + 1))
    return tuple(_hours(day) for day in days if day.weekday() < SATURDAY and day not in HOLIDAYS)


def sample_bars(instrument: Instrument, seed: int) -> Rows:
    """Make one symbol's rows as they are stored, defects and all."""
    columns = clean_bars(instrument, sample_hours(), seed)
    for planted in PLANTED:
        if planted.symbol == instrument.symbol:
            columns = _plant(columns, planted)
    return columns


def clean_bars(instrument: Instrument, sessions: tuple[Hours, ...], seed: int) -> Rows:
    """Make a symbol's minutes without a defect."""
    opens = [np.arange(hours.open_ns, hours.close_ns, MINUTE_NS, dtype=np.int64) for hours in sessions]
    open_ts = np.concatenate(opens)
    first = np.cumsum([0, *map(len, opens[:-1])])
    words = np.random.PCG64([seed, *instrument.symbol.encode()])
    prices = _prices(instrument, len(open_ts), first, words)
    shape = np.concatenate([_day_shape(len(minutes)) for minutes in opens])
    return {
        "open_ts": open_ts,
        "close_ts": open_ts + MINUTE_NS,
        **prices,
        "volume": np.round(instrument.volume * shape * (0.4 + 1.2 * _uniform(words, len(open_ts)))),
    }


def sample_metadata(seed: int) -> Mapping[str, str]:
    """Say in the file what it is."""
    return {
        "source": f"synthetic, made by `sessionflow data sample`, seed {seed}",
        "synthetic": "true",
        "label": "open",
        "adjustment": "none",
        "calendar": "XNYS",
    }


def _hours(day: date) -> Hours:
    close = time(13) if day in EARLY_CLOSES else time(16)
    begin, end = (datetime.combine(day, at, tzinfo=NEW_YORK) for at in (time(9, 30), close))
    return Hours(_ns(begin), _ns(end))


def _ns(instant: datetime) -> int:
    return int(instant.astimezone(UTC).timestamp()) * NS_PER_S


def _prices(
    instrument: Instrument, n: int, first: npt.NDArray[np.int64], words: np.random.PCG64
) -> dict[str, Floats]:
    """Walk from close to close, with a gap before the first minute of each session; in cents."""
    gaps = np.zeros(n)
    gaps[first] = instrument.gap_move * _bell(words, len(first))
    steps = instrument.minute_move * _bell(words, n)
    path = instrument.start * np.cumprod((1 + gaps) * (1 + steps))
    close, open_ = path, path / (1 + steps)
    reach = 0.8 * instrument.minute_move
    high = np.maximum(open_, close) * (1 + reach * _uniform(words, n))
    low = np.minimum(open_, close) * (1 - reach * _uniform(words, n))
    return {
        name: np.round(values, 2)
        for name, values in {"open": open_, "high": high, "low": low, "close": close}.items()
    }


def _day_shape(minutes: int) -> Floats:
    """Weigh the minutes of a session: four times the middle's volume at its ends."""
    place = (2 * np.arange(minutes) + 1) / minutes - 1
    return 1 + 3 * place * place


def _uniform(words: np.random.PCG64, n: int) -> Floats:
    """Draw n numbers in [0, 1), in steps of 2**-16."""
    return (words.random_raw(n) >> np.uint64(48)).astype(np.float64) / 65_536


def _bell(words: np.random.PCG64, n: int) -> Floats:
    """Draw n nearly normal numbers of deviation 1, within ±6: sums of twelve uniform ones."""
    quarters = words.random_raw(3 * n).astype("<u8").view("<u2").reshape(n, 12)
    sums: npt.NDArray[np.int64] = quarters.sum(axis=1, dtype=np.int64)
    return sums / 65_536 - 6


def _plant(columns: Rows, planted: Planted) -> Rows:
    """Put one defect into the rows."""
    at = int(np.searchsorted(columns["open_ts"], planted.open_ts, side="right")) - 1
    match planted.kind:
        case "missing":
            return _without(columns, at, planted.minutes)
        case "duplicate_same":
            return _repeated(columns, at)
        case "duplicate_conflict":
            doubled = _repeated(columns, at)
            return _changed(doubled, at, {"volume": doubled["volume"][at] + 100})
        case "off_grid":
            stamps = {"open_ts": planted.open_ts, "close_ts": planted.open_ts + MINUTE_NS}
            return _changed(_repeated(columns, at), at + 1, stamps)
        case "bad_ohlc":
            return _changed(columns, at, {"high": np.round(columns["low"][at] - 0.01, 2)})
        case "out_of_order":
            return _swapped(columns, at)


def _without(columns: Rows, at: int, count: int) -> Rows:
    return {name: np.delete(values, slice(at, at + count)) for name, values in columns.items()}


def _repeated(columns: Rows, at: int) -> Rows:
    return {name: np.insert(values, at, values[at]) for name, values in columns.items()}


def _changed(columns: Rows, at: int, values: Mapping[str, float]) -> Rows:
    changed = {name: columns[name].copy() for name in values}
    for name, value in values.items():
        changed[name][at] = value
    return columns | changed


def _swapped(columns: Rows, at: int) -> Rows:
    """Put a row behind the next one."""
    order = np.arange(len(columns["open_ts"]))
    order[[at, at + 1]] = order[[at + 1, at]]
    return {name: values[order] for name, values in columns.items()}
