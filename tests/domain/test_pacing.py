import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.pacing import Pace

MINUTE = 60_000_000_000
FIRST = 1_751_463_060_000_000_000
speeds = st.floats(0.001, 1e12) | st.sampled_from([1.0, 3.0, 3.7, 60.0, 7e9])
offsets = st.lists(st.integers(0, 86_400 * 10**9), min_size=1, max_size=20, unique=True).map(sorted)


def paced(speed: float, start_ns: int) -> Pace:
    pace = Pace(speed)
    pace.start(start_ns, FIRST)
    return pace


@given(speeds, st.integers(0, 2**52), offsets)
def test_a_step_is_due_from_its_deadline_on_and_not_a_nanosecond_before(
    speed: float, start_ns: int, steps: list[int]
) -> None:
    pace, times = paced(speed, start_ns), np.array(steps) + FIRST
    for place, time in enumerate(times.tolist()):
        deadline = pace.due_at(time)
        assert pace.count_due(times, deadline) > place
        assert pace.count_due(times, deadline - 1) <= place


@given(speeds, st.integers(0, 2**52), st.integers(0, 86_400 * 10**9))
def test_deadlines_are_absolute_and_off_by_less_than_a_nanosecond_and_rounding(
    speed: float, start_ns: int, offset: int
) -> None:
    exact = offset / speed
    assert 0 <= paced(speed, start_ns).due_at(FIRST + offset) - start_ns - exact <= 1 + exact * 1e-15


@given(speeds, st.integers(0, 2**52), offsets, st.integers(0, 2**53))
def test_what_is_due_stays_due(speed: float, start_ns: int, steps: list[int], now_ns: int) -> None:
    pace, times = paced(speed, start_ns), np.array(steps) + FIRST
    counts = [pace.count_due(times, now) for now in (start_ns, now_ns, now_ns + MINUTE)]
    assert counts[1] <= counts[2]
    assert counts[0] == np.count_nonzero(times == FIRST)
    deadlines = [pace.due_at(time) for time in times.tolist()]
    assert counts[1] == sum(deadline <= now_ns for deadline in deadlines)


def test_a_minute_at_speed_60_takes_a_second_and_every_session_starts_at_once() -> None:
    pace = paced(60.0, 5_000)
    assert pace.due_at(FIRST) == 5_000
    assert pace.due_at(FIRST + MINUTE) == 5_000 + 1_000_000_000
    pace.start(9_000, FIRST + 1440 * MINUTE)
    assert pace.due_at(FIRST + 1440 * MINUTE) == 9_000


@pytest.mark.parametrize(("speed", "is_paced"), [(0.0, False), (0.5, True), (60.0, True)])
def test_a_speed_of_0_is_no_pace(speed: float, is_paced: bool) -> None:  # noqa: FBT001
    assert Pace(speed).is_paced is is_paced
