"""Figures of trades: of all, by symbol, by hour. Formulas: docs/statistics.md.

What is not defined is None, never 0, infinity or NaN.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from actors.domain.local_time import clock_text
from actors.domain.trading.equity_curve import Floats
from actors.domain.trading.orders import Fill
from actors.domain.trading.portfolio import ROUNDING
from actors.domain.trading.trades import Trade


class TradeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of all trades that are over; profits are net of commissions."""

    count: int
    """How many there are."""
    pnl: float
    """Sum of the profits, in money."""
    win_rate: float | None
    """Trades with a profit above 0, as a share of all."""
    profit_factor: float | None
    """Sum of profits over sum of losses."""
    expectancy: float | None
    """Mean profit of a trade, in money."""
    average_win: float | None
    """Mean of the profits above 0, in money."""
    average_loss: float | None
    """Mean of the profits below 0, in money; below 0."""
    sqn: float | None
    """Mean profit over its deviation, times the root of the number of trades."""
    kelly: float | None
    """The part of the account to risk, as a share; below 0 for none."""


class SymbolFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one symbol."""

    symbol: str
    trades: int
    """Trades that are over."""
    pnl: float
    """Sum of their profits, net of commissions, in money."""
    win_rate: float | None
    """Those with a profit above 0, as a share."""
    commissions: float
    """Of all fills of the symbol, those of open positions included, in money."""


class HourFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the trades that were entered in one hour of the day."""

    hour: int
    """0 to 23, in the exchange's time zone."""
    trades: int
    """Trades that are over."""
    pnl: float
    """Sum of their profits, net of commissions, in money."""


def trade_figures_of(trades: Sequence[Trade]) -> TradeFigures:
    """Compute the figures of all trades."""
    pnl = _profits(trades)
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    both = len(wins) > 0 and len(losses) > 0
    return TradeFigures(
        count=len(pnl),
        pnl=float(pnl.sum()),
        win_rate=_win_rate(pnl),
        profit_factor=float(wins.sum() / -losses.sum()) if len(losses) else None,
        expectancy=_mean(pnl),
        average_win=_mean(wins),
        average_loss=_mean(losses),
        sqn=_sqn(pnl),
        kelly=_kelly(wins, losses) if both else None,
    )


def by_symbol(trades: Iterable[Trade], fills: Iterable[Fill]) -> tuple[SymbolFigures, ...]:
    """Compute the figures of each symbol that was filled, in the symbols' order."""
    commissions: dict[str, list[float]] = defaultdict(list)
    ended: dict[str, list[Trade]] = defaultdict(list)
    for fill in fills:
        commissions[fill.symbol].append(fill.commission)
    for trade in trades:
        ended[trade.symbol].append(trade)
    return tuple(_of_symbol(symbol, ended[symbol], commissions[symbol]) for symbol in sorted(commissions))


def by_hour(trades: Iterable[Trade], timezone: str) -> tuple[HourFigures, ...]:
    """Compute the figures of each hour of the day in which a trade was entered, in their order."""
    entered: dict[int, list[Trade]] = defaultdict(list)
    for trade in trades:
        entered[_hour(trade.entry_ts, timezone)].append(trade)
    return tuple(
        HourFigures(hour=hour, trades=len(entered[hour]), pnl=float(_profits(entered[hour]).sum()))
        for hour in sorted(entered)
    )


def _hour(close_ts: int, timezone: str) -> int:
    """Tell the hour in which a bar ended; a bar that closes on the hour was traded in the one before."""
    return int(clock_text(close_ts - 1, timezone)[:2])


def _of_symbol(symbol: str, trades: Sequence[Trade], commissions: Iterable[float]) -> SymbolFigures:
    pnl = _profits(trades)
    return SymbolFigures(
        symbol=symbol,
        trades=len(pnl),
        pnl=float(pnl.sum()),
        win_rate=_win_rate(pnl),
        commissions=math.fsum(commissions),
    )


def _profits(trades: Sequence[Trade]) -> Floats:
    return np.array([trade.pnl for trade in trades], dtype=np.float64)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _win_rate(pnl: Floats) -> float | None:
    return float((pnl > 0).mean()) if len(pnl) else None


def _sqn(pnl: Floats) -> float | None:
    """Give None for less than two trades, and for trades that are alike but for rounding."""
    deviation = float(pnl.std(ddof=1)) if len(pnl) > 1 else 0.0
    if deviation <= ROUNDING * float(np.abs(pnl).max(initial=0.0)):
        return None
    return math.sqrt(len(pnl)) * float(pnl.mean()) / deviation


def _kelly(wins: Floats, losses: Floats) -> float:
    won = len(wins) / (len(wins) + len(losses))
    return won - (1.0 - won) / float(wins.mean() / -losses.mean())
