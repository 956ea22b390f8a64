"""Where in a bar an order is filled.

A bar tells its open, high, low and close, not the way between. Prices are reached in this order, which is
the worse one for the order's owner wherever the bar leaves it open:

1. At the open: what can be filled at the open is, in the order of placing. A stop that the open has jumped
   over is filled at the open, worse than its price; a limit that the open betters is filled at the open.
2. Within the bar: stops before limits, each in the order of placing, at their own price.
3. A stop-limit whose stop is reached within the bar is filled in it only where its limit allows the stop
   price itself; else its limit counts from the next bar on.
4. At the close: market orders, where fills are set to be at the close.
"""

from typing import Literal, NamedTuple

from actors.domain.trading.orders import Order

Moment = Literal["open", "stops", "limits", "close"]
"""The four passes over the open orders of a symbol."""


class TradeBar(NamedTuple):
    """A base bar, as orders see it."""

    close_ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Touch(NamedTuple):
    """A price at which an order can be filled, before costs."""

    price: float
    takes: bool
    """Whether it takes the market's price, and so pays slippage."""


def touch(order: Order, bar: TradeBar, moment: Moment, *, at_close: bool) -> Touch | None:
    """Tell at which price a pass over a bar fills an order; None where it does not.

    With `at_close`, market orders wait for the close. A stop that is reached is marked as triggered.
    """
    if is_market(order):
        return _touch_market(bar, moment, at_close=at_close)
    if moment == "close":
        return None
    if order.terms.stop is not None and not order.triggered:
        return _touch_stop(order, bar, moment)
    return _touch_limit(order, bar, moment)


def is_market(order: Order) -> bool:
    """Whether an order takes any price: a market order, or a stop that was reached and is not done yet."""
    return order.terms.limit is None and (order.terms.stop is None or order.triggered)


def _touch_market(bar: TradeBar, moment: Moment, *, at_close: bool) -> Touch | None:
    if moment == ("close" if at_close else "open"):
        return Touch(bar.close if at_close else bar.open, takes=True)
    return None


def _touch_stop(order: Order, bar: TradeBar, moment: Moment) -> Touch | None:
    stop = order.terms.stop or 0.0
    if moment == "limits":
        return None
    jumped = bar.open >= stop if order.buys else bar.open <= stop
    reached = bar.high >= stop if order.buys else bar.low <= stop
    if not (jumped if moment == "open" else reached):
        return None
    order.triggered = True
    price = bar.open if moment == "open" else stop
    if order.terms.limit is None:
        return Touch(price, takes=True)
    if _within_limit(order, price):
        return Touch(price, takes=False)
    order.rests_in = 0 if moment == "open" else bar.close_ts
    return None


def _touch_limit(order: Order, bar: TradeBar, moment: Moment) -> Touch | None:
    limit = order.terms.limit or 0.0
    if moment == "open":
        return Touch(bar.open, takes=False) if _within_limit(order, bar.open) else None
    if moment == "stops" or order.rests_in == bar.close_ts:
        return None
    return Touch(limit, takes=False) if _within_limit(order, bar.low if order.buys else bar.high) else None


def _within_limit(order: Order, price: float) -> bool:
    limit = order.terms.limit or 0.0
    return price <= limit if order.buys else price >= limit
