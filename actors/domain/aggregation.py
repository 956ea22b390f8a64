"""Fold base bars into derived bars: MARKET_RULES §5, one piece of code for history and stream alike.

1. All symbols share the calendar, so the bins of an interval are common to all its streams: bounds, expected
   count and flags are arrays over bins (`bins_of`), and rows of all symbols are folded at once.
2. What is pending can be merged early, and in any cut, without a trace in the result (`row_merging`).
3. Bars across sessions, `Nd` and `Nw`, have a fold of their own (`block_fold`), fed from the same rows.
4. A bin is folded in the step at which its close is reached, complete or not. Because rows come in order of
   `close_ts`, the rows of closed bins are always a prefix of what is pending.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.block_fold import BlockFold
from actors.domain.grid import Instants, expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.regular_hours import in_regular_hours
from actors.domain.row_merging import MAX_STREAMS, NO_ROWS, PendingRows, merge_rows
from actors.domain.session_plan import Session, SessionPlan
from protocol.blocks import BarFlag, Bars, join_bars

PENDING_ROWS: Final = 8_192
"""Rows of an open bin, above one per stream, that are merged early: about 1 ms of work at once."""


class Bins(NamedTuple):
    """The bins of one derived interval in one session; the first four columns have one entry per bin."""

    opens: Instants
    closes: Instants
    n_expected: npt.NDArray[np.int64]
    flags: npt.NDArray[np.int64]
    base_opens: Instants
    base_closes: Instants


class Folded(NamedTuple):
    """Derived bars by (close_ts, stream), and how many were held back for want of coverage."""

    bars: Bars
    suppressed: int


NOTHING_FOLDED: Final = Folded(NO_ROWS, 0)


@lru_cache(maxsize=32)
def bins_of(session: Session, interval: Interval, base: Interval) -> Bins:
    """Lay out the bins of `interval` over the grid of `base`."""
    opens, closes = expected_opens(session, interval), expected_closes(session, interval)
    base_opens = expected_opens(session, base)
    n_expected = np.searchsorted(base_opens, closes) - np.searchsorted(base_opens, opens)
    clipped = (closes - opens < interval.length_ns) & interval.is_intraday
    flags = np.where(clipped, BarFlag.CLIPPED.value, 0)
    return Bins(opens, closes, n_expected, flags, base_opens, expected_closes(session, base))


class IntervalFold:
    """Fold the base bars of one interval into the bars of another, session by session."""

    def __init__(
        self, interval: Interval, base: Interval, targets: Mapping[int, int], *, takes_all: bool = False
    ) -> None:
        """Compute the streams that are the values of `targets`, each from the base stream that is its key.

        `takes_all` says that there are no other base streams.
        """
        self._takes_all = takes_all and interval.is_intraday
        self._interval, self._base = interval, base
        self._n_streams = len(targets)
        self._target = np.full(MAX_STREAMS, -1, dtype=np.int64)
        self._target[list(targets.keys())] = list(targets.values())

    def start_session(self, session: Session, pending_rows: int) -> None:
        """Begin a session with nothing pending; see `PENDING_ROWS`."""
        self._session = session
        self._bins = bins_of(session, self._interval, self._base)
        self._closed = 0
        self._pending = PendingRows(pending_rows + self._n_streams)

    def fold(self, bars: Bars, now_ns: int) -> Bars:
        """Take the base bars up to `now_ns`; give those of the bins that have closed, by (bin, stream)."""
        self._pending.add(self._own(bars))
        closed = int(self._bins.closes.searchsorted(now_ns, side="right"))
        derived = self._close(closed) if closed > self._closed else NO_ROWS
        self._pending.bound()
        return derived

    def _own(self, bars: Bars) -> Bars:
        """Keep the rows that are in a bin: those outside regular hours are in none of `1d`."""
        if self._takes_all:
            return bars
        own = self._target[bars["stream"]] >= 0
        if not self._interval.is_intraday:
            own &= in_regular_hours((self._session,), self._base, bars["open_ts"])
        return bars if own.all() else bars.compress(own)

    def _close(self, closed: int) -> Bars:
        rows = self._pending.take()
        edges = np.searchsorted(rows["open_ts"], self._bins.opens[self._closed : closed])
        end = int(np.searchsorted(rows["close_ts"], self._bins.closes[closed - 1], side="right"))
        bin_of = np.repeat(np.arange(self._closed, closed), np.diff(edges, append=end))
        self._closed = closed
        self._pending.add(rows[end:])
        return self._finish(merge_rows(rows[:end], bin_of)) if end else NO_ROWS

    def _finish(self, merged: Bars) -> Bars:
        """Turn merged rows into derived bars: ids, bounds, counts and flags of their bins."""
        bins = self._bins
        bin_of = np.searchsorted(bins.opens, merged["open_ts"], side="right") - 1
        n_base, n_expected = merged["n_base"], bins.n_expected[bin_of]
        first = np.searchsorted(bins.base_opens, merged["open_ts"])
        last = np.searchsorted(bins.base_closes, merged["close_ts"])
        flags = bins.flags[bin_of] | (merged["flags"] & BarFlag.FILLED.value)
        flags |= np.where(n_base < n_expected, BarFlag.PARTIAL.value, 0)
        flags |= np.where(n_base < last - first + 1, BarFlag.GAP.value, 0)
        merged["stream"] = self._target[merged["stream"]]
        merged["flags"], merged["n_expected"] = flags, n_expected
        merged["open_ts"], merged["close_ts"] = bins.opens[bin_of], bins.closes[bin_of]
        return merged


class Aggregation:
    """Fold the base bars of a plan into all its GENERATED streams."""

    def __init__(self, plan: SessionPlan, pending_rows: int = PENDING_ROWS) -> None:
        """Group the streams by what they are computed from."""
        self._folds = tuple(_folds(plan))
        self._min_coverage = plan.rules.min_coverage
        self._pending_rows = pending_rows

    def start_session(self, session: Session) -> None:
        """Begin a session with nothing pending."""
        for fold in self._folds:
            fold.start_session(session, self._pending_rows)

    def fold(self, bars: Bars, now_ns: int) -> Folded:
        """Take the base bars up to the step `now_ns`, by (close_ts, stream); close the bins that are due."""
        derived = [rows for fold in self._folds if len(rows := fold.fold(bars, now_ns))]
        if not derived:
            return NOTHING_FOLDED
        rows = join_bars(derived)
        kept = rows.compress(rows["n_base"] / rows["n_expected"] >= self._min_coverage)
        ordered = kept.take(np.lexsort((kept["stream"], kept["close_ts"])))
        return Folded(ordered, len(rows) - len(kept))


def _folds(plan: SessionPlan) -> Iterator[IntervalFold | BlockFold]:
    targets: defaultdict[tuple[Interval, Interval], dict[int, int]] = defaultdict(dict)
    for stream in plan.served:
        if stream.base is not None:
            base = plan.served[stream.base]
            intervals = Interval.parse(stream.interval), Interval.parse(base.interval)
            targets[intervals][base.id] = stream.id
    for (interval, base_interval), ids in targets.items():
        if interval.spans_sessions:
            kept = {base: plan.served[base].history_sessions for base in ids}
            yield BlockFold(interval, base_interval, ids, kept)
        else:
            takes_all = len(ids) == len(plan.base_streams)
            yield IntervalFold(interval, base_interval, ids, takes_all=takes_all)
