"""Count what a run delivered, stream by stream, from the sealed windows themselves."""

import numpy as np
import numpy.typing as npt

from actors.domain.session_plan import SessionPlan
from protocol.blocks import as_bars, as_quality
from protocol.messages import SealedWindow, StreamTotal

Counts = npt.NDArray[np.int64]
REJECTED = ("off_grid", "outside_session", "bad_ohlc")
DUPLICATES = ("duplicate_same", "duplicate_conflict")


class Tally:
    """Totals per stream over the sessions of a run (history counted apart, for its quality only)."""

    def __init__(self, plan: SessionPlan) -> None:
        """Count nothing yet."""
        size = len(plan.served)
        self._streams = plan.served
        self._bars: Counts = np.zeros(size, dtype=np.int64)
        self._gaps: Counts = np.zeros(size, dtype=np.int64)
        self._quality = {name: np.zeros(size, dtype=np.int64) for name in _QUALITY_COLUMNS}
        self._history = {name: np.zeros(size, dtype=np.int64) for name in ("expected", "missing")}
        self.published_bars = 0
        """Rows of all sealed windows, history included."""

    def add(self, window: SealedWindow) -> None:
        """Count one sealed window."""
        self.published_bars += window.block.n
        if window.session >= 0:
            bars = as_bars(window.block)
            self._bars += np.bincount(bars["stream"], minlength=len(self._bars))
            for gap in window.gaps:
                self._gaps[gap.stream] += 1
        if window.last:
            self._add_session(window)

    def totals(self) -> tuple[StreamTotal, ...]:
        """Give the totals of every served stream, by id."""
        return tuple(self._total(stream.id) for stream in self._streams)

    def history_score(self) -> float:
        """Give the quality of all history together, in percent; 100 where there is none."""
        expected = int(self._history["expected"].sum())
        missing = int(self._history["missing"].sum())
        return 100.0 * (expected - missing) / expected if expected else 100.0

    def _add_session(self, window: SealedWindow) -> None:
        rows = as_quality(window.quality)
        closing = rows[rows["event_ts"] == np.frombuffer(window.steps.records, dtype="<i8")[-1]]
        target = self._quality if window.session >= 0 else self._history
        for name, counts in target.items():
            np.add.at(counts, closing["stream"], closing[name])

    def _total(self, stream: int) -> StreamTotal:
        quality = {name: int(counts[stream]) for name, counts in self._quality.items()}
        return StreamTotal(
            stream=stream,
            bars=int(self._bars[stream]),
            expected=quality["expected"],
            received=quality["received"],
            missing=quality["missing"],
            duplicates=sum(quality[name] for name in DUPLICATES),
            rejected=sum(quality[name] for name in REJECTED),
            gaps=int(self._gaps[stream]),
        )


_QUALITY_COLUMNS = ("expected", "received", "missing", *DUPLICATES, *REJECTED)
