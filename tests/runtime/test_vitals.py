import os

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.vitals import SAMPLES, Vitals


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300), st.integers(0, 100))
def test_a_percentile_is_a_time_that_so_many_do_not_exceed(times: list[int], percent: int) -> None:
    vitals = Vitals()
    for time in times:
        vitals.handled(time)
    found = vitals.percentile_ns(percent)
    assert found in times
    assert sum(time <= found for time in times) >= len(times) * percent / 100
    assert vitals.percentile_ns(0) == min(times)
    assert vitals.percentile_ns(100) == max(times)
    assert vitals.messages == len(times)


def test_before_the_first_message_times_are_0() -> None:
    assert Vitals().percentile_ns(99) == 0


def test_only_the_latest_times_count_and_memory_is_bounded() -> None:
    vitals = Vitals()
    for time in range(2 * SAMPLES):
        vitals.handled(time)
    assert vitals.percentile_ns(0) == SAMPLES
    assert vitals.messages == 2 * SAMPLES
    assert len(vitals._handled) == SAMPLES


def test_it_measures_this_process() -> None:
    vitals = Vitals()
    assert vitals.pid == os.getpid()
    assert vitals.peak_rss_bytes >= vitals.rss_bytes > 1_000_000
    before = vitals.cpu_ns
    sum(range(200_000))
    assert vitals.cpu_ns >= before > 0
