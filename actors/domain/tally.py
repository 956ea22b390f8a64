"""Count what a run delivered, stream by stream, from the sealed windows themselves."""

import numpy as np
import numpy.typing as npt

from actors.domain.quality_ledger import QualityView, score
from actors.domain.session_plan import SessionPlan
from protocol.blocks import BarFlag, Bars, as_bars, as_quality, as_times
from protocol.messages import SealedWindow, StreamTotal

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
        self._filled: Counts = np.zeros(size, dtype=np.int64)
        self._gaps: Counts = np.zeros(size, dtype=np.int64)
        self._quality = {name: np.zeros(size, dtype=np.int64) for name in _QUALITY_COLUMNS}
        self._view = QualityView(plan)
        self._plan = plan
        self._base = [stream.id for stream in plan.base_streams]
        self._open_until: int | None = None
        """The last step of the session that has not ended yet."""
        self._sessions: dict[int, dict[int, tuple[int, int]]] = {}
        """Expected and missing bars per base stream, of the sessions that a trailing window reaches."""
        self._kept = max((stream.sessions_read for stream in plan.served), default=0)
        self.published_bars = 0
        """Rows of all sealed windows, history included."""

    def add(self, window: SealedWindow) -> None:
        """Count one sealed window."""
        self.published_bars += window.block.n
        if window.first:
            self._view.start_session(self._plan.session(window.session))
        self._view.apply(as_quality(window.quality))
        last_step = int(as_times(window.steps)[-1])
        if window.session >= 0:
            self._count_bars(as_bars(window.block))
            for gap in window.gaps:
                self._gaps[gap.stream] += 1
        if window.last:
            self._close_session(window.session, last_step)
        self._open_until = None if window.last or window.session < 0 else last_step

    def _count_bars(self, bars: Bars) -> None:
        filled = bars["flags"] & BarFlag.FILLED.value != 0
        self._bars += np.bincount(bars["stream"], minlength=len(self._bars))
        self._filled += np.bincount(bars["stream"][filled], minlength=len(self._filled))

    def totals(self) -> tuple[StreamTotal, ...]:
        """Give the totals of every served stream, by id; an unfinished session counts up to its last step."""
        counts = self._quality
        if self._open_until is not None:
            counts = self._with_quality(self._open_until)
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

    def _close_session(self, session: int, last_step: int) -> None:
        found = {stream: self._view.at(stream, last_step) for stream in self._base}
        self._sessions[session] = {stream: (at.expected, at.missing) for stream, at in found.items()}
        self._sessions.pop(session - self._kept, None)
        if session >= 0:
            self._quality = self._with_quality(last_step)

    def _with_quality(self, last_step: int) -> dict[str, Counts]:
        """Add the current session's counters, as of a step, to those of the sessions before."""
        sums = {name: counts.copy() for name, counts in self._quality.items()}
        for stream in self._base:
            quality = self._view.at(stream, last_step)
            for name, counts in sums.items():
                counts[stream] += getattr(quality, name)
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
