import numpy as np
import pytest

from actors.domain.account import Account, LostInTransit, SessionCount
from actors.domain.session_plan import (
    StrategySpec,
    Stream,
)
from protocol.blocks import BAR_DTYPE, NO_QUALITY, bar_block, time_block
from protocol.messages import Leave, RawWindow, SealedWindow, SessionReport, Signal, Signals
from tests.plans import MINUTE, OPEN, make_plan, make_session

PLAN = make_plan(
    [make_session(0, 10)],
    [Stream(0, "A", "1m", "STREAMED", ""), Stream(1, "A", "5m", "GENERATED", "", 0)],
    strategies=(StrategySpec("a", "analysis-a", "", {}), StrategySpec("b", "analysis-b", "", {})),
)
SIGNAL = Signal(OPEN, "A", "BUY", 1.0, 1.0, "")


def raw(seq: int, minutes: list[int], steps: list[int]) -> RawWindow:
    bars = np.zeros(len(minutes), BAR_DTYPE)
    bars["close_ts"] = [OPEN + minute * MINUTE for minute in minutes]
    times = np.array([OPEN + minute * MINUTE for minute in steps], dtype=np.int64)
    return RawWindow(seq, 0, seq == 0, steps[-1] == 10, time_block(times), bar_block(bars), ())


def sealed(window: RawWindow) -> SealedWindow:
    place = (window.seq, window.session, window.first, window.last, window.steps, window.block)
    return SealedWindow(*place, NO_QUALITY, (), ())


def account() -> Account:
    kept = Account(PLAN)
    for window in (raw(0, [1, 3], [1, 2, 3]), raw(1, [4], [4])):
        kept.add_raw(window)
        kept.add_sealed(sealed(window))
    return kept


def test_a_session_counts_its_windows_steps_bars_and_the_steps_that_had_a_bar() -> None:
    count = SessionCount()
    assert count.last_ts == 0
    count.add(raw(0, [1, 1, 3], [1, 2, 3, 4]))
    count.add(raw(1, [], [5]))
    assert count.last_ts == OPEN + 3 * MINUTE
    assert count.report(7, 99) == SessionReport(7, windows=2, steps=5, iterations=2, bars=3, lag_ns=99)


@pytest.mark.parametrize("raw_only", [True, False])
def test_who_leaves_with_all_that_was_published_may_go(raw_only: bool) -> None:  # noqa: FBT001
    account().check(Leave("quality", 2, 3, ()), raw=raw_only)


@pytest.mark.parametrize(("windows", "bars"), [(1, 3), (3, 3), (2, 2), (2, 4)])
def test_who_leaves_with_another_count_has_lost_something(windows: int, bars: int) -> None:
    with pytest.raises(LostInTransit, match=f"quality handled {windows} windows and {bars} bars") as caught:
        account().check(Leave("quality", windows, bars, ()), raw=True)
    assert (caught.value.windows, caught.value.bars) == (2, 3)


def test_signals_count_per_actor_and_those_who_gave_none_count_0() -> None:
    kept = account()
    before = kept.finished(interrupted=False, lag_ns=0)
    kept.add_signals(Signals("analysis-b", 0, (SIGNAL, SIGNAL)))
    after = kept.finished(interrupted=False, lag_ns=0)
    assert (before.signals, after.signals) == (
        {"analysis-a": 0, "analysis-b": 0},
        {"analysis-a": 0, "analysis-b": 2},
    )
    assert before.signals_digest != after.signals_digest
    assert before.stream_digest == after.stream_digest


def test_the_verdict_has_base_bars_digests_and_the_wall_time_of_phases() -> None:
    kept = account()
    kept.add_phase("streaming", 5)
    kept.add_phase("streaming", 7)
    finished = kept.finished(interrupted=True, lag_ns=0)
    assert (finished.interrupted, finished.bars, finished.phase_wall_ns) == (True, 3, {"streaming": 12})
    end = kept.run_end()
    assert (end.windows, end.data_digest, end.stream_digest) == (
        2,
        finished.data_digest,
        finished.stream_digest,
    )
    assert [total.bars for total in finished.streams] == [3, 0]
