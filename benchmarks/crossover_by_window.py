"""The workload's strategy with a handler per stretch: all 5m closes of an hour at once, as one matrix."""

from typing import Final

import numpy as np
import numpy.typing as npt

from actors.domain.bar_windows import BarWindow
from actors.domain.strategy import Context, Needs, Strategy, StrategyParams

INTERVAL: Final = "5m"
FAST: Final = 20
SLOW: Final = 50
SAME: Final = 1e-9
"""Averages that are closer than this are equal: running sums leave noise."""

Floats = npt.NDArray[np.float64]
NOT_TRADED: Final = 0.0
"""A confidence below the least that the configuration trades: crossings are counted, as the others do."""


class CrossoverByWindow(Strategy[StrategyParams]):
    """Average over whole columns; every symbol must have all of its bars."""

    def needs(self) -> Needs:
        """Ask for all bars, an hour at a time."""
        return Needs(window="1h")

    def on_start(self, ctx: Context) -> None:
        """Begin with no close."""
        self._kept: Floats = np.empty((0, len(ctx.symbols)))
        self._side = np.zeros(len(ctx.symbols))

    def on_window(self, ctx: Context, window: BarWindow) -> None:
        """Signal every crossing of the hour; equal averages leave it as it was."""
        closes = np.concatenate((self._kept, window.matrix(INTERVAL, "close")[1]))
        self._kept = closes[-(SLOW - 1) :]
        if len(closes) < SLOW:
            return
        slow = _averages(closes, SLOW)
        apart = _averages(closes, FAST)[-len(slow) :] - slow
        sides = _without_zeros(np.vstack((self._side, np.where(np.abs(apart) > SAME, np.sign(apart), 0.0))))
        for row, column in np.argwhere(sides[1:] * sides[:-1] < 0).tolist():
            ctx.signal(ctx.symbols[column], "BUY" if sides[row + 1, column] > 0 else "SELL", 1.0, NOT_TRADED)
        self._side = sides[-1]


def _averages(closes: Floats, period: int) -> Floats:
    sums = np.vstack((np.zeros((1, closes.shape[1])), np.cumsum(closes, axis=0)))
    averages: Floats = (sums[period:] - sums[:-period]) / period
    return averages


def _without_zeros(sides: Floats) -> Floats:
    """Put in place of every 0 the last other value above it; those at the top stay."""
    rows = np.where(sides != 0, np.arange(len(sides))[:, None], 0)
    filled: Floats = np.take_along_axis(sides, np.maximum.accumulate(rows, axis=0), axis=0)
    return filled
