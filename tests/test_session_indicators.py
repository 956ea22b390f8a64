"""Every indicator through an analysis engine: history, half days, lunch breaks, any cut into windows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.analysis import Analysis
from actors.domain.bar_views import BarColumns, Step
from actors.domain.indicator_params import PARAMS, SESSION_ANCHORED
from actors.domain.indicators import build
from actors.domain.session_plan import (
    Hours,
    IndicatorSpec,
    Session,
    StrategySpec,
    Stream,
)
from actors.domain.strategy import Context, Needs, Strategy, StrategyParams
from protocol.blocks import BAR_DTYPE, NO_QUALITY, Bars, bar_block, time_block
from protocol.messages import SealedWindow
from tests.plans import make_plan

MINUTE: Final = 60 * 10**9
DAY: Final = 1440 * MINUTE
MORNING, AFTERNOON, LUNCH = 8, 6, 3
SYMBOLS: Final = ("AAPL", "RIVN")
PERIODS: Final = {name: {"period": 3} for name, params in PARAMS.items() if "period" in params.model_fields}
PARAMS_USED: Final[dict[str, dict[str, int]]] = PERIODS | {
    "macd": {"fast": 2, "slow": 4, "signal": 2},
    "ultimate_osc": {"period1": 2, "period2": 3, "period3": 4},
    "swing_high": {"period": 1},
    "swing_low": {"period": 1},
    "gap_stats": {"period": 2},
    "atr_daily": {"period": 2},
    "high_low": {"period": 2},
}
SPECS: Final = tuple(IndicatorSpec(name, "1m", PARAMS_USED.get(name, {})) for name in PARAMS)


def session(index: int) -> Session:
    """Make a session with a lunch break; every third is a half day without an afternoon."""
    start = (1000 + index) * DAY
    noon = start + MORNING * MINUTE
    parts = [Hours(start, noon), Hours(noon + LUNCH * MINUTE, noon + (LUNCH + AFTERNOON) * MINUTE)]
    half = index % 3 == 1
    parts = parts[:1] if half else parts
    kind = "half" if half else "full"
    return Session(index, f"day {index}", kind, start, parts[-1].close_ns, tuple(parts), start - DAY)


PLAN: Final = make_plan(
    [session(index) for index in range(-3, 3)],
    [
        Stream(number, symbol, "1m", "STREAMED", "", history_sessions=3)
        for number, symbol in enumerate(SYMBOLS)
    ],
    calendar="XHKG",
    timezone="Asia/Hong_Kong",
)
ALL_SESSIONS: Final = (*PLAN.history, *PLAN.sessions)


def grid(session: Session) -> list[int]:
    return [
        close
        for part in session.parts
        for close in range(part.open_ns + MINUTE, part.close_ns + MINUTE, MINUTE)
    ]


@dataclass
class Tape:
    """Bars of all sessions, with holes, and the windows that they travel in."""

    seed: int
    sessions: list[Bars] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.sessions = [self._bars(session, rng) for session in ALL_SESSIONS]

    def _bars(self, session: Session, rng: np.random.Generator) -> Bars:
        closes = grid(session)
        bars = np.zeros(len(closes) * len(SYMBOLS), BAR_DTYPE)
        bars["close_ts"] = np.repeat(closes, len(SYMBOLS))
        bars["open_ts"] = bars["close_ts"] - MINUTE
        bars["stream"] = np.tile(np.arange(len(SYMBOLS)), len(closes))
        prices = np.sort(rng.uniform(90, 110, (4, len(bars))), axis=0)
        bars["low"], bars["open"], bars["close"], bars["high"] = prices
        bars["volume"] = rng.integers(0, 9, len(bars))
        return bars[rng.random(len(bars)) < 0.8]

    def windows(self, cuts: set[int]) -> list[SealedWindow]:
        windows: list[SealedWindow] = []
        for session, bars in zip(ALL_SESSIONS, self.sessions, strict=True):
            closes = grid(session)
            bounds = sorted({0, len(closes), *(cut for cut in cuts if cut < len(closes))})
            for start, end in pairwise(bounds):
                steps = np.array(closes[start:end])
                inside = bars[(bars["close_ts"] >= steps[0]) & (bars["close_ts"] <= steps[-1])]
                first, last = start == 0, end == len(closes)
                blocks = (time_block(steps), bar_block(inside), NO_QUALITY)
                windows.append(SealedWindow(len(windows), session.index, first, last, *blocks, (), ()))
        return windows

    def columns(self, position: int, stream: int) -> BarColumns:
        bars = self.sessions[position]
        return BarColumns.of_block(bars[bars["stream"] == stream])


class Reader(Strategy[StrategyParams]):
    """Read every indicator of every symbol at each session's start and at each step."""

    def __init__(self) -> None:
        super().__init__(StrategyParams())
        self.starts: list[list[list[Any]]] = []
        self.steps: dict[int, list[list[Any]]] = {}

    def needs(self) -> Needs:
        return Needs(indicators=SPECS)

    def on_session_start(self, ctx: Context) -> None:
        self.starts.append(self.read(ctx))

    def on_step(self, ctx: Context, step: Step) -> None:
        self.steps[step.now] = self.read(ctx)

    def read(self, ctx: Context) -> list[list[Any]]:
        return [[ctx.indicator(spec.key, symbol) for spec in SPECS] for symbol in ctx.symbols]


def run(windows: Sequence[SealedWindow]) -> Reader:
    reader = Reader()
    role = Analysis("reader", PLAN, reader, StrategySpec("reader", "reader", "x:Y", {}))
    for window in windows:
        list(role.on_message(window))
    return reader


def expected(tape: Tape, spec: IndicatorSpec, stream: int) -> tuple[list[Any], dict[int, Any]]:
    """Compute an indicator a session at a time: its values at the starts, and by step."""
    indicator, value = build(spec), None
    starts: list[Any] = []
    steps: dict[int, Any] = {}
    for position, session in enumerate(ALL_SESSIONS):
        value = indicator.start_session(value)
        starts.append(value)
        bars = tape.columns(position, stream)
        known = dict(zip(bars.close_ts.tolist(), indicator.update(bars), strict=True))
        for now in grid(session):
            value = steps[now] = known.get(now, value)
    return starts[len(PLAN.history) :], steps


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.sets(st.integers(1, MORNING + AFTERNOON - 1)) | st.just(set(range(MORNING + AFTERNOON))),
)
def test_a_strategy_reads_every_indicator_as_of_the_step_for_any_cut_into_windows(
    seed: int, cuts: set[int]
) -> None:
    tape = Tape(seed)
    reader = run(tape.windows(cuts))
    assert len(reader.steps) == sum(len(grid(session)) for session in PLAN.sessions)
    for number, spec in enumerate(SPECS):
        for stream in range(len(SYMBOLS)):
            starts, steps = expected(tape, spec, stream)
            assert [found[stream][number] for found in reader.starts] == starts
            for now, found in reader.steps.items():
                assert found[stream][number] == steps[now], spec.key


def test_history_warms_up_all_but_what_begins_with_the_session() -> None:
    reader = run(Tape(5).windows(set()))
    cold = {spec.name for spec, value in zip(SPECS, reader.starts[0][0], strict=True) if value is None}
    assert cold == SESSION_ANCHORED
    last = reader.steps[PLAN.sessions[-1].close_ns]
    assert not [spec.key for spec, value in zip(SPECS, last[0], strict=True) if value is None]


@pytest.mark.parametrize("name", sorted(SESSION_ANCHORED))
def test_an_average_of_the_session_goes_on_after_lunch_and_begins_anew_on_the_next_day(name: str) -> None:
    tape = Tape(7)
    number = [spec.name for spec in SPECS].index(name)
    reader = run(tape.windows({3}))
    for position, session in enumerate(ALL_SESSIONS):
        if session.index >= 0:
            bars = tape.columns(position, 0)
            weights = bars.volume if name == "vwap" else np.ones(len(bars))
            average = np.average((bars.high + bars.low + bars.close) / 3, weights=weights)
            assert reader.steps[session.close_ns][0][number] == pytest.approx(average)
