from hypothesis import given
from hypothesis import strategies as st

from actors.domain.refusals import MAX_NAMES, PER_PERIOD, PERIOD_NS, Refusals


def test_the_first_few_are_described_and_the_rest_are_summed_up_by_sender() -> None:
    refusals = Refusals()
    lines = [line for _ in range(PER_PERIOD) for line in refusals.on_refused(5, "bad frame", "eve")]
    assert lines == ["Dropped: bad frame"] * PER_PERIOD
    assert [line for _ in range(1500) for line in refusals.on_refused(6, "bad frame", "eve")] == []
    assert list(refusals.on_refused(7, "worse", "")) == []
    assert list(refusals.on_time(PERIOD_NS)) == []
    (line,) = refusals.on_time(5 + PERIOD_NS)
    assert line == "Dropped: 1,501 more frames, suppressed here, from eve (1,500), an unknown sender (1)"
    assert list(refusals.on_end()) == []
    assert list(refusals.on_refused(6 + PERIOD_NS, "again")) == ["Dropped: again"]


@given(st.lists(st.tuples(st.integers(0, 3 * PERIOD_NS), st.text("abcxyz", max_size=3)), max_size=300))
def test_every_frame_is_counted_and_no_flood_writes_more_than_a_bounded_number_of_lines(
    frames: list[tuple[int, str]],
) -> None:
    refusals = Refusals()
    lines = [line for now, sender in sorted(frames) for line in refusals.on_refused(now, "x", sender)]
    lines += refusals.on_end()
    assert refusals.count == len(frames)
    assert len(lines) <= 4 * (PER_PERIOD + 1)
    summed = [line for line in lines if "more frames" in line]
    assert all(line.count("(") <= MAX_NAMES + 1 for line in summed)
    told = len(lines) - len(summed) + sum(int(line.split()[1].replace(",", "")) for line in summed)
    assert told == len(frames)
