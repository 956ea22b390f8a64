"""The desk of one strategy: signals become orders, bars fill them, fills move the portfolio.

1. An order is placed at a step and can be filled by later bars only: those of the symbol's base stream, the
   next of which opens at that step or after it. With `fill: close` a market order is filled at the close of
   the bar that closed with the step, if one did.
2. A bar is gone through in the passes of `matching`. All orders of a symbol share the part of a bar's volume
   that may be traded (`volume_share`), first come, first served; what is left over waits for the next bar.
3. An order that only closes never takes a position beyond 0; where there is nothing left to close, it ends.
4. Fills are known at the bar's close, and before any handler of that step is called.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from actors.domain.trading.costs import Commission, NoCommission, NoSlippage, Slippage
from actors.domain.trading.matching import Moment, Touch, TradeBar, is_market, touch
from actors.domain.trading.orders import Fill, Order, Terms, terms_of
from actors.domain.trading.portfolio import Portfolio
from actors.domain.trading.risk import Limits, Proposal, refusal
from protocol.messages import Signal

MOMENTS: Final[tuple[Moment, ...]] = ("open", "stops", "limits", "close")
APPROVED: Final = "APPROVED"


@dataclass(frozen=True)
class DeskRules:
    """How orders are filled and what that costs."""

    cash: float
    limits: Limits
    fill: Literal["next_open", "close"] = "next_open"
    volume_share: float | None = None
    """The part of a bar's volume that the desk may trade; None for all that it wants, whatever the volume."""
    commission: Commission = field(default_factory=NoCommission)
    slippage: Slippage = field(default_factory=NoSlippage)


class Decision(NamedTuple):
    """What became of a signal."""

    signal: Signal
    code: str
    """`APPROVED`, or the reason of the refusal."""
    detail: str
    order: int | None
    """The id of the order that it became."""


class Desk:
    """Orders, fills and positions of one strategy."""

    def __init__(self, rules: DeskRules) -> None:
        """Hold nothing but cash."""
        self.portfolio = Portfolio(rules.cash)
        self.placed = 0
        """How many orders were placed so far; the next one's id."""
        self._rules = rules
        self._open: dict[str, list[Order]] = {}
        self._ended: list[Order] = []
        self._bars: dict[str, TradeBar] = {}

    def open_orders(self, symbol: str) -> tuple[Order, ...]:
        """List the orders of a symbol that wait, in the order of placing."""
        return tuple(self._open.get(symbol, ()))

    @property
    def is_idle(self) -> bool:
        """Whether no bar can change anything."""
        return not self._open and not self.portfolio.held

    @property
    def watched(self) -> tuple[str, ...]:
        """The symbols whose bars matter: those with an open order or a position."""
        return tuple(dict.fromkeys((*self._open, *self.portfolio.held)))

    def submit(self, signal: Signal, quality: float, bar: TradeBar | None) -> tuple[Decision, list[Fill]]:
        """Check a signal and place its order; `bar` is the symbol's newest, of this step or before.

        Raises TermsError where the signal's prices cannot be.
        """
        terms = terms_of(signal.limit, signal.stop, signal.good_for)
        quantity = self._quantity(signal)
        refused = refusal(self._proposal(signal, quantity, quality, bar, terms), self._rules.limits)
        if refused is not None:
            return Decision(signal, refused.reason, refused.detail, None), []
        order = self._place(signal, quantity, terms)
        return Decision(signal, APPROVED, "", order.id), self._fill_at_once(order, bar)

    def cancel(self, order: int, now: int) -> bool:
        """Cancel an order by its id; False where it is not open."""
        waiting = [found for orders in self._open.values() for found in orders if found.id == order]
        for found in waiting:
            self._end(found, "cancelled", now, "by the strategy")
        return bool(waiting)

    def cancel_all(self, now: int, why: str) -> None:
        """Cancel every order that waits."""
        for order in self.waiting():
            self._end(order, "cancelled", now, why)

    def take_bar(self, symbol: str, bar: TradeBar) -> list[Fill]:
        """Go through a base bar of a symbol: fill what it fills, then mark the position to its close."""
        fills: list[Fill] = []
        room = self._room(bar)
        self._bars[symbol] = bar
        for moment in MOMENTS if symbol in self._open else ():
            for order in self.open_orders(symbol):
                found = touch(order, bar, moment, at_close=self._rules.fill == "close")
                if found is not None:
                    fills += self._fill(order, bar, found, room - sum(abs(fill.quantity) for fill in fills))
        self.portfolio.mark(symbol, bar.close)
        return fills

    def waiting(self) -> tuple[Order, ...]:
        """List all orders that wait, in the order of placing."""
        return tuple(
            sorted((order for orders in self._open.values() for order in orders), key=lambda o: o.id)
        )

    def take_ended(self) -> tuple[Order, ...]:
        """Take the orders that have ended since the last call, in the order of ending."""
        ended, self._ended = tuple(self._ended), []
        return ended

    def end_session(self, now: int) -> None:
        """Let the orders expire that were good for the session."""
        for order in [order for orders in self._open.values() for order in orders]:
            if order.terms.good_for == "session":
                self._end(order, "expired", now, "the session is over")

    def _quantity(self, signal: Signal) -> float:
        if signal.action != "CLOSE":
            return signal.quantity if signal.action == "BUY" else -signal.quantity
        held = self.portfolio.quantity(signal.symbol)
        size = min(signal.quantity, abs(held)) if signal.quantity else abs(held)
        return -size if held > 0 else size

    def _proposal(
        self, signal: Signal, quantity: float, quality: float, bar: TradeBar | None, terms: Terms
    ) -> Proposal:
        same_side = [order for order in self.open_orders(signal.symbol) if order.remaining * quantity > 0]
        opened = {*self.portfolio.held, *filter(self._increasing, self._open)}
        return Proposal(
            quality=quality,
            confidence=signal.confidence,
            quantity=quantity,
            price=terms.limit or terms.stop or (bar.close if bar else None),
            held=self.portfolio.quantity(signal.symbol),
            waiting=sum(abs(order.remaining) for order in same_side if not order.closes_only),
            exposure=self.portfolio.exposure + sum(map(self._waiting_worth, self._open)),
            positions=len(opened),
            opens=signal.symbol not in opened,
        )

    def _increasing(self, symbol: str) -> list[Order]:
        """List a symbol's orders that would not only reduce its position."""
        held = self.portfolio.quantity(symbol)
        return [
            order
            for order in self._open.get(symbol, ())
            if not order.closes_only
            and not (order.remaining * held < 0 and abs(order.remaining) <= abs(held))
        ]

    def _waiting_worth(self, symbol: str) -> float:
        bar = self._bars.get(symbol)
        newest = bar.close if bar else 0.0
        return sum(
            abs(order.remaining) * (order.terms.limit or order.terms.stop or newest)
            for order in self._increasing(symbol)
        )

    def _place(self, signal: Signal, quantity: float, terms: Terms) -> Order:
        closes = signal.action == "CLOSE"
        order = Order(self.placed, signal.symbol, quantity, terms, signal.event_ts, closes)
        self.placed += 1
        self._open.setdefault(signal.symbol, []).append(order)
        return order

    def _fill_at_once(self, order: Order, bar: TradeBar | None) -> list[Fill]:
        """Fill a market order at the close of its own step, where the rules say so."""
        if bar is not None:
            self._bars[order.symbol] = bar
        if self._rules.fill != "close" or bar is None or bar.close_ts != order.placed_ts:
            return []
        if not is_market(order):
            return []
        return self._fill(order, bar, Touch(bar.close, takes=True), self._room(bar))

    def _room(self, bar: TradeBar) -> float:
        share = self._rules.volume_share
        return float("inf") if share is None else share * bar.volume

    def _fill(self, order: Order, bar: TradeBar, found: Touch, room: float) -> list[Fill]:
        wanted = self._wanted(order, bar.close_ts)
        size = min(wanted, room)
        if size <= 0:
            return []
        fill = self._priced(order, bar, found, size)
        self.portfolio.apply(fill)
        order.remaining -= fill.quantity
        if size == wanted:
            self._end(order, "filled", bar.close_ts)
        return [fill]

    def _wanted(self, order: Order, now: int) -> float:
        """Give how much of an order may be filled; an order that has nothing left to close ends here."""
        if not order.closes_only:
            return abs(order.remaining)
        held = self.portfolio.quantity(order.symbol)
        if held * order.remaining >= 0:
            self._end(order, "cancelled", now, "nothing is left to close")
            return 0.0
        return min(abs(order.remaining), abs(held))

    def _priced(self, order: Order, bar: TradeBar, found: Touch, size: float) -> Fill:
        rules = self._rules
        direction = 1.0 if order.buys else -1.0
        worse = rules.slippage.of(size, found.price, bar.volume) if found.takes else 0.0
        price = max(0.0, found.price + direction * worse)
        return Fill(
            order=order.id,
            symbol=order.symbol,
            event_ts=bar.close_ts,
            quantity=direction * size,
            price=price,
            commission=rules.commission.of(size, price),
            slippage=abs(price - found.price) * size,
        )

    def _end(
        self, order: Order, status: Literal["filled", "cancelled", "expired"], now: int, why: str = ""
    ) -> None:
        order.end(status, now, why)
        self._ended.append(order)
        waiting = self._open[order.symbol]
        waiting.remove(order)
        if not waiting:
            del self._open[order.symbol]
