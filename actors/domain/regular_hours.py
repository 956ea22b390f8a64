"""Which bars of a session belong to its regular hours."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from actors.domain.grid import Instants
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session

Mask = npt.NDArray[np.bool_]


def in_regular_hours(sessions: Sequence[Session], interval: Interval, opens: Instants) -> Mask:
    """Mark the bars of an interval that open in the regular hours of consecutive sessions, one at least.

    A bar of a whole session always does.
    """
    if not interval.is_intraday or all(session.parts == session.regular for session in sessions):
        return np.ones(len(opens), dtype=np.bool_)
    hours = [(part.open_ns, part.close_ns) for session in sessions for part in session.regular]
    starts, ends = np.array(hours, dtype=np.int64).T
    place = np.searchsorted(starts, opens, side="right") - 1
    inside: Mask = (place >= 0) & (opens < ends[place])
    return inside
