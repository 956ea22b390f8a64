"""The desk: worked examples by hand, and what must hold of every sequence of orders and bars."""

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.trading.costs import (
    BpsSlippage,
    Fixed,
    FixedSlippage,
    PerShare,
    PerValue,
    VolumeShareSlippage,
)
from actors.domain.trading.desk import APPROVED, Decision, Desk, DeskRules
from actors.domain.trading.matching import TradeBar
from actors.domain.trading.orders import Fill, Order, Terms, terms_of
from actors.domain.trading.risk import Limits
from protocol.messages import Signal

WIDE = Limits(1e12, 1e12, 1e12, 1000)
RULES = DeskRules(cash=10_000.0, limits=WIDE)
MARKET = Terms()
Action = Literal["BUY", "SELL", "CLOSE"]


def bar(minute: int, *prices: float, volume: float = 1000.0) -> TradeBar:
    opening, high, low, close = prices
    return TradeBar(minute * 60, opening, high, low, close, volume)


def flat(minute: int, price: float) -> TradeBar:
    return bar(minute, price, price, price, price)


class Trader:
    """Gives signals to a desk as of its newest bar."""

    def __init__(self, rules: DeskRules = RULES, first: TradeBar | None = None) -> None:
        self.desk = Desk(rules)
        self.orders: list[Order] = []
        self.newest = first or flat(1, 100.0)

    def signal(
        self,
        action: Action,
        quantity: float = 0.0,
        terms: Terms = MARKET,
        symbol: str = "A",
        quality: float = 100.0,
        confidence: float = 1.0,
    ) -> Decision:
        prices = terms.limit, terms.stop, terms.good_for
        asked = Signal(self.newest.close_ts, symbol, action, quantity, confidence, "", *prices)
        decision, self.at_once = self.desk.submit(asked, quality, self.newest)
        seen = {order.id for order in self.orders}
        placed = (*self.desk.take_ended(), *self.desk.open_orders(symbol))
        self.orders += [order for order in placed if order.id not in seen]
        return decision

    def bar(self, newest: TradeBar, symbol: str = "A") -> list[Fill]:
        self.newest = newest
        return self.desk.take_bar(symbol, newest)


def test_a_market_order_is_filled_at_the_next_open_and_the_equity_follows_the_closes() -> None:
    trader = Trader(replace(RULES, commission=PerShare(model="per_share", amount=0.01, minimum=1.0)))
    assert trader.signal("BUY", 10).code == APPROVED
    (fill,) = trader.bar(bar(2, 101.0, 103.0, 100.5, 102.0))
    assert (fill.quantity, fill.price, fill.commission, fill.event_ts) == (10.0, 101.0, 1.0, 120)
    portfolio = trader.desk.portfolio
    assert portfolio.cash == 10_000 - 1010 - 1
    assert portfolio.equity == 10_000 + 10 - 1
    assert trader.bar(flat(3, 105.0)) == []
    assert (portfolio.unrealised, portfolio.equity) == (40.0, 10_039.0)
    trader.signal("CLOSE")
    (sold,) = trader.bar(bar(5, 99.0, 99.0, 98.0, 98.5))
    assert (sold.quantity, sold.price) == (-10.0, 99.0)
    assert (portfolio.quantity("A"), portfolio.realised, portfolio.equity) == (0.0, -20.0, 9978.0)


def test_a_short_position_gains_as_the_price_falls_and_may_be_turned() -> None:
    trader = Trader()
    trader.signal("SELL", 5)
    trader.bar(flat(2, 100.0))
    trader.bar(flat(3, 90.0))
    portfolio = trader.desk.portfolio
    assert (portfolio.quantity("A"), portfolio.unrealised, portfolio.equity) == (-5.0, 50.0, 10_050.0)
    trader.signal("BUY", 8)
    trader.bar(flat(4, 80.0))
    assert (portfolio.quantity("A"), portfolio.realised) == (3.0, 100.0)
    assert portfolio.position("A").average == 80.0


def test_a_gap_through_a_stop_is_filled_at_the_open_and_a_bracket_ends_with_the_position() -> None:
    trader = Trader()
    trader.signal("BUY", 10)
    trader.bar(flat(2, 100.0))
    trader.signal("CLOSE", terms=terms_of(None, 98.0, "cancelled"))
    trader.signal("CLOSE", terms=terms_of(104.0, None, "cancelled"))
    assert trader.bar(bar(3, 100.0, 103.0, 99.0, 101.0)) == []
    (fill,) = trader.bar(bar(4, 95.0, 105.0, 94.0, 96.0))
    assert (fill.quantity, fill.price) == (-10.0, 95.0)
    stop, target = trader.orders[1:]
    assert (stop.status, target.status, target.reason) == ("filled", "cancelled", "nothing is left to close")
    assert trader.desk.watched == ()


def test_an_order_that_closes_takes_no_more_than_is_left() -> None:
    trader = Trader()
    trader.signal("BUY", 10)
    trader.bar(flat(2, 100.0))
    trader.signal("CLOSE", terms=terms_of(None, 98.0, "cancelled"))
    trader.signal("SELL", 6)
    assert [fill.quantity for fill in trader.bar(flat(3, 100.0))] == [-6.0]
    assert [fill.quantity for fill in trader.bar(flat(4, 97.0))] == [-4.0]
    assert trader.desk.is_idle


def test_with_both_in_reach_of_one_bar_the_stop_comes_before_the_limit() -> None:
    trader = Trader()
    trader.signal("BUY", 10)
    trader.bar(flat(2, 100.0))
    trader.signal("CLOSE", terms=terms_of(104.0, None, "cancelled"))
    trader.signal("CLOSE", terms=terms_of(None, 98.0, "cancelled"))
    (fill,) = trader.bar(bar(3, 100.0, 105.0, 97.0, 101.0))
    assert fill.price == 98.0


def test_where_the_next_bar_is_missing_the_one_after_it_fills() -> None:
    trader = Trader()
    trader.signal("BUY", 1)
    (fill,) = trader.bar(flat(9, 107.0))
    assert (fill.event_ts, fill.price) == (540, 107.0)


def test_orders_of_a_half_day_expire_at_its_close_and_others_wait_for_the_next_session() -> None:
    trader = Trader()
    trader.signal("BUY", 1, terms_of(None, None, "session"))
    trader.signal("BUY", 2)
    trader.desk.end_session(60)
    assert [order.status for order in trader.orders] == ["expired", "open"]
    (fill,) = trader.bar(flat(1000, 99.0))
    assert fill.quantity == 2.0


def test_fills_at_the_close_happen_with_the_signal_where_a_bar_closed_with_it() -> None:
    trader = Trader(replace(RULES, fill="close"), bar(1, 99.0, 101.0, 98.0, 100.5))
    trader.signal("BUY", 2)
    (fill,) = trader.at_once
    assert (fill.price, fill.event_ts) == (100.5, 60)
    asked = Signal(90, "A", "BUY", 1.0, 1.0, "")
    assert trader.desk.submit(asked, 100.0, trader.newest)[1] == []
    (later,) = trader.bar(bar(2, 110.0, 112.0, 109.0, 111.0))
    assert later.price == 111.0


def test_a_share_of_the_volume_fills_in_parts_first_come_first_served() -> None:
    trader = Trader(replace(RULES, volume_share=0.1))
    trader.signal("BUY", 150)
    trader.signal("BUY", 30)
    assert [fill.quantity for fill in trader.bar(flat(2, 10.0))] == [100.0]
    assert [fill.quantity for fill in trader.bar(flat(3, 11.0))] == [50.0, 30.0]
    assert trader.bar(bar(4, 1.0, 1.0, 1.0, 1.0, volume=0.0)) == []
    assert trader.desk.portfolio.position("A").average == pytest.approx((1000 + 550 + 330) / 180)


@pytest.mark.parametrize(
    ("slippage", "price"),
    [
        (FixedSlippage(model="fixed", amount=0.25), 100.25),
        (BpsSlippage(model="bps", bps=20), 100.2),
        (VolumeShareSlippage(model="volume_share", impact=0.1), 100.1),
    ],
)
def test_slippage_worsens_what_takes_the_market_and_spares_limits(
    slippage: FixedSlippage | BpsSlippage | VolumeShareSlippage, price: float
) -> None:
    trader = Trader(replace(RULES, slippage=slippage))
    trader.signal("BUY", 100)
    trader.signal("SELL", 100, terms_of(100.0, None, "cancelled"))
    bought, sold = trader.bar(bar(2, 100.0, 100.0, 100.0, 100.0, volume=1000.0))
    assert bought.price == pytest.approx(price)
    assert sold.price == 100.0
    assert bought.slippage == pytest.approx((bought.price - 100) * 100)


def test_commissions_are_counted_beside_the_price() -> None:
    for commission, charge in (
        (PerValue(model="per_value", bps=10), 1.0),
        (Fixed(model="fixed", amount=2.5), 2.5),
    ):
        trader = Trader(replace(RULES, commission=commission))
        trader.signal("BUY", 10)
        trader.bar(flat(2, 100.0))
        assert trader.desk.portfolio.equity == 10_000 - charge


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (WIDE._replace(min_quality=99.5), "QUALITY"),
        (WIDE._replace(min_confidence=0.9), "CONFIDENCE"),
        (WIDE._replace(max_buying_power=999.0), "BUYING_POWER"),
        (WIDE._replace(max_per_trade=999.0), "PER_TRADE"),
        (WIDE._replace(max_per_symbol=999.0), "PER_SYMBOL"),
        (WIDE._replace(max_open_positions=0), "OPEN_POSITIONS"),
        (WIDE, APPROVED),
    ],
)
def test_each_check_has_its_reason(limits: Limits, code: str) -> None:
    trader = Trader(replace(RULES, limits=limits))
    decision = trader.signal("BUY", 10, quality=99.0, confidence=0.8)
    assert decision.code == code
    assert (decision.order is None) == (code != APPROVED)


def test_the_first_check_that_fails_gives_the_reason_and_orders_that_wait_count() -> None:
    trader = Trader(replace(RULES, limits=Limits(1500.0, 1000.0, 1000.0, 1)))
    assert trader.signal("BUY", 10).code == APPROVED
    assert trader.signal("BUY", 6).code == "BUYING_POWER"
    assert trader.signal("BUY", 4).code == "PER_SYMBOL"
    assert trader.signal("BUY", 4, symbol="B").code == "OPEN_POSITIONS"
    assert trader.signal("CLOSE").code == "NOTHING_TO_CLOSE"


def test_a_position_that_is_open_may_grow_where_no_other_may_be_opened() -> None:
    trader = Trader(replace(RULES, limits=WIDE._replace(max_open_positions=1)))
    trader.signal("BUY", 1)
    trader.bar(flat(2, 100.0))
    assert trader.signal("BUY", 1).code == APPROVED
    assert trader.signal("BUY", 1, symbol="B").code == "OPEN_POSITIONS"


def test_whoever_holds_a_position_may_leave_it_whatever_the_limits() -> None:
    trader = Trader(replace(RULES, limits=Limits(1000.0, 1000.0, 1000.0, 1)))
    trader.signal("BUY", 10)
    trader.bar(flat(2, 500.0))
    assert trader.signal("SELL", 10).code == APPROVED
    assert trader.signal("SELL", 11).code == "BUYING_POWER"


def test_an_order_can_be_cancelled_once() -> None:
    trader = Trader()
    order = trader.signal("BUY", 1).order
    assert order is not None
    assert trader.desk.cancel(order, 70)
    assert not trader.desk.cancel(order, 80)
    assert trader.bar(flat(2, 100.0)) == []


Price = st.integers(90, 110).map(float)
Level = st.none() | Price
Signals = st.tuples(
    st.sampled_from(["BUY", "SELL", "CLOSE"]),
    st.sampled_from([0.1, 1.0, 2.5, 7.0]),
    Level,
    Level,
    st.sampled_from(["session", "cancelled"]),
)
Minutes = st.lists(
    st.tuples(st.lists(Price, min_size=4, max_size=4), st.lists(Signals, max_size=3), st.booleans()),
    max_size=12,
)


@settings(max_examples=300)
@given(
    minutes=Minutes, share=st.sampled_from([None, 0.001, 0.5]), fill=st.sampled_from(["next_open", "close"])
)
def test_money_and_orders_are_conserved(
    minutes: list[tuple[list[float], list[tuple[Action, float, float | None, float | None, str]], bool]],
    share: float | None,
    fill: Literal["next_open", "close"],
) -> None:
    commission = PerShare(model="per_share", amount=0.01)
    trader = Trader(replace(RULES, volume_share=share, fill=fill, commission=commission))
    desk, fills = trader.desk, list[Fill]()
    for minute, (prices, signals, ends) in enumerate(minutes, 2):
        fills += trader.bar(bar(minute, prices[0], max(prices), min(prices), prices[3]))
        for action, quantity, limit, stop, good_for in signals:
            trader.signal(action, quantity, terms_of(limit, stop, good_for))  # type: ignore[arg-type]
            fills += trader.at_once
        if ends:
            desk.end_session(minute * 60)
        _check_books(trader, fills)


def _check_books(trader: Trader, fills: list[Fill]) -> None:
    desk = trader.desk
    portfolio = desk.portfolio
    spent = sum(fill.quantity * fill.price + fill.commission for fill in fills)
    assert portfolio.cash == pytest.approx(portfolio.start - spent)
    assert portfolio.quantity("A") == pytest.approx(sum(fill.quantity for fill in fills), abs=1e-6)
    earned = portfolio.realised + portfolio.unrealised - portfolio.commissions
    assert portfolio.equity == pytest.approx(portfolio.start + earned)
    for order in trader.orders:
        traded = sum(fill.quantity for fill in fills if fill.order == order.id)
        assert order.remaining == pytest.approx(order.quantity - traded)
        assert (order.status == "open") == (order in desk.open_orders("A"))
        if order.status == "filled" and not order.closes_only:
            assert order.remaining == pytest.approx(0.0)
