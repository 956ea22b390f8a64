"""Count what was expected, received, missing and wrong: MARKET_RULES §6.

1. The expected grid comes from the calendar. A slot is due at the close of its bar; at that step the bar is
   there, or the slot is missing for good. A bar that was filled in counts as missing.
2. Counters run from the session's start, and anew where extended hours begin or end (`stretches`). A record
   is written for (step, stream) where one of them besides `expected` and `received` has changed, and for
   every stream at the last step of each stretch.
3. A gap is a maximal run of missing slots of one stream within a stretch (`gap_runs`). It is known with the
   next received bar of the stream, or at the stretch's last step.
4. Streams of one base interval share a grid and are counted at once, as a matrix of streams by slots.
5. With `enable_quality: false` a history session's bars are what was expected: no gaps, a score of 100.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.gap_runs import GapRuns, Mask, Runs
from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session, SessionPlan, Stream
from actors.domain.session_stretches import stretches
from protocol.blocks import DEFECT_KINDS, QUALITY_DTYPE, BarFlag, Bars
from protocol.messages import Defect, Gap

Records = npt.NDArray[np.void]
"""A structured array of `QUALITY_DTYPE`."""
Counts = npt.NDArray[np.int64]
COUNTED: Final = ("missing", *DEFECT_KINDS)
"""The counters whose change makes a record."""
ALL_THERE: Final = 100.0
NEARLY_ALL: Final = 99.99
_STREAMS: Final = 65_536
_GAP_ORDER: Final = attrgetter("known_ts", "stream")
_NO_RECORDS: Final = np.empty(0, QUALITY_DTYPE)
_NO_TIMES: Final = np.empty(0, dtype=np.int64)


class Appraisal(NamedTuple):
    """Quality records by (event_ts, stream), and the gaps that became known, by (known_ts, stream)."""

    records: Records
    gaps: tuple[Gap, ...]


NOTHING_FOUND: Final = Appraisal(_NO_RECORDS, ())


class Steps(NamedTuple):
    """The part of a raw window that counts."""

    times: Counts
    """Its event times, shape (n,), ascending, at least one."""
    last: bool
    """Whether the session, or a stretch of it, ends with them."""
    bars: Bars
    defects: tuple[Defect, ...]

    @property
    def now_ns(self) -> int:
        """The last event time."""
        return int(self.times[-1])


def by_stretch(steps: Steps, session: Session) -> Iterator[tuple[Session, Steps]]:
    """Divide steps among the stretches of a session; each that has some comes with its own."""
    parts = stretches(session)
    if len(parts) == 1:
        yield session, steps
        return
    ends = [part.close_ns for part in parts[:-1]]
    stops = [*np.searchsorted(steps.times, ends, side="right").tolist(), len(steps.times)]
    rows = [*np.searchsorted(steps.bars["close_ts"], ends, side="right").tolist(), len(steps.bars)]
    defects: list[list[Defect]] = [[] for _ in parts]
    for defect in steps.defects:
        defects[bisect_left(ends, defect.known_ts)].append(defect)
    spans = zip(parts, pairwise([0, *stops]), pairwise([0, *rows]), defects, strict=True)
    for part, (first, stop), (first_row, stop_row), own in spans:
        if first < stop:
            times, bars = steps.times[first:stop], steps.bars[first_row:stop_row]
            is_end = int(times[-1]) == part.close_ns or (steps.last and stop == len(steps.times))
            yield part, Steps(times, is_end, bars, tuple(own))


class Changes(NamedTuple):
    """Counters that go up, all columns of shape (n,): whose, when, which of `COUNTED`, and by how much."""

    row: Counts
    event_ts: Counts
    column: Counts
    by: Counts


def score(expected: int, missing: int) -> float:
    """Give the share of expected bars that are there, in percent; 100 while nothing is expected."""
    return 100.0 * (expected - missing) / expected if expected else 100.0


def rounded_score(expected: int, missing: int) -> float:
    """Give the score in two decimals; it is 100 only where nothing is missing."""
    return min(round(score(expected, missing), 2), NEARLY_ALL) if missing else ALL_THERE


class GridLedger:
    """Keep the counters of all streams of one base interval."""

    def __init__(self, interval: Interval, ids: Sequence[int]) -> None:
        """Take the streams by id; a stream's row is its place in `ids`."""
        self._interval = interval
        self._ids = np.array(ids, dtype=np.int64)
        self._stream_bytes = self._ids.astype("<u2").tobytes()
        self._row = np.full(_STREAMS, -1, dtype=np.int64)
        self._row[self._ids] = np.arange(len(ids))

    def start_session(self, session: Session) -> None:
        """Forget the session before."""
        self._opens = expected_opens(session, self._interval)
        self._closes = expected_closes(session, self._interval)
        self._due = 0
        self._counts = np.zeros((len(self._ids), len(COUNTED)), dtype=np.int64)
        self._runs = GapRuns(len(self._ids))

    def appraise(self, steps: Steps) -> Appraisal:
        """Count what these steps brought; records by (stream, event_ts), gaps by (stream, known_ts)."""
        due = int(self._closes.searchsorted(steps.now_ns, side="right"))
        if self._has_all(steps, due - self._due):
            self._due = due
            return NOTHING_FOUND
        missing = self._missing(steps, due)
        changes = self._changes(missing, steps.defects)
        runs = self._runs.follow(missing, self._due, last=steps.last)
        self._due += missing.shape[1]
        records = self._records(steps, changes) if len(changes.row) or steps.last else _NO_RECORDS
        return Appraisal(records, self._gaps(runs, steps.now_ns) if len(runs.row) else ())

    def _has_all(self, steps: Steps, slots: int) -> bool:
        """Whether these steps change nothing but how many bars were due: each is there, and no other."""
        if steps.last or steps.defects or self._runs.is_any_open or len(steps.bars) != slots * len(self._ids):
            return False
        streams = steps.bars["stream"].tobytes()
        return streams == self._stream_bytes * slots and not steps.bars["flags"].any()

    def _missing(self, steps: Steps, due: int) -> Mask:
        """Mark the slots that fell due and have no bar: streams by slots."""
        missing = np.ones((len(self._ids), due - self._due), dtype=np.bool_)
        rows = self._row[steps.bars["stream"]]
        counts = (rows >= 0) & (steps.bars["flags"] & BarFlag.FILLED.value == 0)
        slots = np.searchsorted(self._closes, steps.bars["close_ts"][counts])
        missing[rows[counts], slots - self._due] = False
        return missing

    def _changes(self, missing: Mask, defects: tuple[Defect, ...]) -> Changes:
        row, slot = np.nonzero(missing)
        event_ts = self._closes[self._due + slot]
        missed = Changes(row, event_ts, np.zeros_like(row), np.ones_like(row))
        if not defects:
            return missed
        wrong = np.array(list(self._wrong(defects)), dtype=np.int64).reshape(-1, 4).T
        return Changes(*map(np.append, missed, wrong))

    def _wrong(self, defects: Iterable[Defect]) -> Iterator[tuple[int, int, int, int]]:
        for defect in defects:
            row = int(self._row[defect.stream])
            if row >= 0:
                yield row, defect.known_ts, COUNTED.index(defect.kind), defect.rows

    def _records(self, steps: Steps, changes: Changes) -> Records:
        n_steps, n_changes = len(steps.times), len(changes.row)
        keys = changes.row * n_steps + np.searchsorted(steps.times, changes.event_ts)
        if steps.last:
            keys = np.append(keys, np.arange(1, len(self._ids) + 1) * n_steps - 1)
        marks, place = np.unique(keys, return_inverse=True)
        row, step = np.divmod(marks, n_steps)
        cells = place[:n_changes] * len(COUNTED) + changes.column
        summed = np.bincount(cells, weights=changes.by, minlength=len(marks) * len(COUNTED))
        steps_up = summed.astype(np.int64).reshape(-1, len(COUNTED))
        return self._recorded(row, steps.times[step], self._running(row, steps_up))

    def _running(self, row: Counts, steps_up: Counts) -> Counts:
        """Sum up each stream's counters from the session's start, and keep the last ones."""
        total = np.cumsum(steps_up, axis=0)
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        sizes = np.diff(starts, append=len(row))
        streams = row[starts]
        offset = self._counts[streams] + steps_up[starts] - total[starts]
        total += np.repeat(offset, sizes, axis=0)
        self._counts[streams] = total[starts + sizes - 1]
        return total

    def _recorded(self, row: Counts, event_ts: Counts, counts: Counts) -> Records:
        records = np.empty(len(row), QUALITY_DTYPE)
        records["stream"], records["event_ts"] = self._ids[row], event_ts
        expected = np.searchsorted(self._closes, event_ts, side="right")
        records["expected"], records["received"] = expected, expected - counts[:, 0]
        for column, name in enumerate(COUNTED):
            records[name] = counts[:, column]
        return records

    def _gaps(self, runs: Runs, now_ns: int) -> tuple[Gap, ...]:
        columns = (
            self._ids[runs.row],
            self._opens[runs.first],
            self._closes[runs.end - 1],
            runs.end - runs.first,
            np.append(self._closes, now_ns)[runs.end],
        )
        return tuple(map(Gap, *(column.tolist() for column in columns)))


class AssumedLedger:
    """Keep a ledger without work: what is received is what was expected."""

    def __init__(self, ids: Sequence[int]) -> None:
        """Take the streams by id."""
        self._ids = np.array(ids, dtype=np.int64)
        self._received = np.zeros(self._ids.max(initial=-1) + 1, dtype=np.int64)

    def start_session(self, _session: Session) -> None:
        """Forget the session before."""
        self._received[:] = 0

    def appraise(self, steps: Steps) -> Appraisal:
        """Count stored bars, and report them at the session's last step."""
        stored = steps.bars["flags"] & BarFlag.FILLED.value == 0
        self._received += np.bincount(steps.bars["stream"][stored], minlength=len(self._received))
        if not steps.last:
            return Appraisal(_NO_RECORDS, ())
        records = np.zeros(len(self._ids), QUALITY_DTYPE)
        records["stream"], records["event_ts"] = self._ids, steps.now_ns
        records["expected"] = records["received"] = self._received[self._ids]
        return Appraisal(records, ())


class QualityLedger:
    """Keep the counters of every STREAMED stream of a plan."""

    def __init__(self, plan: SessionPlan) -> None:
        """Have no session yet."""
        self._plan = plan
        self._ledgers: tuple[GridLedger | AssumedLedger, ...] = ()

    def start_session(self, session: Session) -> None:
        """Set every counter to 0, for the streams that are read in this session, grouped by their grid."""
        read = [stream for stream in self._plan.base_streams if stream.is_read_in(session.index)]
        self._ledgers = tuple(_ledgers(read, assumed=is_assumed(self._plan, session)))
        self._session = session
        self._start(stretches(session)[0])

    def appraise(self, steps: Steps) -> Appraisal:
        """Count what these steps brought, over all streams."""
        parts = [
            ledger.appraise(own)
            for stretch, own in by_stretch(steps, self._session)
            for ledger in self._ledgers_of(stretch)
        ]
        if not any(len(part.records) or part.gaps for part in parts):
            return NOTHING_FOUND
        records = np.frombuffer(b"".join(part.records.data for part in parts), QUALITY_DTYPE)
        order = np.lexsort((records["stream"], records["event_ts"]))
        gaps = sorted((gap for part in parts for gap in part.gaps), key=_GAP_ORDER)
        return Appraisal(records.take(order), tuple(gaps))

    def _ledgers_of(self, stretch: Session) -> tuple[GridLedger | AssumedLedger, ...]:
        if stretch != self._stretch:
            self._start(stretch)
        return self._ledgers

    def _start(self, stretch: Session) -> None:
        self._stretch = stretch
        for ledger in self._ledgers:
            ledger.start_session(stretch)


@dataclass(frozen=True, slots=True)
class StreamQuality:
    """The counters of one stream as of one step, from the start of the session or of its stretch."""

    stream: int
    expected: int
    received: int
    missing: int
    duplicate_same: int = 0
    duplicate_conflict: int = 0
    out_of_order: int = 0
    off_grid: int = 0
    outside_session: int = 0
    bad_ohlc: int = 0
    jump: int = 0

    @property
    def score(self) -> float:
        """The score in percent."""
        return score(self.expected, self.missing)


class QualityView:
    """Know the quality of every stream as of a step, from the records of sealed windows."""

    def __init__(self, plan: SessionPlan) -> None:
        """Resolve every stream to the base stream it is judged by."""
        self._plan = plan
        self._bases = [stream.id if stream.base is None else stream.base for stream in plan.served]
        self._intervals = [Interval.parse(plan.served[base].interval) for base in self._bases]

    def start_session(self, session: Session) -> None:
        """Forget the session before."""
        self._assumed = is_assumed(self._plan, session)
        parts = stretches(session)
        self._ends = [part.close_ns for part in parts[:-1]]
        is_read = self._read_in(session)
        self._closes = [self._closes_of(part, is_read) for part in parts]
        self._records = np.zeros(len(self._bases), QUALITY_DTYPE)

    def _read_in(self, session: Session) -> list[bool]:
        return [self._plan.served[base].is_read_in(session.index) for base in self._bases]

    def _closes_of(self, stretch: Session, is_read: Iterable[bool]) -> list[Counts]:
        """Give when the bars of each stream are due; none is of those that are not read."""
        closes = {interval: expected_closes(stretch, interval) for interval in set(self._intervals)}
        return [
            closes[interval] if read else _NO_TIMES
            for interval, read in zip(self._intervals, is_read, strict=True)
        ]

    def apply(self, records: Records) -> None:
        """Take note of records, by event time, up to the step that is being handled."""
        self._records[records["stream"]] = records

    def at(self, stream: int, now_ns: int) -> StreamQuality:
        """Give the quality of a stream as of `now_ns`; that of its base stream where it is GENERATED."""
        stretch = bisect_left(self._ends, now_ns)
        _, event_ts, expected, _, missing, *defects = self._records[self._bases[stream]].tolist()
        if stretch and event_ts <= self._ends[stretch - 1]:
            expected, missing, defects = 0, 0, [0] * len(DEFECT_KINDS)
        if not self._assumed:
            expected = int(np.searchsorted(self._closes[stretch][stream], now_ns, side="right"))
        return StreamQuality(stream, expected, expected - missing, missing, *defects)


def is_assumed(plan: SessionPlan, session: Session) -> bool:
    """Whether a session's bars are taken to be all there: history, where that is not to be checked."""
    return session.index < 0 and not plan.rules.history_quality_enabled


def _ledgers(streams: Sequence[Stream], *, assumed: bool) -> Iterator[GridLedger | AssumedLedger]:
    if assumed:
        yield AssumedLedger([stream.id for stream in streams])
        return
    ids: defaultdict[Interval, list[int]] = defaultdict(list)
    for stream in streams:
        ids[Interval.parse(stream.interval)].append(stream.id)
    for interval, members in ids.items():
        yield GridLedger(interval, members)
