import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actors.domain.intervals import STORED_INTERVALS, UNIT_NS, Interval, UnknownInterval

intervals = st.builds(Interval, st.integers(1, 99_999), st.sampled_from("smhdw"))


@given(intervals)
def test_what_is_written_is_read_back(interval: Interval) -> None:
    assert Interval.parse(str(interval)) == interval
    assert interval.length_ns == interval.count * UNIT_NS[interval.unit]
    assert interval.is_intraday == (interval.unit in ("s", "m", "h"))


@given(st.text(max_size=8))
def test_any_other_text_is_refused_by_name(text: str) -> None:
    assume(re.fullmatch("[1-9][0-9]{0,4}[smhdw]", text) is None)
    with pytest.raises(UnknownInterval, match=re.escape(repr(text))) as caught:
        Interval.parse(text)
    assert caught.value.text == text


@pytest.mark.parametrize(
    "text", ["", "m", "0m", "05m", "1M", "1.5m", "5m ", "5 m", "-1m", "5m\n", "٣m", "100000s"]
)
def test_near_misses_are_refused(text: str) -> None:
    with pytest.raises(UnknownInterval):
        Interval.parse(text)


@given(st.lists(intervals, max_size=8))
def test_they_sort_by_length_and_the_order_is_total(some: list[Interval]) -> None:
    ordered = sorted(some)
    assert [interval.length_ns for interval in ordered] == sorted(interval.length_ns for interval in some)
    backwards = some[::-1]
    assert ordered == sorted(backwards)


def test_the_stored_intervals_are_in_order() -> None:
    assert list(STORED_INTERVALS) == [
        str(interval) for interval in sorted(map(Interval.parse, STORED_INTERVALS))
    ]
