"""The workload W(symbols, days): synthetic minutes, and a configuration that replays them.

1. Seeded random walks: 390 bars per symbol and regular session of New York, one Parquet file per symbol and
   year.
2. The task: stream all bars in exact order over all symbols, build 5m and 15m, keep SMA(20) and SMA(50) of
   the 5m close per symbol, count their crossings. No history, no orders.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.calendar_table import sessions_between
from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session
from actors.runtime.calendars import Calendars
from actors.runtime.store import write_bars

CALENDAR: Final = "XNYS"
START: Final = date(2021, 1, 4)
"""226 regular sessions follow before the first half day."""
MINUTE: Final = Interval(1, "m")
SEED: Final = 20_210_104
MINUTE_MOVE: Final = 0.0008
"""Standard deviation of a minute's return."""
STRATEGY: Final = Path(__file__).resolve().parent / "crossover_counter.py"
METADATA: Final = {
    "source": "benchmarks/workload.py",
    "synthetic": "true",
    "label": "open",
    "calendar": CALENDAR,
}

Columns = dict[str, npt.NDArray[Any]]
"""`open_ts close_ts` (int64) and `open high low close volume` (float64), all of shape (n,)."""


class Workload(NamedTuple):
    """How much there is to do."""

    symbols: int
    days: int

    @property
    def names(self) -> tuple[str, ...]:
        """The symbols."""
        return tuple(f"S{index:04}" for index in range(self.symbols))

    def __str__(self) -> str:
        """Write it as the tables do."""
        return f"W({self.symbols},{self.days})"


class Prepared(NamedTuple):
    """A workload on disk."""

    config: Path
    bars: int
    """How many base bars a run must deliver."""


def sessions(days: int) -> tuple[Session, ...]:
    """Give the first sessions from `START` on.

    Raises ValueError where the calendar has not so many.
    """
    table = Calendars().table(CALENDAR, START)
    first = int(np.searchsorted(table.days, np.datetime64(START)))
    if first + days > len(table):
        raise ValueError(f"{CALENDAR} has {len(table) - first} sessions from {START} on, not {days}")
    return sessions_between(table, START, table.days[first + days - 1].item())


def minutes(number: int, replayed: tuple[Session, ...]) -> Columns:
    """Make all bars of the symbol with this number."""
    opens = np.concatenate([expected_opens(session, MINUTE) for session in replayed])
    closes = np.concatenate([expected_closes(session, MINUTE) for session in replayed])
    return {"open_ts": opens, "close_ts": closes, **_walk(number, len(opens))}


def _walk(number: int, count: int) -> Columns:
    random = np.random.default_rng((SEED, number))
    start = 50.0 + 10.0 * (number % 20)
    close = _cents(start * np.exp(np.cumsum(random.normal(0.0, MINUTE_MOVE, count))))
    open_ = np.concatenate(([start], close[:-1]))
    reach = _cents(np.abs(random.normal(0.0, MINUTE_MOVE / 2, (2, count))) * close)
    return {
        "open": open_,
        "high": _cents(np.maximum(open_, close) + reach[0]),
        "low": _cents(np.minimum(open_, close) - reach[1]),
        "close": close,
        "volume": np.rint(random.gamma(2.0, 10_000.0, count)),
    }


def _cents(prices: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.maximum(np.rint(prices * 100), 1.0) / 100)


def prepare(folder: Path, workload: Workload) -> Prepared:
    """Write the bars and the configuration into a folder."""
    replayed = sessions(workload.days)
    bars = sum(_write(folder, workload, replayed))
    config = folder / "session.json"
    config.write_text(json.dumps(configuration(workload, replayed), indent=2) + "\n", encoding="utf-8")
    return Prepared(config, bars)


def _write(folder: Path, workload: Workload, replayed: tuple[Session, ...]) -> Iterator[int]:
    """Write symbol by symbol, and say how many bars each has."""
    for number, name in enumerate(workload.names):
        columns = minutes(number, replayed)
        write_bars(folder, name, str(MINUTE), columns, METADATA)
        yield len(columns["open_ts"])


def configuration(workload: Workload, replayed: tuple[Session, ...]) -> dict[str, Any]:
    """Make the configuration that does the task, for the workload's own folder."""
    return {
        "session_name": str(workload),
        "exchange_group": CALENDAR,
        "backtest_config": {
            "start_date": replayed[0].date,
            "end_date": replayed[-1].date,
            "prefetch_days": min(3, workload.days),
        },
        "session_data_config": {
            "symbols": workload.names,
            "streams": ["1m", "5m", "15m"],
            "strategies": [{"name": "crossover_counter", "strategy": f"{STRATEGY}:CrossoverCounter"}],
        },
        "portfolio": {"min_confidence": 0.5},
        "trading_config": {
            "max_buying_power": 100_000,
            "max_per_trade": 10_000,
            "max_per_symbol": 20_000,
            "max_open_positions": 5,
        },
        "catalog": {"path": "."},
    }
