"""Indicators that TA-Lib has not: averages that begin with the session, and volatility by the year."""

from math import isfinite, sqrt
from typing import Final

import numpy as np

from actors.domain.bar_views import BarColumns, Floats
from actors.domain.indicator_values import Factories, Recipe, Value, Values
from actors.domain.intervals import UNIT_NS, Interval

SESSIONS_PER_YEAR: Final = 252
WEEKS_PER_YEAR: Final = 52
SESSION_NS: Final = 390 * UNIT_NS["m"]
"""A full session in New York."""
_BLOCK: Final = 65_536
"""Numbers that windows are laid out in at once: half a megabyte."""


class SessionAverage:
    """The typical price (high + low + close) / 3 of the session's bars so far, weighted."""

    def __init__(self, *, by_volume: bool) -> None:
        """Weigh bars by their volume, or each alike."""
        self._by_volume = by_volume
        self._worth = self._weight = 0.0

    def start_session(self, _value: Value | None) -> Value | None:
        """Begin anew."""
        self._worth = self._weight = 0.0
        return None

    def update(self, bars: BarColumns) -> Values:
        """Take the session's next bars; give the average after each, None while there is no weight."""
        _, highs, lows, closes, volumes = bars.floats.tolist()
        weights = volumes if self._by_volume else [1.0] * len(volumes)
        return list(map(self._add, highs, lows, closes, weights))

    def _add(self, high: float, low: float, close: float, weight: float) -> float | None:
        self._worth += (high + low + close) / 3 * weight
        self._weight += weight
        return self._worth / self._weight if self._weight else None


class HistoricalVolatility:
    """Sample deviation of the last log returns, times the root of the bars in a year."""

    def __init__(self, recipe: Recipe) -> None:
        """Wait for `period` returns, which takes one bar more."""
        self._period = recipe.params.period
        self._scale = sqrt(recipe.params.periods_per_year or bars_per_year(recipe.interval))
        self._close = np.empty(0, dtype=np.float64)
        self._returns = np.empty(0, dtype=np.float64)

    def start_session(self, value: Value | None) -> Value | None:
        """Go on through the night."""
        return value

    def update(self, bars: BarColumns) -> Values:
        """Take the stream's next bars; give the volatility after each, None where a price in it is 0."""
        returns = np.concatenate((self._returns, self._follow(bars.close)))
        found = (self._scale * _deviations(returns, self._period)).tolist()
        self._returns = returns[max(0, len(returns) - self._period + 1) :]
        return [*[None] * (len(bars) - len(found)), *(one if isfinite(one) else None for one in found)]

    def _follow(self, closes: Floats) -> Floats:
        """Give the returns up to these closes; not finite where a price is 0."""
        prices = np.concatenate((self._close, closes))
        self._close = prices[-1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.diff(np.log(prices))


def bars_per_year(interval: Interval) -> float:
    """Count the bars of New York's regular hours: 252 sessions of 390 minutes, 52 weeks."""
    if interval.is_intraday:
        return SESSIONS_PER_YEAR * SESSION_NS / interval.length_ns
    return (SESSIONS_PER_YEAR if interval.unit == "d" else WEEKS_PER_YEAR) / interval.count


def _deviations(numbers: Floats, period: int) -> Floats:
    """Give the sample deviation of every `period` consecutive numbers.

    Each window is laid out on its own, so that its sum does not depend on the windows beside it.
    """
    if len(numbers) < period:
        return np.empty(0, dtype=np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, period)
    rows = max(1, _BLOCK // period)
    blocks = (np.ascontiguousarray(windows[row : row + rows]) for row in range(0, len(windows), rows))
    with np.errstate(invalid="ignore"):
        return np.concatenate([block.std(axis=1, ddof=1) for block in blocks])


FACTORIES: Final[Factories] = {
    "vwap": lambda _: SessionAverage(by_volume=True),
    "twap": lambda _: SessionAverage(by_volume=False),
    "histvol": HistoricalVolatility,
}
