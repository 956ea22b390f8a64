"""Stretches of bars for vectorised strategies: all that was delivered since the stretch before.

A stretch ends where a bar of the interval that the strategy names would close, and at the end of each part of
a session; so it is the same however windows travel. It is handed over at its end, when all of it is known.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from actors.domain.bar_views import BarColumns, BarSeries, Floats, Ints, StreamLayout
from actors.domain.grid import expected_closes
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session

Field = Literal["open", "high", "low", "close", "volume"]


class BarWindow:
    """The bars of one stretch; every array is read-only."""

    def __init__(self, now: int, layout: StreamLayout, bars: BarColumns) -> None:
        """Take the bars by (stream, close)."""
        self.now = now
        """The end of the stretch, ns UTC."""
        self._layout = layout
        self._bars = bars.read_only()

    def __len__(self) -> int:
        return len(self._bars)

    def bars(self, symbol: str, interval: str) -> BarSeries:
        """Give the bars of one stream, oldest first; none where it is not delivered."""
        own = (self._layout.symbols == symbol) & (self._layout.intervals == interval)
        start, end = self._span(int(np.argmax(own))) if own.any() else (0, 0)
        return BarSeries(symbol, interval, self._bars.ints[:, start:end], self._bars.floats[:, start:end])

    def matrix(self, interval: str, field: Field = "close") -> tuple[Ints, Floats]:
        """Lay one field of an interval out over time and symbols.

        Returns:
            The closes at which a symbol has a bar, int64 ns of shape (n,), and the values, of shape
            (n, symbols) in the order of `ctx.symbols`, NaN where a symbol has no bar.
        """
        chosen = (self._layout.intervals == interval)[self._bars.stream]
        times, places = np.unique(self._bars.close_ts[chosen], return_inverse=True)
        values = np.full((len(times), self._layout.symbol_count), np.nan)
        columns = self._layout.symbol_index[self._bars.stream[chosen]]
        values[places, columns] = getattr(self._bars, field)[chosen]
        for array in (times, values):
            array.setflags(write=False)
        return times, values

    def _span(self, stream: int) -> tuple[int, int]:
        start, end = np.searchsorted(self._bars.stream, (stream, stream + 1)).tolist()
        return start, end


class WindowGatherer:
    """Gather bars over transport windows until a stretch is over."""

    def __init__(self, interval: str, layout: StreamLayout) -> None:
        """Gather for stretches of an interval within sessions."""
        self._interval = Interval.parse(interval)
        self._layout = layout
        self._held: list[BarColumns] = []

    def start_session(self, session: Session) -> None:
        """Begin with nothing."""
        self._closes = expected_closes(session, self._interval)
        self._held = []

    def gather(self, times: Ints, bars: BarColumns, bounds: list[int]) -> Iterator[tuple[BarWindow, ...]]:
        """Give for each of these steps the stretch that ends with it, if one does.

        Args:
            times: The steps of a transport window, ascending.
            bars: Its bars, by time.
            bounds: Where each step's bars begin, and where the last one's end.
        """
        ends = np.flatnonzero(np.isin(times, self._closes, assume_unique=True)).tolist()
        held, self._held = self._held, []
        last = bounds[ends[-1] + 1] if ends else 0
        rest = bars.copied(last, bounds[-1])
        self._held = [rest] if ends else [*held, rest]
        return self._stretches(times, bars, bounds, set(ends), held)

    def _stretches(
        self, times: Ints, bars: BarColumns, bounds: list[int], ends: set[int], held: list[BarColumns]
    ) -> Iterator[tuple[BarWindow, ...]]:
        start = 0
        for step, now in enumerate(times.tolist()):
            if step not in ends:
                yield ()
                continue
            stop = bounds[step + 1]
            yield (BarWindow(now, self._layout, _by_stream([*held, bars.copied(start, stop)])),)
            held, start = [], stop


def _by_stream(parts: list[BarColumns]) -> BarColumns:
    ints: npt.NDArray[np.int64] = np.concatenate([part.ints for part in parts], axis=1)
    floats: npt.NDArray[np.float64] = np.concatenate([part.floats for part in parts], axis=1)
    return BarColumns(ints, floats).take(np.argsort(ints[0], kind="stable"))
