"""The workload's strategy with a handler per step: all symbols of an instant at once, as arrays."""

from typing import Final

import numpy as np
import numpy.typing as npt

from actors.domain.bar_views import Step
from actors.domain.strategy import Context, Strategy, StrategyParams

INTERVAL: Final = "5m"
FAST: Final = 20
SLOW: Final = 50
SAME: Final = 1e-9
"""Averages that are closer than this are equal: sums of prices leave noise."""

Floats = npt.NDArray[np.float64]
NOT_TRADED: Final = 0.0
"""A confidence below the least that the configuration trades: crossings are counted, as the others do."""


class CrossoverByStep(Strategy[StrategyParams]):
    """Keep the newest closes of all symbols in one array, and average over it."""

    def on_start(self, ctx: Context) -> None:
        """Make room, a column per symbol."""
        count = len(ctx.symbols)
        self._closes: Floats = np.full((SLOW, count), np.nan)
        self._taken = np.zeros(count, dtype=np.int64)
        self._side = np.zeros(count)

    def on_step(self, ctx: Context, step: Step) -> None:
        """Signal where the averages have crossed; equal ones leave it as it was."""
        bars = step.of(INTERVAL)
        if not len(bars):
            return
        which = bars.symbol_index
        apart = self._averages_apart(which, bars.close)
        side = np.where(np.abs(apart) > SAME, np.sign(apart), 0.0)
        before = self._side[which]
        for place in np.flatnonzero(side * before < 0).tolist():
            ctx.signal(ctx.symbols[which[place]], "BUY" if side[place] > 0 else "SELL", 1.0, NOT_TRADED)
        self._side[which] = np.where(side != 0, side, before)

    def _averages_apart(self, which: npt.NDArray[np.int64], closes: Floats) -> Floats:
        """Take the closes in; give fast minus slow, 0 where there are not enough closes yet."""
        places = self._taken[which]
        self._closes[places % SLOW, which] = closes
        self._taken[which] += 1
        newest = (places - np.arange(FAST)[:, None]) % SLOW
        fast = self._closes[newest, which].mean(axis=0)
        apart: Floats = np.nan_to_num(fast - self._closes[:, which].mean(axis=0))
        return apart
