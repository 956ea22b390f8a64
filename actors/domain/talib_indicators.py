"""Indicators by TA-Lib's streaming handles: O(1) a bar, equal to its batch function bit by bit.

Imported by the registry when the first of them is built, because TA-Lib is slow to import.
"""

from collections.abc import Callable

import numpy as np

from actors.domain.bar_views import BarColumns
from actors.domain.talib_import import stream


class Sma:
    """Simple moving average of the close."""

    def __init__(self, period: int) -> None:
        """Wait for `period` bars."""
        self._period = period
        self._seed = np.empty(0, dtype=np.float64)
        self._update: Callable[[float], float] | None = None

    def update(self, bars: BarColumns) -> list[float | None]:
        """Take the stream's next bars; give the average after each, None before there are `period`."""
        if self._update is None:
            return self._warm_up(bars)
        return list(map(self._update, bars.close.tolist()))

    def _warm_up(self, bars: BarColumns) -> list[float | None]:
        missing = self._period - len(self._seed)
        self._seed = np.concatenate((self._seed, bars.close[:missing]))
        if len(self._seed) < self._period:
            return [None] * len(bars)
        handle = stream.SMA(self._seed, timeperiod=self._period)
        self._seed = self._seed[:0]
        self._update = handle.update
        return [None] * (missing - 1) + [handle.value, *map(handle.update, bars.close[missing:].tolist())]
