"""Trades from fills: what going into a symbol and out of it again has brought.

A trade is an episode of one symbol, from position 0 back to 0. A fill that crosses 0 ends one trade and
begins the next, and its commission is split between them by quantity. Positions move exactly as those of
`portfolio` do: at average cost, with the same rounding.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from actors.domain.trading.orders import Fill
from actors.domain.trading.portfolio import ROUNDING, Position

Side = Literal["long", "short"]


class Trade(NamedTuple):
    """A position that was opened and closed again."""

    symbol: str
    side: Side
    quantity: float
    """The largest position, in shares, not signed."""
    entry_ts: int
    """ns UTC, the first fill's."""
    exit_ts: int
    """ns UTC, the last fill's."""
    entry_price: float
    """Mean price of the fills that increased the position, weighted by quantity."""
    exit_price: float
    """Mean price of the fills that decreased it, weighted by quantity."""
    pnl: float
    """Profit in money, net of commissions; 0 where it is rounding beside the entry value."""
    commissions: float
    """In money."""
    return_on_entry: float | None
    """pnl / the value of all fills that increased the position, as a share; None where that is 0."""


class OpenTrade(NamedTuple):
    """A position that is still held."""

    symbol: str
    side: Side
    quantity: float
    """What is held, in shares, not signed."""
    entry_ts: int
    """ns UTC, the first fill's."""
    average: float
    """What a share of it cost on average, commissions not counted."""
    realised: float
    """Profit in money of what was closed already, net of all commissions so far."""
    commissions: float
    """In money."""

    def pnl(self, last: float) -> float:
        """Give the profit in money, net of commissions, with what is held at this price."""
        direction = 1.0 if self.side == "long" else -1.0
        return self.realised + direction * self.quantity * (last - self.average)


def round_trips(fills: Iterable[Fill]) -> list[Trade]:
    """List the trades that are over, in the order of their ends; fills are in the order of happening."""
    return _replayed(fills)[0]


def open_trades(fills: Iterable[Fill]) -> list[OpenTrade]:
    """List what is held after these fills, in the order of its symbols."""
    episodes = _replayed(fills)[1]
    return [episodes[symbol].as_open() for symbol in sorted(episodes)]


@dataclass(slots=True)
class _Episode:
    """A trade that goes on."""

    position: Position
    direction: float
    """1 for long, -1 for short."""
    entry_ts: int
    largest: float = 0.0
    entered: float = 0.0
    entry_value: float = 0.0
    exited: float = 0.0
    exit_value: float = 0.0
    commissions: float = 0.0

    @property
    def side(self) -> Side:
        return "long" if self.direction > 0 else "short"

    @property
    def goes_on(self) -> bool:
        return self.position.quantity * self.direction > 0

    def take(self, fill: Fill) -> float:
        """Move by a fill; give the part of it, signed, that lies beyond 0 and is the next trade's."""
        held = abs(self.position.quantity)
        self.position.take(fill.quantity, fill.price)
        beyond = self.position.quantity if self.position.quantity * self.direction < 0 else 0.0
        self.commissions += fill.commission * (1.0 - beyond / fill.quantity)
        if fill.quantity * self.direction > 0:
            self._enter(abs(fill.quantity), fill.price)
        else:
            self._exit(min(held, abs(fill.quantity)), fill.price)
        return beyond

    def _enter(self, quantity: float, price: float) -> None:
        self.entered += quantity
        self.entry_value += quantity * price
        self.largest = max(self.largest, abs(self.position.quantity))

    def _exit(self, quantity: float, price: float) -> None:
        self.exited += quantity
        self.exit_value += quantity * price

    def as_trade(self, exit_ts: int) -> Trade:
        profit = self.position.realised - self.commissions
        pnl = 0.0 if abs(profit) <= ROUNDING * self.entry_value else profit
        return Trade(
            symbol=self.position.symbol,
            side=self.side,
            quantity=self.largest,
            entry_ts=self.entry_ts,
            exit_ts=exit_ts,
            entry_price=self.entry_value / self.entered,
            exit_price=self.exit_value / self.exited,
            pnl=pnl,
            commissions=self.commissions,
            return_on_entry=pnl / self.entry_value if self.entry_value else None,
        )

    def as_open(self) -> OpenTrade:
        return OpenTrade(
            symbol=self.position.symbol,
            side=self.side,
            quantity=abs(self.position.quantity),
            entry_ts=self.entry_ts,
            average=self.position.average,
            realised=self.position.realised - self.commissions,
            commissions=self.commissions,
        )


def _replayed(fills: Iterable[Fill]) -> tuple[list[Trade], dict[str, _Episode]]:
    """Give the trades that are over, and those that go on by symbol."""
    episodes: dict[str, _Episode] = {}
    over = [trade for fill in fills if (trade := _taken(episodes, fill)) is not None]
    return over, episodes


def _taken(episodes: dict[str, _Episode], fill: Fill) -> Trade | None:
    """Move the episodes by a fill; give the trade that it ends."""
    episode = episodes.setdefault(fill.symbol, _begun(fill))
    beyond = episode.take(fill)
    if episode.goes_on:
        return None
    del episodes[fill.symbol]
    if beyond:
        rest = fill._replace(quantity=beyond, commission=fill.commission * beyond / fill.quantity)
        episodes[fill.symbol] = _begun(rest)
        episodes[fill.symbol].take(rest)
    return episode.as_trade(fill.event_ts)


def _begun(fill: Fill) -> _Episode:
    return _Episode(Position(fill.symbol), 1.0 if fill.quantity > 0 else -1.0, fill.event_ts)
