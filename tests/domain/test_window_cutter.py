import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.session_plan import Flow
from actors.domain.session_tape import Tape, merge
from actors.domain.window_cutter import WindowCutter
from protocol.blocks import BAR_DTYPE, as_times
from protocol.messages import RawWindow

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000


def tape(steps: int, session: int = 0, bars_each: int = 2) -> Tape:
    times = OPEN + MINUTE * np.arange(1, steps + 1)
    bars = np.zeros(steps * bars_each, BAR_DTYPE)
    bars["close_ts"] = np.repeat(times, bars_each)
    bars["stream"] = np.tile(np.arange(bars_each), steps)
    return Tape(session, times, *merge([bars], times), ())


def cut_all(cutter: WindowCutter, now_ns: int = 0) -> list[RawWindow]:
    windows: list[RawWindow] = []
    while not cutter.is_empty:
        window = cutter.cut(len(windows), now_ns)
        assert window is not None
        windows.append(window)
    return windows


@given(st.integers(1, 60), st.integers(1, 70))
def test_windows_by_steps_have_so_many_steps_but_the_last(steps: int, size: int) -> None:
    cutter = WindowCutter(Flow(window_steps=size), streams=2)
    cutter.load(tape(steps), now_ns=0)
    sizes = [window.steps.n for window in cut_all(cutter)]
    assert sizes == [size] * (steps // size) + [steps % size] * (steps % size > 0)


@given(st.integers(1, 60), st.integers(1, 200))
def test_windows_by_rows_have_at_least_so_many_rows_but_the_last(steps: int, rows: int) -> None:
    cutter = WindowCutter(Flow(window_rows=rows), streams=2)
    cutter.load(tape(steps), now_ns=0)
    windows = cut_all(cutter)
    assert all(rows <= window.block.n < rows + 2 for window in windows[:-1])
    assert sum(window.block.n for window in windows) == 2 * steps


def test_there_is_nothing_to_cut_before_the_first_session() -> None:
    assert WindowCutter(Flow(), streams=1).is_empty


def test_many_streams_bound_the_steps_of_a_window_that_has_few_rows() -> None:
    cutter = WindowCutter(Flow(), streams=2**15)
    cutter.load(tape(1000, bars_each=0), now_ns=0)
    windows = cut_all(cutter)
    assert len(windows) > 1
    assert sum(window.steps.n for window in windows) == 1000


speeds = st.sampled_from([0.37, 1.0, 3.7, 60.0, 1e5, 1e9])


@given(st.integers(1, 30), speeds, st.integers(0, 2**50), st.sampled_from([None, 1, 4]))
def test_a_paced_step_is_cut_exactly_at_its_deadline(
    steps: int, speed: float, start_ns: int, size: int | None
) -> None:
    cutter = WindowCutter(Flow(speed=speed, window_steps=size), streams=2)
    cutter.load(tape(steps), start_ns)
    seen: list[int] = []
    while not cutter.is_empty:
        deadline = cutter.due_at()
        assert cutter.cut(0, deadline - 1) is None
        window = cutter.cut(0, deadline)
        assert window is not None
        seen += as_times(window.steps).tolist()
        assert deadline - start_ns == pytest.approx((seen[-window.steps.n] - seen[0]) / speed, abs=1)
    assert seen == tape(steps).steps.tolist()
    assert cutter.lag_ns == 0


@given(st.integers(2, 30), st.integers(0, 29), st.integers(0, 10 * MINUTE))
def test_all_steps_that_are_late_go_at_once_and_the_lag_is_counted(steps: int, late: int, by: int) -> None:
    cutter = WindowCutter(Flow(speed=1.0), streams=2)
    cutter.load(tape(steps), 0)
    now_ns = min(late, steps - 1) * MINUTE + by
    window = cutter.cut(0, now_ns)
    assert window is not None
    assert window.steps.n == min(steps, now_ns // MINUTE + 1)
    assert cutter.lag_ns == now_ns


def test_the_lag_is_that_of_the_session() -> None:
    cutter = WindowCutter(Flow(speed=1.0), streams=2)
    cutter.load(tape(3), 0)
    cutter.cut(0, 10 * MINUTE)
    cutter.load(tape(3, session=1), 50 * MINUTE)
    assert cutter.lag_ns == 0
    assert cutter.due_at() == 50 * MINUTE


def test_history_is_never_paced() -> None:
    cutter = WindowCutter(Flow(speed=1.0), streams=2)
    cutter.load(tape(20, session=-1), 0)
    window = cutter.cut(0, 0)
    assert window is not None
    assert (window.steps.n, window.first, window.last) == (20, True, True)
    assert cutter.lag_ns == 0


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([None, 1, 7]))
def test_no_window_is_longer_than_its_limit_and_nothing_is_lost(
    steps: int, limit: int, size: int | None
) -> None:
    cutter = WindowCutter(Flow(window_steps=size), streams=2)
    cutter.load(tape(steps), now_ns=0)
    seen: list[int] = []
    while not cutter.is_empty:
        assert cutter.upcoming.tolist() == tape(steps).steps.tolist()[len(seen) :]
        window = cutter.cut(0, 0, limit)
        assert window is not None
        assert window.steps.n <= limit
        seen += as_times(window.steps).tolist()
        assert cutter.last_ts == seen[-1]
    assert seen == tape(steps).steps.tolist()


def test_a_limit_of_nothing_cuts_nothing() -> None:
    cutter = WindowCutter(Flow(), streams=2)
    cutter.load(tape(3), now_ns=0)
    assert cutter.cut(0, 0, limit=0) is None


@given(st.integers(0, 9), speeds, speeds | st.just(0.0), st.integers(0, 2**40))
def test_after_a_change_of_speed_the_next_step_is_due_one_interval_on_and_a_first_one_at_once(
    cut: int, before: float, after: float, now_ns: int
) -> None:
    cutter = WindowCutter(Flow(speed=before), streams=2)
    cutter.load(tape(10), 0)
    for seq in range(cut):
        cutter.cut_step(seq)
    cutter.change_speed(after, now_ns)
    assert cutter.speed == after
    if after == 0:
        window = cutter.cut(0, now_ns)
        assert window is not None
        assert window.steps.n == 10 - cut
    else:
        assert cutter.due_at() - now_ns == pytest.approx(MINUTE / after if cut else 0, abs=1)
    assert cutter.lag_ns == 0


def test_a_change_of_speed_between_sessions_holds_for_the_next_and_not_for_history() -> None:
    cutter = WindowCutter(Flow(), streams=2)
    cutter.change_speed(1.0, 5)
    cutter.load(tape(20, session=-1), 0)
    cutter.change_speed(2.0, 5)
    assert cutter.is_history
    window = cutter.cut(0, 5)
    assert window is not None
    assert window.steps.n == 20
    cutter.load(tape(3), 100)
    assert cutter.due_at() == 100
    cutter.cut(0, 100)
    assert cutter.due_at() == 100 + MINUTE // 2


def test_a_step_that_is_cut_alone_is_neither_early_nor_late() -> None:
    cutter = WindowCutter(Flow(speed=1.0), streams=2)
    cutter.load(tape(3), 0)
    window = cutter.cut_step(0)
    assert window.steps.n == 1
    cutter.restart_pace(50 * MINUTE)
    assert (cutter.due_at(), cutter.lag_ns) == (51 * MINUTE, 0)
