"""The original's own design, minimal: one process, a deque of bars per symbol, one Python object per bar.

The next instant is the earliest bar at the head of any queue; all bars of that instant are taken, each is
folded into 5m and 15m bars, and the averages are kept over deques.
"""

import sys
from collections import deque
from pathlib import Path
from typing import NamedTuple

from crossing import CrossingCount
from inputs import FIELDS, minutes, report, symbols

NS = 1_000_000_000
FAST, SLOW = 20, 50


class Bar(NamedTuple):
    """One bar."""

    close_ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Fold:
    """Minutes of one symbol on their way to a longer bar."""

    def __init__(self, length_min: int) -> None:
        """Hold nothing."""
        self._length_ns = length_min * 60 * NS
        self._held: list[Bar] = []

    def add(self, bar: Bar) -> Bar | None:
        """Take a minute; give the longer bar where this one closes it."""
        self._held.append(bar)
        if bar.close_ts % self._length_ns:
            return None
        held, self._held = self._held, []
        return Bar(
            bar.close_ts,
            held[0].open,
            max(each.high for each in held),
            min(each.low for each in held),
            bar.close,
            sum(each.volume for each in held),
        )


class Average:
    """A simple moving average."""

    def __init__(self, period: int) -> None:
        """Expect the first value."""
        self._values: deque[float] = deque(maxlen=period)

    def add(self, value: float) -> float | None:
        """Take a value; None until there are enough."""
        self._values.append(value)
        if len(self._values) < (self._values.maxlen or 0):
            return None
        return sum(self._values) / len(self._values)


class Symbol:
    """All that is kept of one symbol."""

    def __init__(self, folder: Path, name: str) -> None:
        """Queue its bars."""
        columns = minutes(folder, name)
        rows = zip(columns["close_ts"].tolist(), *(columns[field].tolist() for field in FIELDS), strict=True)
        self.queue = deque(Bar(*row) for row in rows)
        self.crossings = CrossingCount()
        self._five, self._fifteen = Fold(5), Fold(15)
        self._fast, self._slow = Average(FAST), Average(SLOW)

    def take(self) -> None:
        """Handle the bar at the head of the queue."""
        bar = self.queue.popleft()
        self._fifteen.add(bar)
        five = self._five.add(bar)
        if five is None:
            return
        fast, slow = self._fast.add(five.close), self._slow.add(five.close)
        if fast is not None and slow is not None:
            self.crossings.add(fast, slow)


def replay(every: list[Symbol]) -> int:
    """Take all bars in the order of time, then of symbols; count them."""
    bars = 0
    waiting = [symbol for symbol in every if symbol.queue]
    while waiting:
        now = min(symbol.queue[0].close_ts for symbol in waiting)
        for symbol in waiting:
            if symbol.queue[0].close_ts == now:
                symbol.take()
                bars += 1
        waiting = [symbol for symbol in waiting if symbol.queue]
    return bars


def main() -> None:
    """Replay the folder that is named on the command line."""
    folder = Path(sys.argv[1])
    every = [Symbol(folder, name) for name in symbols(folder)]
    report(replay(every), sum(symbol.crossings.count for symbol in every))


if __name__ == "__main__":
    main()
