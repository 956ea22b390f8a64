"""What a strategy's trading came to, kept from window to window: counts and a digest.

The digest is a SHA-256 over four others: of the steps, the books after each, all decisions and all fills.
Each grows by plain concatenation, so that how windows were cut does not show.
"""

import hashlib
from collections import Counter
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from actors.domain.trading.broker import Broker, Records
from actors.domain.trading.desk import APPROVED
from protocol.blocks import as_times
from protocol.messages import SealedWindow, Verdict

_ENCODE: Final = msgspec.msgpack.Encoder().encode


class TradingAccount:
    """Follow a broker over the run's windows."""

    def __init__(self, broker: Broker) -> None:
        """Have seen nothing."""
        self._broker = broker
        self._approved = self._fills = 0
        self._refused: Counter[str] = Counter()
        self._steps, self._books, self._decisions, self._trades = (hashlib.sha256() for _ in range(4))

    def add_window(self, window: SealedWindow) -> npt.NDArray[np.float64]:
        """Take the books after each step of a window, which is over, and give them."""
        books = self._broker.take_books(as_times(window.steps))
        self._steps.update(window.steps.records)
        self._books.update(books.tobytes())
        return books

    def take_records(self) -> Records:
        """Count what has happened since the last call, and give it."""
        records = self._broker.take_records()
        for decision in records.decisions:
            self._refused[decision.code] += decision.code != APPROVED
            self._approved += decision.code == APPROVED
            self._decisions.update(_ENCODE((decision.code, decision.order)))
        for fill in records.fills:
            self._trades.update(_ENCODE(fill))
        self._fills += len(records.fills)
        return records

    def verdict(self) -> Verdict:
        """Say what it came to."""
        portfolio = self._broker.desk.portfolio
        return Verdict(
            approved=self._approved,
            refused={code: count for code, count in sorted(self._refused.items()) if count},
            orders=self._broker.desk.placed,
            fills=self._fills,
            start_equity=portfolio.start,
            equity=portfolio.equity,
            realised=portfolio.realised,
            commissions=portfolio.commissions,
            positions=len(portfolio.held),
            digest=self._digest(),
        )

    def _digest(self) -> str:
        parts = (self._steps, self._books, self._decisions, self._trades)
        return hashlib.sha256(b"".join(part.digest() for part in parts)).hexdigest()
