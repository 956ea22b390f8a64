"""Return, risk and drawdown of an equity curve, on session ends or on steps. Formulas: docs/statistics.md.

What is not defined is None, never 0, infinity or NaN.
"""

import math
from typing import Final, NamedTuple

import msgspec
import numpy as np

from actors.domain.trading.equity_curve import Floats, Levels

ROUNDING: Final = 1e-12
"""A deviation of returns, or a drawdown, this small is rounding and counts as 0."""


class Year(NamedTuple):
    """What figures are scaled to."""

    per_year: float
    """Returns in a year."""
    cagr: float | None
    """Growth in a year, as a share."""
    risk_free: float = 0.0
    """Return of what bears no risk, a year, as a share; above -1."""


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of returns at one spacing: from session end to session end, or from step to step."""

    returns: int
    """How many there are; the first is that from the start equity to the first level."""
    volatility: float | None
    """Deviation of the returns, a year, as a share."""
    sharpe: float | None
    """Mean excess return over its deviation, a year."""
    sortino: float | None
    """Mean excess return over its downside deviation, a year."""
    calmar: float | None
    """CAGR over the deepest drawdown."""
    max_drawdown: float | None
    """The deepest fall from a high, as a share of that high: 0.25 is 25%; above 1 in debt."""
    max_drawdown_sessions: int | None
    """The longest time below a high, in sessions."""
    max_drawdown_ns: int | None
    """The longest time below a high, in ns, nights and weekends counted."""


class Drawdown(NamedTuple):
    """The deepest and the longest fall from a high; they need not be the same one."""

    depth: float
    sessions: int
    ns: int


def growth_of(start: float, end: float) -> float | None:
    """Give the total return as a share."""
    return end / start - 1 if start > 0 else None


def cagr_of(start: float, end: float, years: float) -> float | None:
    """Give the growth in a year at which start has become end, as a share."""
    if start <= 0 or end <= 0:
        return None
    try:
        return math.expm1(math.log(end / start) / years)
    except OverflowError:
        return None


def performance_of(levels: Levels, year: Year) -> Performance:
    """Compute all figures of some levels."""
    returns = _returns(levels.equity)
    fall = drawdown_of(levels)
    return Performance(
        returns=len(levels.equity) - 1,
        volatility=None if returns is None else _deviation(returns) * math.sqrt(year.per_year),
        sharpe=None if returns is None else _sharpe(returns, year),
        sortino=None if returns is None else _sortino(returns, year),
        calmar=year.cagr / fall.depth if fall and fall.depth and year.cagr is not None else None,
        max_drawdown=fall.depth if fall else None,
        max_drawdown_sessions=fall.sessions if fall else None,
        max_drawdown_ns=fall.ns if fall else None,
    )


def drawdown_of(levels: Levels) -> Drawdown | None:
    """Find the deepest and the longest fall; None without a step, or where the start is not above 0.

    A fall lasts from the last level at the high to the first that reaches it again, or to the last level.
    """
    equity = levels.equity
    if len(equity) == 1 or equity[0] <= 0:
        return None
    depth = 1.0 - equity / np.maximum.accumulate(equity)
    below = depth > ROUNDING
    if not below.any():
        return Drawdown(0.0, 0, 0)
    turns = np.diff(below, append=False)
    begins = np.flatnonzero(turns & ~below)
    ends = np.minimum(np.flatnonzero(turns & below) + 1, len(equity) - 1)
    sessions, ns = (int((of[ends] - of[begins]).max()) for of in (levels.ordinal, levels.event_ts))
    return Drawdown(float(depth.max()), sessions, ns)


def _returns(equity: Floats) -> Floats | None:
    """Give the simple returns; None where there are less than two, or a level is not above 0."""
    if len(equity) <= 2 or equity.min() <= 0:  # noqa: PLR2004  two returns are of three levels
        return None
    returns: Floats = equity[1:] / equity[:-1] - 1
    return returns


def _deviation(returns: Floats) -> float:
    """Give the sample's standard deviation."""
    deviation = float(returns.std(ddof=1))
    return deviation if deviation > ROUNDING else 0.0


def _excess(returns: Floats, year: Year) -> Floats:
    return returns - math.expm1(math.log1p(year.risk_free) / year.per_year)


def _sharpe(returns: Floats, year: Year) -> float | None:
    deviation = _deviation(returns)
    mean = float(_excess(returns, year).mean())
    return mean / deviation * math.sqrt(year.per_year) if deviation else None


def _sortino(returns: Floats, year: Year) -> float | None:
    excess = _excess(returns, year)
    downside = math.sqrt(float(np.square(np.minimum(excess, 0.0)).mean()))
    return float(excess.mean()) / downside * math.sqrt(year.per_year) if downside > ROUNDING else None
