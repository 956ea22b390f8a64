"""Orders: what a strategy wants traded, and what has become of it."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

OrderKind = Literal["market", "limit", "stop", "stop_limit"]
GoodFor = Literal["session", "cancelled"]
"""How long an order waits: to the end of the session it was placed in, or until it is cancelled."""
OrderStatus = Literal["open", "filled", "cancelled", "expired"]


class Terms(NamedTuple):
    """How an order may be filled."""

    kind: OrderKind = "market"
    limit: float | None = None
    """The worst price that a limit order takes."""
    stop: float | None = None
    """The price at which a stop order comes to life."""
    good_for: GoodFor = "cancelled"


class TermsError(ValueError):
    """Terms that contradict themselves."""


def terms_of(limit: float | None, stop: float | None, good_for: GoodFor) -> Terms:
    """Tell the kind of an order from its prices.

    Raises TermsError for a price that is not above 0.
    """
    for name, price in (("limit", limit), ("stop", stop)):
        if price is not None and not 0 < price < float("inf"):
            raise TermsError(f"{name} {price} must be a price above 0")
    if good_for not in ("session", "cancelled"):
        raise TermsError(f'good_for {good_for!r} must be "session" or "cancelled"')
    if limit is not None:
        return Terms("limit" if stop is None else "stop_limit", limit, stop, good_for)
    return Terms("market" if stop is None else "stop", limit, stop, good_for)


@dataclass(slots=True)
class Order:
    """One order. Quantities are signed: above 0 buys, below 0 sells."""

    id: int
    """Counts up from 0 over the run, in the order of placing."""
    symbol: str
    quantity: float
    terms: Terms
    placed_ts: int
    closes_only: bool = False
    """Whether it may only bring a position nearer to 0."""
    remaining: float = 0.0
    status: OrderStatus = "open"
    ended_ts: int = 0
    """When it was filled, cancelled or expired; 0 while it is open."""
    reason: str = ""
    """Why it ended without being filled."""
    triggered: bool = False
    """Whether the stop price has been reached."""
    rests_in: int = 0
    """The close of the bar in which the stop was reached and the limit does not count yet; 0 for none."""

    def __post_init__(self) -> None:
        """Have all of it to fill."""
        self.remaining = self.quantity

    @property
    def buys(self) -> bool:
        """Whether it buys."""
        return self.quantity > 0

    def as_open(self) -> "OpenOrder":
        """Give a copy that does not change."""
        return OpenOrder(self.id, self.symbol, self.quantity, self.remaining, self.terms, self.placed_ts)

    def end(self, status: OrderStatus, now: int, reason: str = "") -> None:
        """Close the order."""
        self.status, self.ended_ts, self.reason = status, now, reason


class OpenOrder(NamedTuple):
    """An order that waits, for a strategy to read."""

    id: int
    symbol: str
    quantity: float
    """Signed: above 0 buys."""
    remaining: float
    """What is not filled yet."""
    terms: Terms
    placed_ts: int


class Fill(NamedTuple):
    """One trade of one order."""

    order: int
    """The order's id."""
    symbol: str
    event_ts: int
    """The step with which it becomes known: the close of the bar that it was filled in."""
    quantity: float
    """Signed: above 0 was bought."""
    price: float
    """With slippage."""
    commission: float
    slippage: float
    """What slippage cost, in money; it is in the price."""
