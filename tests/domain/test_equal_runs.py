import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.equal_runs import distinct, run_starts


@given(st.lists(st.integers(0, 3)))
def test_a_run_begins_where_a_value_differs_from_the_one_before(values: list[int]) -> None:
    expected = [place for place, value in enumerate(values) if not place or values[place - 1] != value]
    assert run_starts(np.array(values, dtype=np.int64)).tolist() == expected


@given(st.lists(st.integers(-(2**62), 2**62)))
def test_in_a_sorted_array_it_finds_what_numpy_finds(values: list[int]) -> None:
    ordered = np.array(sorted(values), dtype=np.int64)
    assert run_starts(ordered).tolist() == np.unique(ordered, return_index=True)[1].tolist()


@given(st.lists(st.integers(0, 9)))
def test_distinct_numbers_are_those_that_numpy_finds(values: list[int]) -> None:
    numbers = np.array(values, dtype=np.int64)
    found = distinct(numbers)
    assert found.tolist() == np.unique(numbers).tolist()
    assert found.dtype == numbers.dtype
