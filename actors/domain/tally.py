"""Count what a run delivered, stream by stream, from the sealed windows themselves."""

from typing import Final

import numpy as np
import numpy.typing as npt

from actors.domain.quality_ledger import QualityView, StreamQuality, score
from actors.domain.session_plan import Session, SessionPlan
from actors.domain.session_stretches import stretches
from protocol.blocks import BarFlag, Bars, as_bars, as_quality, as_times, join_bars
from protocol.messages import SealedWindow, StreamTotal

COUNTED_AT_ONCE: Final = 4_096
"""Bars that wait to be counted; counting those of one step costs as much as counting these."""
Counts = npt.NDArray[np.int64]
REJECTED = ("off_grid", "outside_session", "bad_ohlc")
DUPLICATES = ("duplicate_same", "duplicate_conflict")


class Tally:
    """Totals per stream over the sessions of a run (history counts for its quality only)."""

    def __init__(self, plan: SessionPlan) -> None:
        """Count nothing yet."""
        size = len(plan.served)
        self._streams = plan.served
        self._bars: Counts = np.zeros(size, dtype=np.int64)
        self._uncounted: list[Bars] = []
        self._rows_uncounted = 0
        self._filled: Counts = np.zeros(size, dtype=np.int64)
        self._gaps: Counts = np.zeros(size, dtype=np.int64)
        self._quality = {name: np.zeros(size, dtype=np.int64) for name in _QUALITY_COLUMNS}
        self._view = QualityView(plan)
        self._plan = plan
        self._base = [stream.id for stream in plan.base_streams]
        self._open_until: int | None = None
        """The last step of the stretch of a session that has not ended yet."""
        self._ends: list[int] = []
        """Where the stretches of the session end."""
        self._sessions: dict[int, dict[int, tuple[int, int]]] = {}
        """Expected and missing bars per base stream, of the sessions that a trailing window reaches."""
        self._kept = max((stream.sessions_read for stream in plan.served), default=0)
        self.published_bars = 0
        """Rows of all sealed windows, history included."""

    def add(self, window: SealedWindow) -> None:
        """Count one sealed window."""
        self.published_bars += window.block.n
        if window.first:
            self._start_session(self._plan.session(window.session))
        if window.session >= 0:
            self._uncounted.append(as_bars(window.block))
            self._rows_uncounted += window.block.n
            if self._rows_uncounted >= COUNTED_AT_ONCE:
                self._count_bars()
            for gap in window.gaps:
                self._gaps[gap.stream] += 1
        self._count_quality(window)

    def _count_bars(self) -> None:
        bars = join_bars(self._uncounted)
        self._uncounted, self._rows_uncounted = [], 0
        streams = bars["stream"]
        filled = streams[bars["flags"] & BarFlag.FILLED.value != 0]
        self._bars += np.bincount(streams, minlength=len(self._bars))
        self._filled += np.bincount(filled, minlength=len(self._filled))

    def totals(self) -> tuple[StreamTotal, ...]:
        """Give the totals of every served stream, by id; an unfinished session counts up to its last step."""
        self._count_bars()
        counts = self._quality
        if self._open_until is not None:
            counts = self._with_quality(self._found(self._open_until))
        return tuple(self._total(stream.id, counts) for stream in self._streams)

    def history_score(self, session: int) -> float:
        """Give the quality of the sessions that trail `session`, all streams together, in percent."""
        found = [
            self._sessions[index][stream.id if stream.base is None else stream.base]
            for stream in self._streams
            for index in stream.trailing(session)
            if index in self._sessions
        ]
        return score(sum(expected for expected, _ in found), sum(missing for _, missing in found))

    def _start_session(self, session: Session) -> None:
        self._view.start_session(session)
        self._ends = [stretch.close_ns for stretch in stretches(session)]
        self._sessions[session.index] = dict.fromkeys(self._base, (0, 0))

    def _count_quality(self, window: SealedWindow) -> None:
        """Take a window's records, and add up the counters where a stretch of the session ends."""
        steps = as_times(window.steps)
        first, last = int(steps[0]), int(steps[-1])
        ends = [end for end in self._ends if first <= end <= last]
        if window.last and last not in ends:
            ends.append(last)
        if ends or window.quality.n:
            self._take_records(window, ends)
        self._open_until = None if last in ends or window.session < 0 else last
        if window.last:
            self._sessions.pop(window.session - self._kept, None)

    def _take_records(self, window: SealedWindow, ends: list[int]) -> None:
        records = as_quality(window.quality)
        taken = 0
        for end in ends:
            stop = int(np.searchsorted(records["event_ts"], end, side="right"))
            self._view.apply(records[taken:stop])
            self._close_stretch(window.session, end)
            taken = stop
        self._view.apply(records[taken:])

    def _close_stretch(self, session: int, end: int) -> None:
        sums, found = self._sessions[session], self._found(end)
        for quality in found:
            expected, missing = sums[quality.stream]
            sums[quality.stream] = expected + quality.expected, missing + quality.missing
        if session >= 0:
            self._quality = self._with_quality(found)

    def _found(self, step: int) -> list[StreamQuality]:
        return [self._view.at(stream, step) for stream in self._base]

    def _with_quality(self, found: list[StreamQuality]) -> dict[str, Counts]:
        """Add the counters of the current stretch to those of all before."""
        sums = {name: counts.copy() for name, counts in self._quality.items()}
        for name, counts in sums.items():
            counts[self._base] += [getattr(quality, name) for quality in found]
        return sums

    def _total(self, stream: int, counts: dict[str, Counts]) -> StreamTotal:
        quality = {name: int(column[stream]) for name, column in counts.items()}
        return StreamTotal(
            stream=stream,
            bars=int(self._bars[stream]),
            expected=quality["expected"],
            received=quality["received"],
            missing=quality["missing"],
            duplicates=sum(quality[name] for name in DUPLICATES),
            rejected=sum(quality[name] for name in REJECTED),
            gaps=int(self._gaps[stream]),
            filled=int(self._filled[stream]) if stream in self._base else 0,
        )


_QUALITY_COLUMNS = ("expected", "received", "missing", *DUPLICATES, *REJECTED)
