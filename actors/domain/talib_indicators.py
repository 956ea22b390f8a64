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
        self.value: float | None = None

    def update(self, bars: BarColumns) -> None:
        """Take the stream's next bars."""
        if self._update is None:
            self._warm_up(bars)
            return
        for close in bars.close.tolist():
            self.value = self._update(close)

    def _warm_up(self, bars: BarColumns) -> None:
        self._seed = np.concatenate((self._seed, bars.close))
        if len(self._seed) < self._period:
            return
        handle = stream.SMA(self._seed, timeperiod=self._period)
        self.value = handle.value
        self._update = handle.update
        self._seed = self._seed[:0]
