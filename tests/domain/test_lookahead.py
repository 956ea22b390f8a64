from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.lookahead import altered, choose_cuts, last_price

MINUTE = 60 * 10**9
PRICES = ("open", "high", "low", "close")
price = st.floats(0.01, 1e5)
seeds = st.integers(0, 2**32 - 1)


def random_rows(seed: int, n: int) -> dict[str, npt.NDArray[Any]]:
    """Make rows of which some are no bars: prices in any order, some below 0 or missing, volumes of 0."""
    rng = np.random.default_rng(seed)
    opens = MINUTE * rng.integers(0, n + 1, n)
    prices = rng.uniform(1, 100, (4, n))
    good = rng.random(n) < 0.7
    prices[1, good], prices[2, good] = prices.max(0)[good], prices.min(0)[good]
    prices[rng.integers(0, 4, n), np.arange(n)] *= rng.choice([1.0, 1.0, 1.0, -1.0, np.nan], n)
    rows = {"open_ts": opens, "close_ts": opens + MINUTE, **dict(zip(PRICES, prices, strict=True))}
    return rows | {"volume": rng.choice([0.0, 1.0, 100.0, 5000.0], n)}


def is_valid(rows: dict[str, npt.NDArray[Any]]) -> list[bool]:
    prices = np.array([rows[name] for name in PRICES])
    inside = (rows["high"] >= prices.max(0)) & (rows["low"] <= prices.min(0))
    return list((prices > 0).all(0) & inside)


@settings(max_examples=100)
@given(seed=seeds, n=st.integers(1, 30), after=st.integers(-1, 32), pivot=price)
def test_only_what_becomes_known_later_is_altered_and_no_row_becomes_valid_or_invalid(
    seed: int, n: int, after: int, pivot: float
) -> None:
    rows = random_rows(seed, n)
    changed = altered(rows, after * MINUTE, pivot)
    known = rows["close_ts"] <= after * MINUTE
    for name, values in rows.items():
        assert np.array_equal(changed[name][known], values[known], equal_nan=True)
        assert np.array_equal(changed["close_ts"], rows["close_ts"])
    assert is_valid(changed) == is_valid(rows)
    assert np.array_equal(changed["volume"] > 0, rows["volume"] > 0)


@given(pivot=price, move=st.floats(-0.5, 0.5).filter(lambda move: abs(move) > 1e-6))
def test_what_rose_above_the_last_known_price_falls_below_it_and_the_other_way_round(
    pivot: float, move: float
) -> None:
    one = np.array([pivot * (1 + move)])
    rows = {"close_ts": np.array([10]), **dict.fromkeys(PRICES, one), "volume": np.array([7.0])}
    after = altered(rows, 9, pivot)
    for name in PRICES:
        assert (after[name][0] < pivot) == (move > 0)
    assert after["volume"][0] != 7.0


@given(seed=seeds, n=st.integers(1, 30), until=st.integers(0, 32))
def test_the_last_price_is_the_newest_that_is_known(seed: int, n: int, until: int) -> None:
    rows = random_rows(seed, n)
    known = [
        (int(stamp), float(close))
        for stamp, close in zip(rows["close_ts"], rows["close"], strict=True)
        if stamp <= until * MINUTE and close > 0
    ]
    found = last_price(rows, until * MINUTE)
    assert (found is None) == (not known)
    if found is not None:
        assert found in known
        assert found[0] == max(known)[0]


def run_of(lengths: list[int]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    sessions = np.repeat([f"day {number}" for number in range(len(lengths))], lengths)
    steps = [1000 * number + np.arange(length) for number, length in enumerate(lengths)]
    return sessions, np.concatenate(steps).astype(np.int64)


@settings(max_examples=200)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5), count=st.integers(1, 12), data=st.data())
def test_cuts_are_steps_with_one_after_them_as_many_as_were_asked_for_or_as_there_are(
    lengths: list[int], count: int, data: st.DataObject
) -> None:
    sessions, steps = run_of(lengths)
    signals = data.draw(st.lists(st.sampled_from(steps.tolist()), max_size=9))
    cuts = choose_cuts(sessions, steps, np.array(signals, dtype=np.int64), count)
    assert len(cuts) == min(count, len(steps) - 1)
    places = [steps.tolist().index(cut.at_ns) for cut in cuts]
    assert places == sorted(set(places))
    for place, cut in zip(places, cuts, strict=True):
        assert (cut.session, cut.next_ns) == (sessions[place], steps[place + 1])
        assert cut.is_session_end == (sessions[place] != sessions[place + 1])


def test_cuts_fall_on_ends_of_sessions_and_on_signals_in_turn() -> None:
    sessions, steps = run_of([100, 100, 100])
    cuts = choose_cuts(sessions, steps, np.array([7, 70, 1003, 2040], dtype=np.int64), 3)
    assert [cut.at_ns for cut in cuts] == [70, 1099, 2040]


@pytest.mark.parametrize("lengths", [[1], []])
def test_a_run_of_one_step_has_nothing_to_cut(lengths: list[int]) -> None:
    sessions = np.repeat(["day"], sum(lengths))
    assert choose_cuts(sessions, np.arange(sum(lengths)), np.array([], dtype=np.int64), 3) == ()
