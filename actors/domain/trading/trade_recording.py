"""What a strategy's trading leaves in tables: decisions, orders, fills and the books after every step.

`docs/run_folder.md` describes them. Orders are recorded as they end, those still open with the run's end.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.bar_shelves import Table
from actors.domain.ports import Columns, Sparse, TableSink
from actors.domain.trading.broker import Books, Records
from actors.domain.trading.desk import Decision
from actors.domain.trading.orders import Fill, Order

TABLES: Final = ("decisions", "orders", "fills", "equity")
TABLE_ROWS: Final = 10_000
"""Rows that are kept in memory: about 0.5 MB, and four times that on their way to the tables."""
_NO_PRICE: Final = float("nan")


class _Dated(NamedTuple):
    """Something of one session."""

    session: str
    item: Any


class TradeRecording:
    """The rows of one strategy on their way to its tables."""

    def __init__(self, strategy: str, sink: TableSink, table_rows: int = TABLE_ROWS) -> None:
        """Begin without rows; write them in parts of about `table_rows`."""
        self._sink = sink
        self._table_rows = table_rows
        self._folder = f"trading/{strategy}"
        self._decisions: list[_Dated] = []
        self._orders: list[_Dated] = []
        self._fills: list[_Dated] = []
        self._steps: list[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.float64]]] = []
        self._rows = 0

    def add_records(self, session: str, records: Records) -> None:
        """Take what has happened in a session."""
        if not any(records):
            return
        self._decisions += [_Dated(session, decision) for decision in records.decisions]
        self._orders += [_Dated(session, order) for order in records.orders]
        self._fills += [_Dated(session, fill) for fill in records.fills]
        self._grow(len(records.decisions) + len(records.orders) + len(records.fills))

    def add_books(self, session: str, steps: npt.NDArray[np.int64], books: npt.NDArray[np.float64]) -> None:
        """Take the books after some steps of a session."""
        self._steps.append((session, steps, books))
        self._grow(len(steps))

    def add_open_orders(self, session: str, orders: Sequence[Order]) -> None:
        """Take the orders that never ended."""
        self._orders += [_Dated(session, order) for order in orders]

    def finish(self) -> None:
        """Write what is left, tables without rows included."""
        for table in self._take_tables():
            self._sink.append(table.path, table.columns)

    def _grow(self, rows: int) -> None:
        self._rows += rows
        if self._rows >= self._table_rows:
            self.finish()

    def _take_tables(self) -> Iterator[Table]:
        made: tuple[Columns, ...] = (
            decision_columns(self._decisions),
            order_columns(self._orders),
            fill_columns(self._fills),
            equity_columns(self._steps),
        )
        self._decisions, self._orders, self._fills, self._steps, self._rows = [], [], [], [], 0
        for name, columns in zip(TABLES, made, strict=True):
            yield Table(f"{self._folder}/{name}.parquet", columns)


def decision_columns(rows: Sequence[_Dated]) -> Columns:
    """Give every signal with what became of it."""
    found: list[Decision] = [row.item for row in rows]
    signals = [decision.signal for decision in found]
    return {
        "session": _texts(rows, lambda row: row.session),
        "event_ts": _whole(signals, lambda signal: signal.event_ts),
        "symbol": _texts(signals, lambda signal: signal.symbol),
        "action": _texts(signals, lambda signal: signal.action),
        "quantity": _real(signals, lambda signal: signal.quantity),
        "confidence": _real(signals, lambda signal: signal.confidence),
        "limit": _prices(signals, lambda signal: signal.limit),
        "stop": _prices(signals, lambda signal: signal.stop),
        "good_for": _texts(signals, lambda signal: signal.good_for),
        "reason": _texts(signals, lambda signal: signal.reason),
        "code": _texts(found, lambda decision: decision.code),
        "detail": _texts(found, lambda decision: decision.detail),
        "order": _whole(found, lambda decision: -1 if decision.order is None else decision.order),
    }


def order_columns(rows: Sequence[_Dated]) -> Columns:
    """Give every order as it ended."""
    found: list[Order] = [row.item for row in rows]
    return {
        "session": _texts(rows, lambda row: row.session),
        "order": _whole(found, lambda order: order.id),
        "placed_ts": _whole(found, lambda order: order.placed_ts),
        "ended_ts": _whole(found, lambda order: order.ended_ts),
        "symbol": _texts(found, lambda order: order.symbol),
        "quantity": _real(found, lambda order: order.quantity),
        "filled": _real(found, lambda order: order.quantity - order.remaining),
        "kind": _texts(found, lambda order: order.terms.kind),
        "limit": _prices(found, lambda order: order.terms.limit),
        "stop": _prices(found, lambda order: order.terms.stop),
        "good_for": _texts(found, lambda order: order.terms.good_for),
        "closes_only": np.array([order.closes_only for order in found], dtype=np.bool_),
        "status": _texts(found, lambda order: order.status),
        "reason": _texts(found, lambda order: order.reason),
    }


def fill_columns(rows: Sequence[_Dated]) -> Columns:
    """Give every fill."""
    found: list[Fill] = [row.item for row in rows]
    return {
        "session": _texts(rows, lambda row: row.session),
        "event_ts": _whole(found, lambda fill: fill.event_ts),
        "order": _whole(found, lambda fill: fill.order),
        "symbol": _texts(found, lambda fill: fill.symbol),
        **{
            name: _real(found, lambda fill, name=name: getattr(fill, name))
            for name in ("quantity", "price", "commission", "slippage")
        },
    }


def equity_columns(
    parts: Sequence[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.float64]]],
) -> Columns:
    """Give the books after every step."""
    books = np.concatenate([np.empty((0, len(Books._fields))), *(books for _, _, books in parts)])
    sessions = np.array([session for session, _, _ in parts], dtype=np.str_)
    return {
        "session": np.repeat(sessions, [len(steps) for _, steps, _ in parts]),
        "event_ts": np.concatenate([np.empty(0, np.int64), *(steps for _, steps, _ in parts)]),
        **{name: books[:, column].copy() for column, name in enumerate(Books._fields[:-1])},
        "positions": books[:, -1].astype(np.int64),
    }


def _prices(items: Sequence[Any], price_of: Callable[[Any], float | None]) -> Sparse:
    found = [price_of(item) for item in items]
    return Sparse(np.array([_NO_PRICE if price is None else price for price in found], dtype=np.float64))


def _texts(items: Sequence[Any], text_of: Callable[[Any], str]) -> npt.NDArray[Any]:
    texts = [text_of(item) for item in items]
    return np.array(texts, dtype=np.object_) if texts else np.array([], dtype=np.str_)


def _whole(items: Sequence[Any], number_of: Callable[[Any], int]) -> npt.NDArray[np.int64]:
    return np.array([number_of(item) for item in items], dtype=np.int64)


def _real(items: Sequence[Any], number_of: Callable[..., float]) -> npt.NDArray[np.float64]:
    return np.array([number_of(item) for item in items], dtype=np.float64)
