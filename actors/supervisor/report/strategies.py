"""What a strategy has come to: figures, trades, and what is marked in the charts."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from actors.domain.trading.desk import APPROVED
from actors.domain.trading.statistics import statistics_of
from actors.domain.trading.trades import open_trades, round_trips
from actors.results import Run
from actors.results.columns import Column, columns_of
from actors.results.traded import Traded, market_of
from actors.supervisor.report.local_axis import LocalAxis

Json = dict[str, Any]
TRADES_SHOWN: Final = 500
"""Of all strategies together."""
MARKS_SHOWN: Final = 4000
"""Signals, and as many fills, of all strategies together."""


def strategy_document(traded: Traded, run: Run, trades_shown: int) -> Json:
    """Put the figures and the trades of a strategy together; statistics are None without tables."""
    fills, curve = traded.fill_list(), traded.curve()
    trades, summed = round_trips(fills), (run.summary.get("results") or {}).get(traded.name)
    found = None if curve is None else statistics_of(traded.result(curve), market_of(run.plan))
    return {
        "name": traded.name,
        "target": _target(run, traded.name),
        "result": summed,
        "statistics": msgspec.to_builtins(found),
        "trades": [trade._asdict() for trade in trades[:trades_shown]],
        "trades_total": len(trades),
        "open": [trade._asdict() for trade in open_trades(fills)],
        "unfilled": _unfilled(traded),
    }


def marks_document(traded: Traded, signals: Mapping[str, Column] | None, axis: LocalAxis, most: int) -> Json:
    """Give the signals and fills to be marked, the first `most` of each."""
    found = traded.decisions if traded.decisions is not None else _signals_of(signals, traded.name)
    return {
        "strategy": traded.name,
        "signals": _rows(found, ("symbol", "action", "quantity", "code", "detail", "reason"), axis, most),
        "fills": _rows(traded.fills, ("symbol", "quantity", "price"), axis, most),
        "left_out": sum(max(_length(table) - most, 0) for table in (found, traded.fills)),
    }


def _table(run: Run, name: str) -> dict[str, Column] | None:
    return columns_of(run.table(name)) if name in run.tables else None


def signals_table(run: Run) -> dict[str, Column] | None:
    """Read all signals; None without a table."""
    return _table(run, "signals")


def _signals_of(signals: Mapping[str, Column] | None, strategy: str) -> dict[str, Column] | None:
    """Take one strategy's, as decisions of which nothing more is known."""
    if signals is None:
        return None
    rows = np.flatnonzero(signals["strategy"] == strategy)
    unknown = np.full(len(rows), "", dtype=object)
    return {**{name: column[rows] for name, column in signals.items()}, "code": unknown, "detail": unknown}


def _rows(
    columns: Mapping[str, Column] | None, names: Sequence[str], axis: LocalAxis, most: int
) -> list[list[Any]]:
    """Give rows of an instant on the page's axis and the columns named."""
    if columns is None:
        return []
    seconds = axis.seconds(columns["session"][:most], columns["event_ts"][:most])
    return [
        list(row) for row in zip(seconds.tolist(), *(columns[n][:most].tolist() for n in names), strict=True)
    ]


def _length(columns: Mapping[str, Column] | None) -> int:
    return 0 if columns is None else len(columns["event_ts"])


def _target(run: Run, strategy: str) -> str:
    return next((str(spec["target"]) for spec in run.plan["strategies"] if spec["name"] == strategy), "")


def _unfilled(traded: Traded) -> dict[str, int]:
    """Count the orders that ended without a fill, by how they ended and why."""
    if traded.orders is None:
        return {}
    empty = np.flatnonzero(traded.orders["filled"] == 0)
    ended = [
        f"{status}: {reason}" if reason else status
        for status, reason in zip(
            *(traded.orders[name][empty].tolist() for name in ("status", "reason")), strict=True
        )
    ]
    return {words: ended.count(words) for words in dict.fromkeys(ended)}


def refusals(traded: Traded) -> dict[str, Json]:
    """Give by reason how many signals were refused, and what was said of the first."""
    if traded.decisions is None:
        return {}
    found: dict[str, Json] = {}
    for code, detail in zip(*(traded.decisions[name].tolist() for name in ("code", "detail")), strict=True):
        if code != APPROVED:
            found.setdefault(code, {"count": 0, "first": detail})["count"] += 1
    return found
