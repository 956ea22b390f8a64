"""Let a desk trade on the market, step by step, and keep what is to be recorded of it.

The books are written once a step, after all handlers; steps at which nothing could change share one entry.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.market import Market
from actors.domain.trading.desk import Decision, Desk
from actors.domain.trading.orders import Fill, Order
from protocol.messages import Signal

Integers = npt.NDArray[np.int64]


class Books(NamedTuple):
    """The state of the portfolio after a step; money in the prices' currency."""

    equity: float
    cash: float
    exposure: float
    """Worth of all positions, short ones counted as if they were long."""
    realised: float
    """Profit of all that was closed, commissions not counted."""
    commissions: float
    positions: int


class Records(NamedTuple):
    """What happened since it was last asked for."""

    decisions: tuple[Decision, ...]
    orders: tuple[Order, ...]
    """Those that have ended, in the order of ending."""
    fills: tuple[Fill, ...]


class Broker:
    """The desk of one strategy, at work."""

    def __init__(self, desk: Desk, market: Market) -> None:
        """Begin with no trade."""
        self.desk = desk
        self._market = market
        self._unseen: list[Fill] = []
        self._decisions: list[Decision] = []
        self._fills: list[Fill] = []
        self._entries: list[tuple[int, Books]] = []
        self._books = self._carried = self._written()

    @property
    def is_idle(self) -> bool:
        """Whether no step can change anything unless the strategy acts."""
        return self.desk.is_idle

    @property
    def is_quiet(self) -> bool:
        """Whether it is idle and the strategy knows of all fills."""
        return self.desk.is_idle and not self._unseen

    def step(self) -> None:
        """Trade on the base bars that close now."""
        now = self._market.now
        for symbol in self.desk.watched:
            bar = self._market.newest(symbol)
            if bar is not None and bar.close_ts == now:
                self._take(self.desk.take_bar(symbol, bar))

    def submit(self, signal: Signal) -> Decision:
        """Check a signal, and place its order.

        Raises TermsError where its prices cannot be.
        """
        quality = self._market.quality(signal.symbol).score
        decision, fills = self.desk.submit(signal, quality, self._market.newest(signal.symbol))
        self._decisions.append(decision)
        self._take(fills)
        return decision

    def take_unseen(self) -> Sequence[Fill]:
        """Take the fills that the strategy was not told of yet."""
        unseen, self._unseen = self._unseen, []
        return unseen

    def write_books(self) -> None:
        """Note the state of the portfolio at the current step, if it is another than before."""
        books = self._written()
        if books != self._books:
            self._books = books
            self._entries.append((self._market.now, books))

    def take_books(self, steps: Integers) -> npt.NDArray[np.float64]:
        """Take the state after each of these steps, which end now: shape (len(steps), fields of `Books`)."""
        if not self._entries:
            return np.array([self._carried], dtype=np.float64).repeat(len(steps), axis=0)
        rows = np.array([self._carried, *(books for _, books in self._entries)], dtype=np.float64)
        places = np.searchsorted(steps, [at for at, _ in self._entries])
        counts = np.bincount(places, minlength=len(steps))
        taken: npt.NDArray[np.float64] = rows.take(np.cumsum(counts), axis=0)
        self._entries, self._carried = [], self._books
        return taken

    def take_records(self) -> Records:
        """Take what has happened since the last call."""
        records = Records(tuple(self._decisions), self.desk.take_ended(), tuple(self._fills))
        self._decisions, self._fills = [], []
        return records

    def _take(self, fills: Sequence[Fill]) -> None:
        self._unseen += fills
        self._fills += fills

    def _written(self) -> Books:
        portfolio = self.desk.portfolio
        return Books(
            equity=portfolio.equity,
            cash=portfolio.cash,
            exposure=portfolio.exposure,
            realised=portfolio.realised,
            commissions=portfolio.commissions,
            positions=len(portfolio.held),
        )
