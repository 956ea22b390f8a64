"""The minutes of regular hours, named by what the exchange's clock shows as they open."""

import numpy as np

from actors.domain.equal_runs import distinct
from actors.domain.grid import Instants
from actors.domain.intervals import UNIT_NS
from actors.domain.local_time import clock_minutes
from actors.domain.session_plan import Session, SessionPlan


def regular_minutes(session: Session) -> Instants:
    """Give the open stamps of the minutes of a session's regular hours, int64 ns of shape (n,), ascending."""
    parts = [np.arange(part.open_ns, part.close_ns, UNIT_NS["m"], dtype=np.int64) for part in session.regular]
    return np.concatenate(parts)


class ClockGrid:
    """All minutes of the day at which a plan's sessions are open; each has a slot, from midnight on."""

    def __init__(self, plan: SessionPlan) -> None:
        """Gather them, history included."""
        self._timezone = plan.timezone
        shown = [
            clock_minutes(regular_minutes(session), plan.timezone)
            for session in (*plan.history, *plan.sessions)
        ]
        self._minutes = distinct(np.concatenate(shown))

    def __len__(self) -> int:
        return len(self._minutes)

    def slots(self, session: Session) -> Instants:
        """Give the slot of each of a session's minutes."""
        shown = clock_minutes(regular_minutes(session), self._timezone)
        return np.searchsorted(self._minutes, shown).astype(np.int64)
