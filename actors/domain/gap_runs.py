"""Find the runs of missing bars, many streams at once, however the session is cut into windows."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
"""Streams by slots."""


class Runs(NamedTuple):
    """Runs of missing slots, columns of shape (n,): whose, the first slot, the one behind the last."""

    row: Rows
    first: Rows
    end: Rows


_NONE: Final = np.empty(0, dtype=np.int64)
_NO_RUNS: Final = Runs(_NONE, _NONE, _NONE)


class GapRuns:
    """Follow the runs of missing slots of all streams of one grid."""

    def __init__(self, n_streams: int) -> None:
        """Begin a session with no run open."""
        self._open = np.zeros(n_streams, dtype=np.bool_)
        self._first = np.zeros(n_streams, dtype=np.int64)
        self.is_any_open = False
        """Whether a run goes on in the slots that follow."""

    def follow(self, missing: Mask, slot: int, *, last: bool) -> Runs:
        """Give the runs that end within the next slots, or are open at the session's last step.

        Args:
            missing: Streams by slots.
            slot: The number of the first of these slots within the session.
            last: Whether the session ends with these slots.
        """
        if not (self.is_any_open or missing.any()):
            return _NO_RUNS
        runs = self._runs(np.column_stack((self._open, missing)), slot)
        over = runs.end < slot + missing.shape[1] + last
        self._open[:] = False
        self._open[runs.row[~over]] = True
        self._first[runs.row[~over]] = runs.first[~over]
        self.is_any_open = not over.all()
        return Runs(*(column[over] for column in runs))

    def _runs(self, state: Mask, slot: int) -> Runs:
        """Pair the beginnings of runs with their ends; column 0 of `state` is what was open before."""
        begins, ends = state.copy(), state.copy()
        begins[:, 1:] &= ~state[:, :-1]
        ends[:, :-1] &= ~state[:, 1:]
        row, begin = np.nonzero(begins)
        first = np.where(begin == 0, self._first[row], slot + begin - 1)
        return Runs(row, first, slot + np.nonzero(ends)[1])
