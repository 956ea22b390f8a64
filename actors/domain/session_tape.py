"""One session's bars in the order of delivery, and the cutting of windows from them.

The order is: event time, then stream id, which counts up by interval length and then by symbol. Steps are the
expected event times of all base streams and those at which a defect becomes known; a step may be empty.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from actors.domain.equal_runs import distinct
from actors.domain.grid import Instants, event_times
from actors.domain.intervals import Interval
from actors.domain.roles import RoleError
from actors.domain.session_plan import Session, Stream
from protocol.blocks import Bars, bar_block, join_bars, time_block
from protocol.messages import Defect, RawWindow

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tape:
    """A session ready to be cut: `bars[row_at[k]:row_at[k + 1]]` are the bars of step k."""

    session: int
    steps: Instants
    bars: Bars
    row_at: Rows
    defects: tuple[Defect, ...]
    """By `known_ts`."""

    def cut(self, seq: int, start: int, stop: int) -> RawWindow:
        """Make the window of the steps `start <= k < stop`."""
        steps = self.steps[start:stop]
        bars = self.bars[self.row_at[start] : self.row_at[stop]]
        return RawWindow(
            seq=seq,
            session=self.session,
            first=start == 0,
            last=stop == len(self.steps),
            steps=time_block(steps),
            block=bar_block(bars),
            defects=self._defects_between(int(steps[0]), int(steps[-1])),
        )

    def stop_by_rows(self, start: int, rows: int) -> int:
        """Find the end of the shortest window from `start` that has at least so many rows."""
        wanted = self.row_at[start] + rows
        stop = int(np.searchsorted(self.row_at, wanted, side="left"))
        return min(max(stop, start + 1), len(self.steps))

    def _defects_between(self, first_ts: int, last_ts: int) -> tuple[Defect, ...]:
        if not self.defects:
            return ()
        return tuple(defect for defect in self.defects if first_ts <= defect.known_ts <= last_ts)


def merge(blocks: Sequence[Bars], steps: Instants) -> tuple[Bars, Rows]:
    """Merge blocks, each sorted by (close_ts, stream), into one; give it and where each step's rows begin.

    Rows come back as (n,) and offsets as (len(steps) + 1,). Raises RoleError for a close_ts that is no step.
    """
    bars = join_bars(blocks)
    step_of = np.searchsorted(steps, bars["close_ts"])
    if not np.array_equal(steps.take(step_of, mode="clip"), bars["close_ts"]):
        raise RoleError("a bar closes where the session has no step")
    key = step_of * 65_536 + bars["stream"]
    order = np.argsort(key, kind="stable")
    counts = np.bincount(step_of, minlength=len(steps))
    return bars.take(order), np.concatenate(([0], np.cumsum(counts)))


def make_tape(
    session: Session, streams: Iterable[Stream], blocks: Sequence[Bars], defects: Iterable[Defect]
) -> Tape:
    """Put one session's loaded blocks in order."""
    known = tuple(sorted(defects, key=lambda defect: (defect.known_ts, defect.stream)))
    intervals = tuple({Interval.parse(stream.interval) for stream in streams})
    expected = event_times(session, intervals)
    off_grid = np.array([defect.known_ts for defect in known], dtype=np.int64)
    steps = distinct(np.concatenate((expected, off_grid)))
    bars, row_at = merge(blocks, steps)
    return Tape(session.index, steps, bars, row_at, known)
