"""What stored open stamps amount to, counted against the expected grid of many sessions at once."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.regular_hours import in_regular_hours
from actors.domain.session_plan import Session

Instants = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class SessionGrid:
    """The expected bars of one interval over consecutive sessions, of which there is at least one."""

    sessions: tuple[Session, ...]
    interval: Interval
    opens: Instants
    """Where each bar opens, ascending, shape (bars,)."""
    expected: Instants
    """How many bars each session expects, shape (sessions,)."""
    _bins: dict[Interval, tuple[Instants, Instants]] = field(default_factory=dict)
    """Of longer intervals, where their bars open and close: every symbol asks for the same."""

    @classmethod
    def of(cls, sessions: tuple[Session, ...], interval: Interval) -> "SessionGrid":
        """Lay out the grid."""
        opens = [expected_opens(session, interval) for session in sessions]
        expected = np.array([len(of_session) for of_session in opens], dtype=np.int64)
        return cls(sessions, interval, np.concatenate(opens), expected)

    def presence(self, stamps: Instants) -> Mask:
        """Tell for each expected bar whether a row opens with it; `stamps` ascend."""
        if not len(stamps):
            return np.zeros(len(self.opens), dtype=np.bool_)
        places = np.searchsorted(stamps, self.opens)
        return np.equal(stamps.take(places, mode="clip"), self.opens)

    def present(self, presence: Mask) -> Instants:
        """Count the present bars of each session."""
        starts = np.cumsum(self.expected) - self.expected
        return np.add.reduceat(presence.astype(np.int64), starts)

    def regular(self, presence: Mask) -> tuple[Instants, Instants]:
        """Count the expected and the present bars of each session's regular hours."""
        regular = in_regular_hours(self.sessions, self.interval, self.opens)
        return self.present(regular), self.present(regular & presence)

    def rows(self, stamps: Instants) -> Instants:
        """Count the rows of each session, those between the close before it and its open included."""
        starts = np.array([session.previous_close_ns for session in self.sessions], dtype=np.int64)
        closes = np.array([session.close_ns for session in self.sessions], dtype=np.int64)
        return np.searchsorted(stamps, closes).astype(np.int64) - np.searchsorted(stamps, starts)

    def derived(self, presence: Mask, interval: Interval, min_coverage: float) -> int:
        """Count the bars of a longer interval that the present bars make."""
        bins, closes = self._bins_of(interval)
        place = np.searchsorted(closes, self.opens, "right")
        inside = np.flatnonzero(np.append(bins, _NEVER)[place] <= self.opens)
        n_expected = np.bincount(place[inside], minlength=len(bins))
        n_base = np.bincount(place[inside], weights=presence[inside], minlength=len(bins))
        return int(np.count_nonzero((n_base > 0) & (n_base / n_expected >= min_coverage)))

    def _bins_of(self, interval: Interval) -> tuple[Instants, Instants]:
        if interval not in self._bins:
            opens = np.concatenate([expected_opens(session, interval) for session in self.sessions])
            closes = np.concatenate([expected_closes(session, interval) for session in self.sessions])
            self._bins[interval] = opens, closes
        return self._bins[interval]
