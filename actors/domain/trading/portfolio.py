"""Cash and positions, moved by fills alone.

The average price of a position is that of what opened or increased it; decreasing realises
(price - average) x quantity, and crossing 0 closes the old position and opens a new one at the fill's price.
Commissions leave the cash and are counted apart, so that always

    equity = cash + sum(quantity x last price) = start + realised + unrealised - commissions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from actors.domain.trading.orders import Fill

ROUNDING: Final = 1e-9
"""A position this small beside the trade that left it is none."""


@dataclass(slots=True)
class Position:
    """What is held of one symbol."""

    symbol: str
    quantity: float = 0.0
    """Below 0 is short."""
    average: float = 0.0
    """What a share cost on average; 0 without a position."""
    realised: float = 0.0
    """Profit of what was closed, commissions not counted."""
    last: float = 0.0
    """The newest close of the symbol, or the price of the last fill."""

    @property
    def value(self) -> float:
        """Worth at the last price; below 0 for a short position."""
        return self.quantity * self.last

    @property
    def unrealised(self) -> float:
        """Profit of what is held, at the last price."""
        return self.quantity * (self.last - self.average)

    def take(self, quantity: float, price: float) -> None:
        """Move by a fill."""
        after = _sum(self.quantity, quantity)
        if self.quantity * quantity >= 0:
            self.average = (self.quantity * self.average + quantity * price) / after
        else:
            closed = min(abs(quantity), abs(self.quantity))
            direction = 1.0 if self.quantity > 0 else -1.0
            self.realised += direction * closed * (price - self.average)
            if after * self.quantity < 0:
                self.average = price
        self.quantity = after
        if after == 0:
            self.average = 0.0


def _sum(held: float, added: float) -> float:
    """Add quantities; what rounding alone has left over is nothing."""
    after = held + added
    return 0.0 if abs(after) <= ROUNDING * abs(added) else after


class Holding(NamedTuple):
    """A position as it stands, for a strategy to read."""

    symbol: str
    quantity: float
    """Below 0 is short."""
    average: float
    """What a share cost on average; 0 without a position."""
    value: float
    """At the newest close; below 0 for a short position."""
    unrealised: float
    realised: float
    """Of the symbol, over the run, commissions not counted."""


class Portfolio:
    """All positions of one strategy."""

    def __init__(self, cash: float) -> None:
        """Hold nothing but cash."""
        self.start = cash
        self.cash = cash
        self.commissions = 0.0
        self.realised = 0.0
        """Profit of all that was closed, commissions not counted."""
        self._positions: dict[str, Position] = {}
        self._held: dict[str, Position] = {}

    def position(self, symbol: str) -> Position:
        """Give what is held of a symbol, nothing included."""
        return self._positions.setdefault(symbol, Position(symbol))

    @property
    def held(self) -> Mapping[str, Position]:
        """The positions that are not 0, by symbol, in the order in which they were opened."""
        return self._held

    def quantity(self, symbol: str) -> float:
        """Give the signed quantity of a symbol."""
        position = self._positions.get(symbol)
        return position.quantity if position else 0.0

    def holding(self, symbol: str) -> Holding:
        """Give a copy of what is held of a symbol."""
        found = self._positions.get(symbol) or Position(symbol)
        return Holding(symbol, found.quantity, found.average, found.value, found.unrealised, found.realised)

    def apply(self, fill: Fill) -> None:
        """Book a fill."""
        position = self.position(fill.symbol)
        before = position.realised
        position.take(fill.quantity, fill.price)
        position.last = fill.price
        self.realised += position.realised - before
        if position.quantity:
            self._held[fill.symbol] = position
        else:
            self._held.pop(fill.symbol, None)
        self.cash -= fill.quantity * fill.price + fill.commission
        self.commissions += fill.commission

    def mark(self, symbol: str, price: float) -> None:
        """Learn the newest close of a symbol that is held."""
        position = self._held.get(symbol)
        if position is not None:
            position.last = price

    @property
    def unrealised(self) -> float:
        """Profit of all that is held, at the last prices."""
        return sum(position.unrealised for position in self._held.values())

    @property
    def equity(self) -> float:
        """Cash and the worth of all positions."""
        return self.cash + sum(position.value for position in self._held.values())

    @property
    def exposure(self) -> float:
        """The worth of all positions, short ones counted as if they were long."""
        return sum(abs(position.value) for position in self._held.values())
