from itertools import pairwise

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actors.analysis import Analysis
from actors.domain.intervals import Interval
from actors.domain.session_plan import (
    Hours,
    Session,
    SessionPlan,
    StrategySpec,
    Stream,
)
from actors.strategies.sma_crossover import SmaCrossover, SmaCrossoverParams, history_sessions
from protocol.blocks import BAR_DTYPE, NO_QUALITY, bar_block, time_block
from protocol.messages import SealedWindow, Signal
from tests.plans import make_plan

MINUTE = 60 * 10**9
DAY = 1440 * MINUTE
BARS = 12


def session(index: int) -> Session:
    hours = Hours((1000 + index) * DAY, (1000 + index) * DAY + BARS * 5 * MINUTE)
    return Session(index, f"day {index}", "full", hours.open_ns, hours.close_ns, (hours,), 0)


def plan(history: int, symbols: tuple[str, ...]) -> SessionPlan:
    n = len(symbols)
    base = (Stream(i, symbol, "1m", "STREAMED", "") for i, symbol in enumerate(symbols))
    derived = (Stream(n + i, symbol, "5m", "GENERATED", "", i, history) for i, symbol in enumerate(symbols))
    return make_plan([session(index) for index in range(-history, 2)], [*base, *derived])


def run(closes: dict[str, list[list[float]]], params: SmaCrossoverParams, cuts: set[int]) -> list[Signal]:
    """Play the 5m closes of each symbol, session by session; the last two sessions are the run."""
    days = len(next(iter(closes.values())))
    run_plan = plan(days - 2, tuple(closes))
    spec = StrategySpec("sma_cross", "analysis", "x:Y", {})
    role = Analysis("analysis", run_plan, SmaCrossover(params), spec)
    signals: list[Signal] = []
    for day in range(days):
        for start, stop in pairwise(sorted({0, BARS, *cuts})):
            window = make_window(run_plan, role.windows, closes, day, (start, stop))
            *_, answer = role.on_message(window)
            signals.extend(answer.message.signals)
    return signals


def make_window(
    run_plan: SessionPlan,
    seq: int,
    closes: dict[str, list[list[float]]],
    day: int,
    span: tuple[int, int],
) -> SealedWindow:
    today = session(day - len(run_plan.history))
    steps = today.open_ns + 5 * MINUTE * np.arange(span[0] + 1, span[1] + 1)
    bars = np.zeros((len(steps), len(closes)), BAR_DTYPE)
    bars["close_ts"] = steps[:, None]
    bars["open_ts"] = steps[:, None] - 5 * MINUTE
    for column, of_day in enumerate(closes.values()):
        bars["stream"][:, column] = len(closes) + column
        bars["close"][:, column] = of_day[day][span[0] : span[1]]
    first, last = span[0] == 0, span[1] == BARS
    block = bar_block(bars.ravel())
    return SealedWindow(seq, today.index, first, last, time_block(steps), block, NO_QUALITY, (), ())


def crossings(closes: list[float], params: SmaCrossoverParams, start: int) -> list[tuple[int, str]]:
    """Find each bar from `start` on where the batch averages have changed sides since the one before it."""
    series = np.array(closes)
    fast, slow = talib.SMA(series, params.fast), talib.SMA(series, params.slow)
    sides = np.sign(fast - slow)
    found, side = [], sides[start - 1]
    for place, now in enumerate(sides[start:].tolist(), start):
        if now in (-1.0, 1.0):
            if side == -now:
                found.append((place, "BUY" if now > 0 else "SELL"))
            side = now
    return found


def days(n: int) -> st.SearchStrategy[list[list[float]]]:
    price = st.integers(1, 8).map(float)
    return st.lists(st.lists(price, min_size=BARS, max_size=BARS), min_size=n, max_size=n)


@settings(max_examples=60, deadline=None)
@given(
    closes=st.fixed_dictionaries({"AAPL": days(4), "RIVN": days(4)}),
    fast=st.integers(1, 4),
    more=st.integers(1, 6),
    cuts=st.sets(st.integers(1, BARS - 1)),
)
def test_signals_are_the_crossings_of_the_batch_averages_on_every_symbol(
    closes: dict[str, list[list[float]]], fast: int, more: int, cuts: set[int]
) -> None:
    params = SmaCrossoverParams(fast=fast, slow=fast + more, quantity=7)
    signals = run(closes, params, cuts)
    for symbol, of_days in closes.items():
        flat = [close for day in of_days for close in day]
        expected = [
            (session(place // BARS - 2).open_ns + (place % BARS + 1) * 5 * MINUTE, action)
            for place, action in crossings(flat, params, start=2 * BARS)
        ]
        mine = [signal for signal in signals if signal.symbol == symbol]
        assert [(signal.event_ts, signal.action) for signal in mine] == expected
        assert {signal.quantity for signal in mine} <= {7.0}


def test_warm_from_history_the_first_bar_of_the_run_can_cross() -> None:
    falling = [float(BARS - bar) for bar in range(BARS)]
    closes = {"AAPL": [falling, [100.0] * BARS, [100.0] * BARS]}
    (signal,) = run(closes, SmaCrossoverParams(fast=2, slow=5), set())
    assert signal == Signal(
        session(0).open_ns + 5 * MINUTE, "AAPL", "BUY", 100.0, 1.0, "sma_2_5m crossed above sma_5_5m"
    )


def test_fast_must_be_less_than_slow() -> None:
    with pytest.raises(ValidationError, match=r"fast \(20\) must be less than slow \(20\)"):
        SmaCrossoverParams(fast=20)


@pytest.mark.parametrize(
    ("interval", "bars", "sessions"),
    [
        ("1m", 20, 1),
        ("5m", 20, 1),
        ("5m", 36, 1),
        ("5m", 37, 2),
        ("1h", 20, 7),
        ("1d", 20, 20),
        ("2d", 3, 6),
        ("1w", 4, 28),
        ("2w", 1, 14),
    ],
)
def test_history_holds_the_slow_average_even_in_short_sessions(
    interval: str, bars: int, sessions: int
) -> None:
    assert history_sessions(Interval.parse(interval), bars) == sessions


def test_it_needs_both_averages_on_its_interval() -> None:
    needs = SmaCrossover(SmaCrossoverParams()).needs()
    assert needs.intervals == ("5m",)
    assert [spec.key for spec in needs.indicators] == ["sma_10_5m", "sma_20_5m"]
    assert needs.history_sessions == 1
