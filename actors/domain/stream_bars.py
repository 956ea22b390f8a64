"""The bars of one stream, copied in as the clock reaches them.

A window carries steps that the clock has not reached. Its bars wait outside of what a strategy can reach,
and are copied into the stream's own arrays when they are asked for, and then only up to the clock. So no
view, nor the array beneath a view, holds a later bar. The arrays grow and are never rewritten: a view that
was handed out stays what it was. What the window has left over is kept aside when the window is over, and
copied in bulk before anything is asked for next: a stream that nobody looks at costs next to nothing.
"""

from bisect import bisect_right
from collections import deque
from functools import reduce
from operator import add
from typing import Final, Protocol

import numpy as np

from actors.domain.bar_views import BarColumns, BarSeries, Floats, Ints
from actors.domain.session_plan import Stream
from actors.domain.trading.matching import TradeBar

_FIRST_CAPACITY: Final = 64
"""Bars that a stream's arrays have room for at first; they double."""
_NONE: Final = BarColumns.empty()


class BarListener(Protocol):
    """Part of the engine that computes from every bar of a stream, once and in order, a window at a time.

    It is given bars that the clock has not reached, and must show nothing of those that are still `ahead`.
    """

    def start_session(self) -> None:
        """Begin a session, before its first window."""
        ...

    def update(self, bars: BarColumns) -> None:
        """Take the stream's bars of the next window."""
        ...


class StreamBars:
    """The bars of one stream: those of the session so far, and those of the sessions before it."""

    def __init__(self, stream: Stream) -> None:
        """Know no bar."""
        self._stream = stream
        self._hold(_NONE)
        self._waiting = _NONE
        self.closes: list[int] = []
        """The close stamps of the window at hand, those that the clock has not reached too."""
        self._taken = 0
        """How many of `_waiting` are known."""
        self._passed: list[BarColumns] = []
        """Bars that the clock has passed and nobody has asked for yet."""
        self._past: deque[BarColumns] = deque(maxlen=stream.history_sessions)
        self._history: BarSeries | None = None
        self.listeners: list[BarListener] = []
        self.count = 0
        self._last_of_before: TradeBar | None = None
        """The newest bar of the sessions before this one."""

    def offer(self, window: BarColumns) -> None:
        """Lay the stream's bars of a window ready."""
        self._waiting, self.closes, self._taken = window, window.close_ts.tolist(), 0
        for listener in self.listeners:
            listener.update(window)

    def advance(self, now: int) -> None:
        """Learn what waits and has closed by `now`."""
        self._settle()
        end = bisect_right(self.closes, now, self._taken)
        if end > self._taken:
            self._take(self._waiting.between(self._taken, end))
            self._taken = end

    def flush(self) -> None:
        """Keep what still waits for whoever asks; the clock has passed it."""
        if not self._taken and self.closes:
            self._passed.append(self._waiting)
        elif len(self.closes) > self._taken:
            self._passed.append(self._waiting.between(self._taken, len(self.closes)))
        self._waiting, self.closes, self._taken = _NONE, [], 0

    @property
    def last_close_ts(self) -> int | None:
        """The close stamp of the newest bar that is known; None before the session's first."""
        return int(self._known.close_ts[self.count - 1]) if self.count else None

    def newest(self, now: int) -> TradeBar | None:
        """Give the newest bar by `now`, be it of a session before; None before the stream's first.

        Nothing is copied for it: what trades asks at every step.
        """
        bars = self._waiting.between(0, bisect_right(self.closes, now))
        if not len(bars):
            bars = self._passed[-1] if self._passed else self._known.between(0, self.count)
        if not len(bars):
            return self._last_of_before
        return TradeBar(int(bars.close_ts[-1]), *bars.floats[:, -1].tolist())

    def start_session(self) -> None:
        """Let the session's bars join the history; its oldest session drops out. Tell the listeners."""
        self._last_of_before = self.newest(now=0)  # nothing waits
        if self._stream.history_sessions:
            self._settle()
            self._past.append(self._known.copied(0, self.count))
            self._history = None
        self._hold(_NONE)
        self._passed = []
        self.count = 0
        for listener in self.listeners:
            listener.start_session()

    def series(self, start: int = 0) -> BarSeries:
        """View the session's bars so far, from the one at `start`."""
        shown, stop = self._shown, self.count
        return self._view(shown.ints[:, start:stop], shown.floats[:, start:stop])

    def history(self) -> BarSeries:
        """View the bars of the trailing sessions."""
        if self._history is None:
            past = self._past or (_NONE,)
            ints = np.concatenate([session.ints for session in past], axis=1)
            floats = np.concatenate([session.floats for session in past], axis=1)
            shown = BarColumns(ints, floats).read_only()
            self._history = self._view(shown.ints, shown.floats)
        return self._history

    def _view(self, ints: Ints, floats: Floats) -> BarSeries:
        return BarSeries(self._stream.symbol, self._stream.interval, ints, floats)

    def _settle(self) -> None:
        for bars in self._passed:
            self._take(bars)
        self._passed.clear()

    def _take(self, bars: BarColumns) -> None:
        start, stop = self.count, self.count + len(bars)
        self._make_room(stop)
        self._known.ints[:, start:stop] = bars.ints
        self._known.floats[:, start:stop] = bars.floats
        self.count = stop

    def _make_room(self, size: int) -> None:
        known = self._known
        if size > len(known):
            self._hold(BarColumns.empty(max(size, 2 * len(known), _FIRST_CAPACITY)))
            self._known.ints[:, : self.count] = known.ints[:, : self.count]
            self._known.floats[:, : self.count] = known.floats[:, : self.count]

    def _hold(self, bars: BarColumns) -> None:
        self._known = bars
        self._shown = bars.read_only()


class SessionTotals:
    """Volume, high and low of one base stream's session, added up in order as they are asked for."""

    def __init__(self, bars: StreamBars) -> None:
        """Begin with no bar."""
        self._bars = bars
        self.start_session()

    def start_session(self) -> None:
        """Begin anew."""
        self._counted = 0
        self.volume: float | None = None
        self.high: float | None = None
        self.low: float | None = None

    def advance(self, now: int) -> "SessionTotals":
        """Count the bars known by `now`.

        Volumes are added one after the other, so that the sum does not depend on how often it was asked for.
        """
        self._bars.advance(now)
        if self._bars.count > self._counted:
            _, highs, lows, _, volumes = self._bars.series(self._counted).floats.tolist()
            self.volume = reduce(add, volumes, self.volume or 0.0)
            self.high = max(highs) if self.high is None else max(self.high, *highs)
            self.low = min(lows) if self.low is None else min(self.low, *lows)
            self._counted = self._bars.count
        return self
