"""The statistics of a strategy's result. Formulas, units and sources: docs/statistics.md.

Shares are plain numbers, 0.05 is 5%. What is not defined is None, never 0, infinity or NaN.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from actors.domain.trading.equity_curve import EquityCurve, daily_levels, session_ends, step_levels
from actors.domain.trading.orders import Fill
from actors.domain.trading.performance import Performance, Year, cagr_of, growth_of, performance_of
from actors.domain.trading.trade_figures import (
    HourFigures,
    SymbolFigures,
    TradeFigures,
    by_hour,
    by_symbol,
    trade_figures_of,
)
from actors.domain.trading.trades import Trade


class Result(NamedTuple):
    """What a strategy has left behind."""

    start: float
    """Equity before the first step, in money."""
    curve: EquityCurve
    trades: Sequence[Trade]
    """Those that are over: `round_trips(fills)`."""
    fills: Sequence[Fill]


class Market(NamedTuple):
    """What the figures are scaled and sorted by."""

    timezone: str
    """Of the exchange, as in `America/New_York`."""
    sessions_per_year: float = 252
    """365 for markets that never close."""
    risk_free: float = 0.0
    """Return of what bears no risk, a year, as a share; above -1."""


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a strategy's result."""

    sessions: int
    """Sessions in the equity curve."""
    steps: int
    """Steps in it."""
    start_equity: float
    """Before the first step, in money."""
    end_equity: float
    """After the last step, in money; the start's without a step."""
    total_return: float | None
    """As a share of the start equity."""
    cagr: float | None
    """Growth in a year, as a share."""
    daily: Performance
    """From session end to session end."""
    intraday: Performance
    """From step to step, nights included."""
    time_in_market: float | None
    """Steps with a position, as a share of all."""
    average_exposure: float | None
    """Mean of exposure / equity over all steps, as a share."""
    turnover: float | None
    """Traded value over mean equity, times a year."""
    trades: TradeFigures
    commissions: float
    """Of all fills, in money."""
    slippage: float
    """Of all fills, in money; it is in their prices."""
    by_symbol: tuple[SymbolFigures, ...]
    """In the symbols' order."""
    by_hour: tuple[HourFigures, ...]
    """Hours of the exchange's day with an entry, in their order."""


def statistics_of(result: Result, market: Market) -> Statistics:
    """Compute all figures of a result."""
    curve, start = result.curve, result.start
    sessions, steps = len(session_ends(curve)), len(curve.equity)
    years = sessions / market.sessions_per_year
    end = float(curve.equity[-1]) if steps else start
    cagr = cagr_of(start, end, years) if sessions > 1 else None
    daily = Year(market.sessions_per_year, cagr, market.risk_free)
    return Statistics(
        sessions=sessions,
        steps=steps,
        start_equity=start,
        end_equity=end,
        total_return=growth_of(start, end) if steps else None,
        cagr=cagr,
        daily=performance_of(daily_levels(curve, start), daily),
        intraday=performance_of(
            step_levels(curve, start), daily._replace(per_year=steps / years if years else 1.0)
        ),
        time_in_market=float((curve.exposure > 0).mean()) if steps else None,
        average_exposure=_average_exposure(curve),
        turnover=_turnover(result, years),
        trades=trade_figures_of(result.trades),
        commissions=math.fsum(fill.commission for fill in result.fills),
        slippage=math.fsum(fill.slippage for fill in result.fills),
        by_symbol=by_symbol(result.trades, result.fills),
        by_hour=by_hour(result.trades, market.timezone),
    )


def _average_exposure(curve: EquityCurve) -> float | None:
    """Give None where there is no step, or where equity is not above 0 throughout."""
    if len(curve.equity) == 0 or curve.equity.min() <= 0:
        return None
    return float(np.mean(curve.exposure / curve.equity))


def _turnover(result: Result, years: float) -> float | None:
    """Give None where there is no step, or where mean equity is not above 0."""
    equity = float(result.curve.equity.mean()) if years else 0.0
    traded = math.fsum(abs(fill.quantity) * fill.price for fill in result.fills)
    return traded / equity / years if equity > 0 else None
