"""Decide how many steps of a session travel together. Nothing that is decided here may change a result."""

from typing import Final

import numpy as np

from actors.domain.grid import Instants
from actors.domain.pacing import Pace
from actors.domain.session_plan import Flow
from actors.domain.session_tape import Tape
from protocol.blocks import BAR_DTYPE
from protocol.messages import RawWindow

MAX_CELLS: Final = 500_000
"""Steps times streams in a window, at most: a missing bar costs a quality record of 50 bytes."""
_NO_STEPS: Final = np.empty(0, dtype=np.int64)
NO_TAPE: Final = Tape(0, _NO_STEPS, np.empty(0, dtype=BAR_DTYPE), np.zeros(1, dtype=np.int64), ())


class WindowCutter:
    """The session that is being cut, and how far."""

    def __init__(self, flow: Flow, streams: int) -> None:
        """Take the settings and the number of base streams; there is nothing to cut yet."""
        self._flow = flow
        self._max_steps = max(1, MAX_CELLS // max(1, streams))
        self._pace = Pace(flow.speed)
        self._paced = False
        self._tape = NO_TAPE
        self._next = 0
        self.lag_ns = 0
        """How far the current session fell behind its deadlines, at worst."""
        self.worst_lag_ns = 0
        """The same over all sessions so far."""

    @property
    def is_empty(self) -> bool:
        """Whether everything is cut."""
        return self._next == len(self._tape.steps)

    @property
    def may_go_ahead(self) -> bool:
        """Whether the next session may be loaded before it begins: lateness is counted session by session."""
        return self.is_empty and not self._pace.is_paced and not self.lag_ns

    def load(self, tape: Tape, now_ns: int, start: int = 0) -> None:
        """Take the next session from step `start` on, which is due now. History is never paced."""
        self._tape, self._next, self.lag_ns = tape, start, 0
        self._paced = self._pace.is_paced and tape.session >= 0
        self._pace.start(now_ns, int(tape.steps[min(start, len(tape.steps) - 1)]))

    @property
    def is_history(self) -> bool:
        """Whether the session lies before the run's first one."""
        return self._tape.session < 0

    @property
    def speed(self) -> float:
        """How fast the sessions of the run are played; 0 is as fast as can be."""
        return self._pace.speed

    @property
    def upcoming(self) -> Instants:
        """The steps that are not cut yet, ascending."""
        return self._tape.steps[self._next :]

    @property
    def last_ts(self) -> int:
        """The last step that was cut of the session; there is one."""
        return int(self._tape.steps[self._next - 1])

    def change_speed(self, speed: float, now_ns: int) -> None:
        """Play at another speed from now on."""
        self._pace.speed = speed
        self._paced = self._pace.is_paced and not self.is_history
        self.restart_pace(now_ns)

    def restart_pace(self, now_ns: int) -> None:
        """Count deadlines anew, as if the last step had been due now; a session's first one is."""
        if not self.is_empty:
            self._pace.start(now_ns, int(self._tape.steps[max(self._next - 1, 0)]))

    def cut(self, seq: int, now_ns: int, limit: int | None = None) -> RawWindow | None:
        """Cut the next window, of at most `limit` steps; None where no step is due yet."""
        stop = self._stop(now_ns)
        if limit is not None:
            stop = min(stop, self._next + limit)
        if stop == self._next:
            return None
        if self._paced:
            self.lag_ns = max(self.lag_ns, now_ns - self.due_at())
            self.worst_lag_ns = max(self.worst_lag_ns, self.lag_ns)
        return self._take(seq, stop)

    def cut_step(self, seq: int) -> RawWindow:
        """Cut a window of the next step alone, whenever it is due."""
        return self._take(seq, self._next + 1)

    def due_at(self) -> int:
        """Give the monotonic instant at which the next step is due."""
        return self._pace.due_at(int(self._tape.steps[self._next]))

    def _take(self, seq: int, stop: int) -> RawWindow:
        window = self._tape.cut(seq, self._next, stop)
        self._next = stop
        return window

    def _stop(self, now_ns: int) -> int:
        stop = self._stop_by_size()
        if not self._paced:
            return stop
        return self._next + self._pace.count_due(self._tape.steps[self._next : stop], now_ns)

    def _stop_by_size(self) -> int:
        limit = min(self._next + self._max_steps, len(self._tape.steps))
        if self._flow.window_steps is None:
            return min(limit, self._tape.stop_by_rows(self._next, self._flow.window_rows))
        return min(limit, self._next + self._flow.window_steps)
