"""A stretch holds all bars since the one before, and none that comes later, however they travel."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.bar_views import BarColumns, StreamLayout
from actors.domain.bar_windows import BarWindow, WindowGatherer
from actors.domain.session_plan import Hours, Session, Stream
from protocol.blocks import BAR_DTYPE, Bars
from tests.plans import MINUTE, OPEN, make_plan

PARTS = ((0, 11), (15, 23))
"""Minutes, with a break between them."""
STEPS = [OPEN + (minute + 1) * MINUTE for part in PARTS for minute in range(*part)]
HOURS = tuple(Hours(OPEN + start * MINUTE, OPEN + end * MINUTE) for start, end in PARTS)
SESSION = Session(0, "2025-07-02", "full", HOURS[0].open_ns, HOURS[-1].close_ns, HOURS, 0)
STREAMS = tuple(
    Stream(place, symbol, interval, "STREAMED", "")
    for place, (interval, symbol) in enumerate((i, s) for i in ("1m", "5m") for s in "AB")
)
LAYOUT = StreamLayout(make_plan([SESSION], STREAMS))
ENDS = [OPEN + minute * MINUTE for minute in (4, 8, 11, 19, 23)]
"""Where 4m bars close."""


def some_bars(seed: int) -> Bars:
    rng = np.random.default_rng(seed)
    rows = [
        (stream.id, close)
        for close in STEPS
        for stream in STREAMS
        if rng.random() < (0.7 if stream.interval == "1m" else 0.2)
    ]
    bars = np.zeros(len(rows), BAR_DTYPE)
    bars["stream"], bars["close_ts"] = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    bars["close"] = rng.uniform(1, 2, len(rows))
    return bars


def stretches(bars: Bars, cuts: set[int]) -> list[BarWindow]:
    gatherer = WindowGatherer("4m", LAYOUT)
    gatherer.start_session(SESSION)
    found = []
    for start, end in pairwise(sorted({0, len(STEPS), *cuts})):
        times = np.array(STEPS[start:end])
        part = bars[(bars["close_ts"] >= times[0]) & (bars["close_ts"] <= times[-1])]
        bounds = [0, *np.searchsorted(part["close_ts"], times, side="right").tolist()]
        for step in gatherer.gather(times, BarColumns.of_block(part), bounds):
            found += step
    return found


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), cuts=st.sets(st.integers(1, len(STEPS) - 1)))
def test_every_bar_is_in_the_stretch_that_it_closes_in_and_in_no_other(seed: int, cuts: set[int]) -> None:
    bars = some_bars(seed)
    found = stretches(bars, cuts)
    assert [window.now for window in found] == ENDS
    for window, (before, end) in zip(found, pairwise([0, *ENDS]), strict=True):
        own = bars[(bars["close_ts"] > before) & (bars["close_ts"] <= end)]
        assert len(window) == len(own)
        for stream in STREAMS:
            series = window.bars(stream.symbol, stream.interval)
            assert series.close.tolist() == own["close"][own["stream"] == stream.id].tolist()


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_a_matrix_has_a_row_for_each_instant_and_a_hole_for_each_missing_bar(seed: int) -> None:
    bars = some_bars(seed)
    for window, (before, end) in zip(stretches(bars, {3, 9}), pairwise([0, *ENDS]), strict=True):
        times, values = window.matrix("1m")
        own = bars[(bars["close_ts"] > before) & (bars["close_ts"] <= end) & (bars["stream"] < 2)]
        assert times.tolist() == sorted(set(own["close_ts"].tolist()))
        known = {(row["close_ts"], row["stream"]): row["close"] for row in own}
        expected = [[known.get((time, stream), np.nan) for stream in (0, 1)] for time in times.tolist()]
        np.testing.assert_array_equal(values, np.array(expected).reshape(-1, 2))


def test_what_is_handed_over_cannot_be_written_to_and_an_unknown_stream_is_empty() -> None:
    (window, *_) = stretches(some_bars(1), set())
    for array in (*window.matrix("1m", "volume"), window.bars("A", "1m").close):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    assert len(window.bars("C", "1m")) == 0
    assert window.matrix("1h")[1].shape == (0, 2)
