"""Prices before a split or a dividend, worked out by hand and by what a holder of the share would have."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.adjustments import UNADJUSTED, CorporateAction, PriceScale, adjustment_of, price_scales
from actors.domain.session_plan import Adjustment
from protocol.blocks import BAR_DTYPE, Bars


def bar(open_: float, high: float, low: float, close: float, volume: float) -> Bars:
    bars = np.zeros(1, dtype=BAR_DTYPE)
    bars[["open", "high", "low", "close", "volume"]] = (open_, high, low, close, volume)
    return bars


def row(bars: Bars) -> list[float]:
    (values,) = bars[["open", "high", "low", "close", "volume"]].tolist()
    return list(values)


def action(date: str, split: float = 1.0, dividend: float = 0.0) -> CorporateAction:
    return CorporateAction("AAPL", date, split, dividend, 2)


def test_the_factors_of_a_split_a_dividend_and_both_are_those_of_a_pocket_calculator() -> None:
    assert adjustment_of(action("2020-08-31", split=4), None) == Adjustment(
        "AAPL", "2020-08-31", 4, 0, price_factor=0.25, volume_factor=4
    )
    assert adjustment_of(action("2020-08-07", dividend=0.8), 400.0) == Adjustment(
        "AAPL", "2020-08-07", 1, 0.8, price_factor=0.998, volume_factor=1
    )
    both = adjustment_of(action("2020-08-07", split=0.1, dividend=1.0), 20.0)
    assert (both.price_factor, both.volume_factor) == (9.5, 0.1)


def test_rows_across_a_dividend_and_a_four_to_one_split_are_those_worked_out_by_hand() -> None:
    dividend = adjustment_of(action("2020-08-07", dividend=4.0), 400.0)
    split = adjustment_of(action("2020-08-31", split=4), None)
    scale = PriceScale((split, dividend))

    before = scale.adjusted(bar(396, 408, 392, 400, 1000), "2020-08-06")
    between = scale.adjusted(bar(400, 404, 396, 400, 2000), "2020-08-28")
    after = scale.adjusted(bar(101, 102, 100, 101, 8000), "2020-08-31")

    assert row(before) == pytest.approx([98.01, 100.98, 97.02, 99.0, 4000], rel=1e-15)
    assert row(between) == [100, 101, 99, 100, 8000]
    assert row(after) == [101, 102, 100, 101, 8000]


def test_an_ex_date_without_a_session_counts_from_the_next_one() -> None:
    scale = PriceScale((adjustment_of(action("2020-08-30", split=4), None),))
    assert row(scale.adjusted(bar(400, 400, 400, 400, 1), "2020-08-28"))[0] == 100
    assert row(scale.adjusted(bar(100, 100, 100, 100, 1), "2020-08-31"))[0] == 100
    assert scale.between("2020-08-28", "2020-08-31") == 0.25


def test_bars_behind_the_last_action_are_the_same_object() -> None:
    bars = bar(1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 7)
    scale = PriceScale((adjustment_of(action("2020-08-31", split=7), None),))
    assert scale.adjusted(bars, "2020-08-31") is bars
    assert UNADJUSTED.adjusted(bars, "1990-01-02") is bars
    assert scale.between("2020-08-31", "2020-09-01") == 1.0


def test_every_symbol_has_its_own_scale() -> None:
    split = adjustment_of(action("2020-08-31", split=4), None)
    other = adjustment_of(action("2020-08-31", split=2)._replace(symbol="TSLA"), None)
    scales = price_scales((split, other))
    assert {symbol: scale.between("2020-08-28", "2020-08-31") for symbol, scale in scales.items()} == {
        "AAPL": 0.25,
        "TSLA": 0.5,
    }


class Day(NamedTuple):
    """A session: its prices as they were, and what happened before it opened."""

    close: float
    split: float = 1.0
    paid: float = 0.0
    """The dividend as a share of the close before."""


days = st.builds(
    Day,
    st.floats(1, 1000),
    st.sampled_from([1.0, 1.0, 1.0, 2.0, 7.0, 1.5, 0.1]),
    st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.5]),
)


def holdings(history: list[Day]) -> list[float]:
    """Give what one share of the first day is worth on each day.

    Dividends buy more shares at what a share must be worth after the split and the payment.
    """
    shares, worth = 1.0, [history[0].close]
    for before, day in pairwise(history):
        dividend = day.paid * before.close
        price = (before.close - dividend) / day.split
        shares = shares * day.split + shares * dividend / price
        worth.append(shares * day.close)
    return worth


def scale_of(history: list[Day]) -> PriceScale:
    return PriceScale(
        adjustment_of(
            action(f"day {at:02}", day.split, day.paid * history[at - 1].close), history[at - 1].close
        )
        for at, day in enumerate(history)
        if at and (day.split, day.paid) != (1.0, 0.0)
    )


@settings(max_examples=150)
@given(st.lists(days, min_size=2, max_size=15))
def test_returns_of_adjusted_prices_are_the_total_returns_of_a_holder(history: list[Day]) -> None:
    scale = scale_of(history)
    adjusted = [
        row(scale.adjusted(bar(day.close, day.close, day.close, day.close, 1), f"day {at:02}"))[3]
        for at, day in enumerate(history)
    ]
    worth = holdings(history)
    for at, (before, after) in enumerate(pairwise(adjusted)):
        assert after / before == pytest.approx(worth[at + 1] / worth[at], rel=1e-9)
    assert adjusted[-1] == history[-1].close


@settings(max_examples=100)
@given(st.lists(days, min_size=2, max_size=15), st.data())
def test_a_price_beside_a_later_one_differs_from_it_as_the_adjusted_ones_do(
    history: list[Day], data: st.DataObject
) -> None:
    scale = scale_of(history)
    earlier = data.draw(st.integers(0, len(history) - 1))
    later = data.draw(st.integers(earlier, len(history) - 1))
    of_first, of_last = (
        row(scale.adjusted(bar(1, 1, 1, 1, 1), f"day {at:02}"))[0] for at in (earlier, later)
    )
    beside = scale.between(f"day {earlier:02}", f"day {later:02}")
    assert beside == pytest.approx(of_first / of_last, rel=1e-9)


@settings(max_examples=100)
@given(st.lists(days, min_size=2, max_size=15))
def test_volume_times_price_changes_by_dividends_only(history: list[Day]) -> None:
    scale = scale_of(history)
    for at in range(len(history)):
        *_, close, volume = row(scale.adjusted(bar(10, 10, 10, 10, 100), f"day {at:02}"))
        kept = math.prod(1 - day.paid for day in history[at + 1 :])
        assert close * volume == pytest.approx(1000 * kept, rel=1e-9)
