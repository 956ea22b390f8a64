"""Round trips: worked examples by hand, an exact count share by share, and agreement with the portfolio."""

from collections import defaultdict
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.trading.orders import Fill
from actors.domain.trading.portfolio import Portfolio
from actors.domain.trading.trades import OpenTrade, Side, Trade, open_trades, round_trips


def fill(ts: int, quantity: float, price: float, commission: float = 0.0, symbol: str = "A") -> Fill:
    return Fill(0, symbol, ts, quantity, price, commission, 0.0)


def test_a_long_trade_scaled_in_and_out_has_mean_prices_and_all_commissions() -> None:
    fills = [fill(1, 10, 10.0, 1.0), fill(2, 30, 12.0, 2.0), fill(3, -20, 13.0, 3.0), fill(5, -20, 14.0, 4.0)]
    # In: 10 x 10 + 30 x 12 = 460 for 40, 11.5 each. Out: 20 x 13 + 20 x 14 = 540, 13.5 each.
    assert round_trips(fills) == [Trade("A", "long", 40, 1, 5, 11.5, 13.5, 70.0, 10.0, 70 / 460)]
    assert open_trades(fills) == []


def test_a_short_trade_gains_as_the_price_falls() -> None:
    (trade,) = round_trips([fill(1, -10, 20.0, 1.0), fill(2, 10, 18.0, 1.0)])
    assert trade == Trade("A", "short", 10, 1, 2, 20.0, 18.0, 18.0, 2.0, 18 / 200)


def test_shares_bought_between_two_sales_count_as_entered_and_the_largest_position_is_told() -> None:
    fills = [fill(1, 10, 10.0), fill(2, -5, 12.0), fill(3, 10, 14.0), fill(4, -15, 13.0)]
    (trade,) = round_trips(fills)
    # In: 100 + 140 for 20. Out: 60 + 195 for 20. The position was 10, 5, 15.
    assert trade[2:7] == (15, 1, 4, 12.0, 12.75)
    assert trade.pnl == pytest.approx(15.0)
    assert trade.return_on_entry == pytest.approx(15 / 240)


def test_the_largest_position_may_be_an_early_one() -> None:
    (trade,) = round_trips([fill(1, 10, 10.0), fill(2, -8, 10.0), fill(3, 1, 10.0), fill(4, -3, 10.0)])
    assert trade.quantity == 10


def test_a_fill_through_0_ends_one_trade_and_begins_the_next_and_splits_its_commission() -> None:
    fills = [fill(1, 5, 20.0, 1.0), fill(2, -8, 21.0, 1.6), fill(3, 3, 22.0, 0.5)]
    first, second = round_trips(fills)
    assert first[:7] == ("A", "long", 5, 1, 2, 20.0, 21.0)
    assert first[7:] == pytest.approx((3.0, 2.0, 0.03))
    assert second[:7] == ("A", "short", 3, 2, 3, 21.0, 22.0)
    assert second[7:] == pytest.approx((-4.1, 1.1, -4.1 / 63))


def test_what_is_still_held_is_no_trade_but_open() -> None:
    fills = [fill(0, 1, 5.0, symbol="B"), fill(1, -10, 20.0, 1.0), fill(2, 4, 18.0, 1.0)]
    assert round_trips(fills) == []
    assert open_trades(fills) == [
        OpenTrade("A", "short", 6, 1, 20.0, 6.0, 2.0),
        OpenTrade("B", "long", 1, 0, 5.0, 0.0, 0.0),
    ]
    assert open_trades(fills)[0].pnl(17.0) == 6.0 + 18.0


def test_trades_come_in_the_order_of_their_ends() -> None:
    fills = [fill(1, 1, 1.0, symbol="A"), fill(2, 1, 1.0, symbol="B"), fill(3, -1, 1.0, symbol="B")]
    assert [trade.symbol for trade in round_trips([*fills, fill(4, -1, 1.0)])] == ["B", "A"]


def test_what_rounding_leaves_of_a_position_neither_keeps_a_trade_open_nor_begins_one() -> None:
    bought = [fill(1, 0.1, 10.0), fill(2, 0.2, 10.0)]
    (trade,) = round_trips([*bought, fill(3, -0.3, 10.0)])
    assert (trade.exit_ts, trade.pnl) == (3, 0.0)
    assert trade.quantity == pytest.approx(0.3)
    assert open_trades([*bought, fill(3, -0.3, 10.0)]) == []


def test_profit_that_is_rounding_beside_the_entry_value_is_none() -> None:
    fills = [fill(1, 0.7, 0.1), fill(2, 0.1, 0.3), fill(3, -0.8, (0.7 * 0.1 + 0.1 * 0.3) / 0.8)]
    assert [trade.pnl for trade in round_trips(fills)] == [0.0]


def test_a_trade_entered_at_a_price_of_0_has_no_return() -> None:
    (trade,) = round_trips([fill(1, 1, 0.0), fill(2, -1, 2.0)])
    assert (trade.pnl, trade.return_on_entry) == (2.0, None)


def test_without_fills_there_is_no_trade() -> None:
    assert (round_trips([]), open_trades([])) == ([], [])


class Counted(NamedTuple):
    """An exact trade, as counted share by share."""

    symbol: str
    side: Side
    largest: int
    entry_ts: int
    exit_ts: int
    entry: Fraction
    exit: Fraction
    pnl: Fraction
    commissions: Fraction
    return_on_entry: Fraction


Share = tuple[int, int, Fraction, Fraction]
"""Instant, +1 or -1, price, commission."""


def shares_of(fills: list[Fill]) -> dict[str, list[Share]]:
    shares: dict[str, list[Share]] = defaultdict(list)
    for one in fills:
        size = int(abs(one.quantity))
        share = Fraction(one.commission) / size
        shares[one.symbol] += [
            (one.event_ts, 1 if one.quantity > 0 else -1, Fraction(one.price), share)
        ] * size
    return shares


def counted(symbol: str, shares: list[Share]) -> tuple[list[Counted], list[Share]]:
    """Walk share by share; a trade is over whenever as many were sold as bought."""
    trades: list[Counted] = []
    begin = held = largest = 0
    for index, (_, sign, _, _) in enumerate(shares):
        held += sign
        largest = max(largest, abs(held))
        if held == 0:
            trades.append(summed(symbol, shares[begin : index + 1], largest))
            begin, largest = index + 1, 0
    return trades, shares[begin:]


def summed(symbol: str, shares: list[Share], largest: int) -> Counted:
    direction = shares[0][1]
    entries = [price for _, sign, price, _ in shares if sign == direction]
    exits = [price for _, sign, price, _ in shares if sign != direction]
    entry_value, exit_value = sum(entries, Fraction(0)), sum(exits, Fraction(0))
    commissions = sum((share[3] for share in shares), Fraction(0))
    pnl = direction * (exit_value - entry_value) - commissions
    return Counted(
        symbol=symbol,
        side="long" if direction > 0 else "short",
        largest=largest,
        entry_ts=shares[0][0],
        exit_ts=shares[-1][0],
        entry=entry_value / len(entries),
        exit=exit_value / len(exits),
        pnl=pnl,
        commissions=commissions,
        return_on_entry=pnl / entry_value,
    )


SIZES = st.integers(-12, 12).filter(bool)
PRICES = st.integers(4, 400).map(lambda quarters: quarters / 4)
COMMISSIONS = st.integers(0, 8).map(lambda eighths: eighths / 8)
FILLS = st.lists(st.tuples(st.sampled_from("ABC"), SIZES, PRICES, COMMISSIONS), max_size=40).map(
    lambda rows: [
        fill(ts, float(size), price, commission, symbol)
        for ts, (symbol, size, price, commission) in enumerate(rows, 1)
    ]
)
ODD_FILLS = st.lists(st.tuples(st.sampled_from("AB"), SIZES, PRICES), max_size=30).map(
    lambda rows: [fill(ts, size / 10, price, 0.1, symbol) for ts, (symbol, size, price) in enumerate(rows, 1)]
)


@given(FILLS)
@settings(max_examples=100)
def test_trades_are_those_counted_share_by_share(fills: list[Fill]) -> None:
    expected = [trade for symbol, shares in shares_of(fills).items() for trade in counted(symbol, shares)[0]]
    found = round_trips(fills)
    assert [trade.exit_ts for trade in found] == sorted(trade.exit_ts for trade in expected)
    by_end = {(trade.symbol, trade.exit_ts): trade for trade in found}
    for exact in expected:
        trade = by_end[exact.symbol, exact.exit_ts]
        assert trade[:5] == exact[:5]
        assert trade[5:] == pytest.approx(tuple(map(float, exact[5:])), abs=1e-6)


@given(FILLS)
@settings(max_examples=100)
def test_open_trades_are_the_shares_left_over(fills: list[Fill]) -> None:
    left = {symbol: counted(symbol, shares)[1] for symbol, shares in shares_of(fills).items()}
    found = {trade.symbol: trade for trade in open_trades(fills)}
    assert sorted(found) == sorted(symbol for symbol, shares in left.items() if shares)
    for symbol, trade in found.items():
        held = sum(share[1] for share in left[symbol])
        spent = sum(share[1] * share[2] + share[3] for share in left[symbol])
        assert (trade.entry_ts, trade.quantity) == (left[symbol][0][0], abs(held))
        assert trade.pnl(50.0) == pytest.approx(float(held * 50 - spent), abs=1e-6)


@given(ODD_FILLS)
@settings(max_examples=100)
def test_trades_and_open_trades_make_up_what_the_portfolio_has_gained(fills: list[Fill]) -> None:
    portfolio = Portfolio(1000.0)
    for one in fills:
        portfolio.apply(one)
    held = open_trades(fills)
    gained = sum(trade.pnl for trade in round_trips(fills))
    gained += sum(trade.pnl(portfolio.position(trade.symbol).last) for trade in held)
    assert portfolio.equity - portfolio.start == pytest.approx(gained, abs=1e-6)
    assert {trade.symbol for trade in held} == {symbol for symbol in "AB" if portfolio.quantity(symbol)}
    charged = sum(trade.commissions for trade in round_trips(fills))
    charged += sum(trade.commissions for trade in held)
    assert charged == pytest.approx(portfolio.commissions)


@given(FILLS)
@settings(max_examples=50)
def test_a_symbols_trades_do_not_depend_on_the_others(fills: list[Fill]) -> None:
    alone = [one for one in fills if one.symbol == "A"]
    assert round_trips(alone) == [trade for trade in round_trips(fills) if trade.symbol == "A"]
    assert open_trades(alone) == [trade for trade in open_trades(fills) if trade.symbol == "A"]
