"""Where in a bar an order is filled: by hand, case by case, and never better than it may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.trading.matching import Moment, Touch, TradeBar, touch
from actors.domain.trading.orders import Order, TermsError, terms_of

BAR = TradeBar(close_ts=60, open=100.0, high=104.0, low=97.0, close=101.0, volume=1000.0)
MOMENTS: tuple[Moment, ...] = ("open", "stops", "limits", "close")
Prices = st.sampled_from([90.0, 97.0, 98.5, 100.0, 101.0, 103.0, 104.0, 110.0])


def order(quantity: float, limit: float | None = None, stop: float | None = None) -> Order:
    return Order(0, "A", quantity, terms_of(limit, stop, "cancelled"), placed_ts=0)


def first_touch(
    waiting: Order, bar: TradeBar = BAR, *, at_close: bool = False
) -> tuple[Moment, Touch] | None:
    for moment in MOMENTS:
        found = touch(waiting, bar, moment, at_close=at_close)
        if found is not None:
            return moment, found
    return None


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        (order(1), ("open", Touch(100.0, takes=True))),
        (order(-1), ("open", Touch(100.0, takes=True))),
        (order(1, limit=98.0), ("limits", Touch(98.0, takes=False))),
        (order(1, limit=97.0), ("limits", Touch(97.0, takes=False))),
        (order(1, limit=96.0), None),
        (order(1, limit=102.0), ("open", Touch(100.0, takes=False))),
        (order(-1, limit=103.0), ("limits", Touch(103.0, takes=False))),
        (order(-1, limit=105.0), None),
        (order(-1, limit=99.0), ("open", Touch(100.0, takes=False))),
        (order(1, stop=103.0), ("stops", Touch(103.0, takes=True))),
        (order(1, stop=105.0), None),
        (order(1, stop=99.0), ("open", Touch(100.0, takes=True))),
        (order(-1, stop=98.0), ("stops", Touch(98.0, takes=True))),
        (order(-1, stop=101.0), ("open", Touch(100.0, takes=True))),
        (order(1, limit=103.5, stop=103.0), ("stops", Touch(103.0, takes=False))),
        (order(1, limit=98.0, stop=103.0), None),
        (order(1, limit=98.0, stop=100.0), ("limits", Touch(98.0, takes=False))),
        (order(-1, limit=97.5, stop=98.0), ("stops", Touch(98.0, takes=False))),
    ],
)
def test_an_order_is_filled_where_the_rules_say(
    waiting: Order, expected: tuple[Moment, Touch] | None
) -> None:
    waiting.triggered = False
    assert first_touch(waiting) == expected


def test_market_orders_may_wait_for_the_close() -> None:
    assert first_touch(order(1), at_close=True) == ("close", Touch(101.0, takes=True))


def test_a_stop_limit_that_was_reached_within_a_bar_waits_at_its_limit_from_the_next_bar_on() -> None:
    waiting = order(1, limit=98.0, stop=103.0)
    assert first_touch(waiting) is None
    assert waiting.triggered
    following = TradeBar(120, 101.0, 102.0, 97.5, 98.0, 10.0)
    assert first_touch(waiting, following) == ("limits", Touch(98.0, takes=False))


@given(
    quantity=st.sampled_from([-2.0, 3.0]),
    limit=st.none() | Prices,
    stop=st.none() | Prices,
    prices=st.lists(Prices, min_size=4, max_size=4),
)
def test_no_order_is_filled_outside_the_bar_or_beyond_its_limit(
    quantity: float, limit: float | None, stop: float | None, prices: list[float]
) -> None:
    bar = TradeBar(60, prices[0], max(prices), min(prices), prices[3], 1.0)
    waiting = order(quantity, limit, stop)
    found = first_touch(waiting, bar)
    if found is None:
        return
    price = found[1].price
    assert bar.low <= price <= bar.high
    if limit is not None:
        assert price <= limit if quantity > 0 else price >= limit
    if stop is not None:
        assert bar.high >= stop if quantity > 0 else bar.low <= stop


@given(quantity=st.sampled_from([-1.0, 1.0]), stop=Prices, prices=st.lists(Prices, min_size=4, max_size=4))
def test_a_stop_is_never_filled_better_than_its_price(
    quantity: float, stop: float, prices: list[float]
) -> None:
    bar = TradeBar(60, prices[0], max(prices), min(prices), prices[3], 1.0)
    found = first_touch(order(quantity, stop=stop), bar)
    if found is not None:
        price = found[1].price
        assert price >= stop if quantity > 0 else price <= stop


@pytest.mark.parametrize(
    ("limit", "stop", "good_for"),
    [(0.0, None, "cancelled"), (None, -1.0, "cancelled"), (float("nan"), None, "session"), (1.0, 2.0, "day")],
)
def test_terms_that_cannot_be_are_refused(limit: float | None, stop: float | None, good_for: str) -> None:
    with pytest.raises(TermsError):
        terms_of(limit, stop, good_for)  # type: ignore[arg-type]
