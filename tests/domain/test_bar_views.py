"""The bars of one step, taken by interval."""

import numpy as np

from actors.domain.bar_views import BarColumns, Step, StreamLayout
from actors.domain.intervals import Interval
from actors.domain.session_plan import Flow, Rules, SessionPlan, Stream, Trading
from actors.domain.stream_decision import Request, decide_streams
from protocol.blocks import BAR_DTYPE


def plan_of(streams: tuple[Stream, ...]) -> SessionPlan:
    return SessionPlan(
        *(1, "test", "24/7", "UTC", "2025-07-02", "2025-07-02", "/catalog", ("A", "B")),
        *((), (), (), streams, (), (), (), (), Flow(), Rules(), Trading(1.0, 1.0, 1.0, 1)),
    )


def test_of_two_intervals_of_one_length_each_gives_its_own_bars() -> None:
    asked = [Request(symbol, Interval.parse(text), "") for symbol in "AB" for text in ("7d", "1w", "1d")]
    stored = {"A": (Interval.parse("1d"),), "B": (Interval.parse("1d"),)}
    plan = plan_of(decide_streams(("A", "B"), asked, stored))
    bars = np.zeros(len(plan.served), BAR_DTYPE)
    bars["stream"] = np.arange(len(bars))
    columns = BarColumns.of_block(bars)
    step = Step(0, StreamLayout(plan), columns.ints, columns.floats)

    for interval in ("1d", "7d", "1w"):
        found = [plan.served[stream] for stream in step.of(interval).stream.tolist()]
        assert [(stream.symbol, stream.interval) for stream in found] == [("A", interval), ("B", interval)]
    assert len(step.of("5m")) == 0
