"""Which nights look like a split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.split_suspicion import (
    least_jump,
    makes_a_jump,
    remark,
    split_named_in,
    suspected_split,
)

COMMON = [2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50]
noise = st.floats(-0.0499, 0.0499)


@given(st.sampled_from(COMMON), noise, st.floats(0.01, 1e6))
def test_a_price_within_five_percent_of_a_common_split_is_suspected_either_way(
    new: int, night: float, price: float
) -> None:
    after = price / new / (1 + night)
    assert suspected_split(price, after) == f"{new}:1"
    assert suspected_split(after, price) == f"1:{new}"


@given(noise)
def test_three_for_two_is_a_common_split_too(night: float) -> None:
    assert suspected_split(150.0 * (1 + night), 100.0) == "3:2"
    assert suspected_split(100.0, 150.0 * (1 + night)) == "2:3"


@pytest.mark.parametrize("ratio", [1.0, 1.42, 1.58, 1.89, 2.11, 2.8, 3.5, 9.4, 12.0, 17.0, 40.0, 53.0])
def test_a_ratio_beside_all_common_splits_is_none(ratio: float) -> None:
    assert suspected_split(100.0 * ratio, 100.0) is None
    assert suspected_split(100.0, 100.0 * ratio) is None


@pytest.mark.parametrize("before", [0.0, 100.0])
def test_a_price_of_nothing_is_no_split(before: float) -> None:
    assert suspected_split(before, 0.0) is None
    assert not makes_a_jump(before, 0.0, 2.0)


@pytest.mark.parametrize(
    ("ratio", "jump_ratio", "expected"),
    [
        (1.98, 2.0, True),
        (1.91, 2.0, True),
        (1.89, 2.0, False),
        (2.09, 2.2, True),
        (2.08, 2.2, False),
        (2.0, 3.0, False),
        (2.9, 3.0, True),
        (2.9, 10.0, False),
        (1.49, 1.5, False),
        (1.5, 1.55, False),
    ],
)
def test_a_suspected_split_of_two_or_more_makes_a_jump_of_a_little_less_than_the_jump_ratio(
    ratio: float, jump_ratio: float, *, expected: bool
) -> None:
    assert makes_a_jump(100.0 * ratio, 100.0, jump_ratio) is expected
    assert makes_a_jump(100.0, 100.0 * ratio, jump_ratio) is expected


@given(st.floats(1.0001, 100), st.floats(1, 200))
def test_below_the_least_jump_nothing_is_one(jump_ratio: float, ratio: float) -> None:
    if ratio < least_jump(jump_ratio) * (1 - 1e-12):
        assert ratio < jump_ratio
        assert not makes_a_jump(100.0 * ratio, 100.0, jump_ratio)


@pytest.mark.parametrize("split", ["7:1", "1:10", "3:2"])
def test_what_a_jump_says_of_a_split_can_be_read_back(split: str) -> None:
    text = f"from 9.0 to 77.0, 8.56 times; {remark(split)}"
    assert split_named_in(text) == split
    assert split_named_in(text.partition(";")[0]) is None
