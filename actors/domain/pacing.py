"""When a step is due by the wall clock.

Step k is due at `t0 + (event time k - event time 0) / speed`, an absolute deadline, so that lateness does not
add up; t0 is set anew for every session, which skips the nights.
"""

import math
from dataclasses import dataclass

import numpy as np

from actors.domain.grid import Instants


@dataclass
class Pace:
    """Deadlines of one session at a time. A speed of 0 makes everything due at once."""

    speed: float
    _start_ns: int = 0
    _first_event_ts: int = 0

    @property
    def is_paced(self) -> bool:
        """Whether deadlines exist at all."""
        return self.speed > 0

    def start(self, now_ns: int, first_event_ts: int) -> None:
        """Make the session's first event due now."""
        self._start_ns = now_ns
        self._first_event_ts = first_event_ts

    def due_at(self, event_ts: int) -> int:
        """Give the monotonic instant at which a step is due."""
        return self._start_ns + math.ceil((event_ts - self._first_event_ts) / self.speed)

    def count_due(self, event_times: Instants, now_ns: int) -> int:
        """Count those of ascending event times, shape (n,), whose `due_at` has come."""
        deadlines = np.ceil((event_times - self._first_event_ts) / self.speed).astype(np.int64)
        return int(np.searchsorted(deadlines, now_ns - self._start_ns, side="right"))
