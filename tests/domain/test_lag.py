"""A stream lags by the time of the bars that are due since its newest one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.bar_views import BarColumns
from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.lag import lag_ns
from actors.domain.market import Market
from actors.domain.session_plan import Hours, Rules, Session, Stream
from protocol.blocks import BAR_DTYPE, NO_QUALITY, as_bars, bar_block, time_block
from protocol.messages import SealedWindow
from tests.plans import MINUTE, OPEN, make_plan, make_session

LUNCH = Session(
    0,
    "2025-07-02",
    "full",
    OPEN,
    OPEN + 40 * MINUTE,
    (Hours(OPEN, OPEN + 13 * MINUTE), Hours(OPEN + 25 * MINUTE, OPEN + 40 * MINUTE)),
    0,
)


@given(
    text=st.sampled_from(["1m", "5m", "7m", "1d"]),
    there=st.sets(st.integers(0, 40)),
    minute=st.integers(0, 40),
)
def test_the_lag_is_the_time_of_the_due_bars_behind_the_newest(
    text: str, there: set[int], minute: int
) -> None:
    interval, now = Interval.parse(text), OPEN + minute * MINUTE
    slots = list(zip(expected_opens(LUNCH, interval), expected_closes(LUNCH, interval), strict=True))
    due = [slot for slot in slots if slot[1] <= now]
    arrived = [slot for place, slot in enumerate(due) if place in there]
    newest = int(arrived[-1][1]) if arrived else None
    behind = sum(close - open_ for open_, close in due if newest is None or close > newest)
    assert lag_ns(LUNCH, interval, newest, now) == behind


def test_a_break_adds_nothing_and_a_weekly_stream_never_lags() -> None:
    minutely = Interval(1, "m")
    assert lag_ns(LUNCH, minutely, OPEN + 13 * MINUTE, OPEN + 26 * MINUTE) == MINUTE
    assert lag_ns(LUNCH, Interval(1, "w"), None, OPEN + 40 * MINUTE) == 0


def test_a_strategy_is_told_of_the_stream_that_lags_and_of_no_other() -> None:
    streams = [Stream(place, symbol, "1m", "STREAMED", "") for place, symbol in enumerate("AB")]
    streams.append(Stream(2, "C", "1m", "STREAMED", "", skipped=(0,)))
    plan = make_plan([make_session(0, 10)], streams, rules=Rules(catchup_threshold_s=90.0))
    market = Market(plan)
    market.start_session(plan.sessions[0])
    steps = OPEN + MINUTE * np.arange(1, 6)
    bars = np.zeros(6, BAR_DTYPE)
    bars["close_ts"] = [*steps, steps[2]]
    bars["open_ts"] = bars["close_ts"] - MINUTE
    bars["stream"][5] = 1
    bars = bars[np.lexsort((bars["stream"], bars["close_ts"]))]
    window = SealedWindow(0, 0, True, False, time_block(steps), bar_block(bars), NO_QUALITY, (), ())
    market.offer(window, BarColumns.of_block(as_bars(window.block)))
    seen = []
    for now in steps.tolist():
        market.now = now
        seen.append([(market.lag_ns(s, "1m") // MINUTE, market.is_catching_up(s, "1m")) for s in "ABC"])
    assert [row[0] for row in seen] == [(0, False)] * 5
    assert [row[1] for row in seen] == [(1, False), (2, True), (0, False), (1, False), (2, True)]
    assert [row[2] for row in seen] == [(0, False)] * 5
