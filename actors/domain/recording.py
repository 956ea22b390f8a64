"""Turn sealed windows and signals into the columns of a run's tables. `docs/run_folder.md` describes them.

Types never depend on content: numbers are numpy columns of a fixed dtype, texts are `str_` or, where their
length has no bound, object columns; a column of no texts is an empty `str_`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import structs

from actors.domain.bar_shelves import BarShelves, Table
from actors.domain.figure_columns import SessionFigures, figure_columns, figure_rows
from actors.domain.ports import Columns, Sparse
from actors.domain.session_plan import SessionPlan
from protocol.blocks import BAR_DTYPE, NO_BARS, QUALITY_DTYPE, Bars
from protocol.messages import Defect, Gap, SealedWindow, Signal, Signals

Integers = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_] | npt.NDArray[np.object_]
COUNTERS: Final = tuple(name for name in QUALITY_DTYPE.names or () if name not in ("stream", "event_ts"))


class StepCounts(NamedTuple):
    """Steps of one session, and how many bars each delivered; arrays of shape (n,)."""

    session: int
    event_ts: Integers
    base: Integers
    derived: Integers


class Labels:
    """What the numbers in messages stand for: dates of sessions, symbols and intervals of streams."""

    def __init__(self, plan: SessionPlan) -> None:
        """Read them from the plan."""
        self._first = -len(plan.history)
        self._dates = np.array([session.date for session in (*plan.history, *plan.sessions)], dtype=np.str_)
        self._symbols = np.array([stream.symbol for stream in plan.served], dtype=np.str_)
        self._intervals = np.array([stream.interval for stream in plan.served], dtype=np.str_)
        self._is_base = np.array([stream.label == "STREAMED" for stream in plan.served], dtype=np.bool_)
        self._strategies = {spec.actor: spec.name for spec in plan.strategies}

    def dates(self, sessions: Integers) -> Texts:
        """Give the dates of session indexes."""
        dates: Texts = self._dates[sessions - self._first]
        return dates

    def symbols(self, streams: npt.NDArray[np.integer]) -> Texts:
        """Give the symbols of stream ids."""
        symbols: Texts = self._symbols[streams]
        return symbols

    def intervals(self, streams: npt.NDArray[np.integer]) -> Texts:
        """Give the intervals of stream ids."""
        intervals: Texts = self._intervals[streams]
        return intervals

    def is_base(self, streams: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Say which stream ids are of base bars."""
        mask: npt.NDArray[np.bool_] = self._is_base[streams]
        return mask

    def strategy(self, actor: str) -> str:
        """Name the strategy that an actor runs; an attached actor goes by its own name."""
        return self._strategies.get(actor, actor)


class Recording:
    """Sealed windows and signals on their way to tables."""

    def __init__(self, plan: SessionPlan) -> None:
        """Start empty."""
        self.shelves = BarShelves(plan)
        self.rows = 0
        """Rows of all tables but the bars, without the signals of a session that is not over."""
        self.loose_bars = 0
        """Bars of windows that are not settled yet."""
        self._labels = Labels(plan)
        self._loose: list[SealedWindow] = []
        self._steps: list[StepCounts] = []
        self._run: list[SealedWindow] = []
        self._history: list[SealedWindow] = []
        self._signals: list[tuple[int, str, Signal]] = []
        self._open_signals: list[tuple[int, str, Signal]] = []
        """Those of the session that is not over."""
        self._places = {spec.actor: place for place, spec in enumerate(plan.strategies)}
        self._plan = plan
        self._figures: list[SessionFigures] = []

    def add_window(self, window: SealedWindow) -> None:
        """Take the next window; of history sessions, whose bars are not recorded, only what was found."""
        if window.session >= 0:
            self._loose.append(window)
            self.loose_bars += window.block.n
            self.rows += window.steps.n
        if window.figures:
            self._figures.append(SessionFigures(self._plan.session(window.session), window.figures))
            self.rows += figure_rows(window.figures)
        found = window.quality.n + len(window.gaps) + len(window.defects)
        if found:
            windows = self._run if window.session >= 0 else self._history
            windows.append(structs.replace(window, block=NO_BARS, figures=()))
            self.rows += found

    def add_signals(self, session: int, message: Signals) -> None:
        """Take the next signals of one actor in a session."""
        self._open_signals += [(session, message.actor, signal) for signal in message.signals]

    def close_session(self) -> None:
        """Put the session's signals in order: by step, then by strategy, whoever gave them first."""
        self._signals += sorted(self._open_signals, key=self._place)
        self.rows += len(self._open_signals)
        self._open_signals = []

    def _place(self, given: tuple[int, str, Signal]) -> tuple[int, int]:
        _, actor, signal = given
        return signal.event_ts, self._places.get(actor, len(self._places))

    def settle(self, session: int) -> None:
        """Put the bars of the session's windows so far on the shelves and count its steps."""
        bars = np.frombuffer(b"".join(window.block.records for window in self._loose), dtype=BAR_DTYPE)
        times = np.frombuffer(b"".join(window.steps.records for window in self._loose), dtype="<i8")
        self._steps.append(count_steps(self._labels, session, times, bars))
        self.shelves.put(session, bars)
        self._loose = []
        self.loose_bars = 0

    def take_tables(self) -> Iterator[Table]:
        """Take every table but the bars, empty ones too, with the signals of sessions that are over."""
        labels = self._labels
        yield Table("steps.parquet", step_columns(labels, self._steps))
        yield Table("signals.parquet", signal_columns(labels, self._signals))
        yield Table("historical_indicators.parquet", figure_columns(self._plan, self._figures))
        for prefix, windows in (("", self._run), ("history_", self._history)):
            yield Table(f"{prefix}quality.parquet", quality_columns(labels, windows))
            yield Table(f"{prefix}gaps.parquet", gap_columns(labels, windows))
            yield Table(f"{prefix}defects.parquet", defect_columns(labels, windows))
        self._steps, self._run, self._history, self._signals, self._figures = [], [], [], [], []
        self.rows = 0


def count_steps(labels: Labels, session: int, times: Integers, bars: Bars) -> StepCounts:
    """Count the base and the derived bars of every step, steps without any included."""
    positions = np.searchsorted(times, bars["close_ts"])
    total = np.bincount(positions, minlength=len(times))
    base = np.bincount(positions[labels.is_base(bars["stream"])], minlength=len(times))
    return StepCounts(session, times.astype(np.int64), base.astype(np.int64), total - base)


def step_columns(labels: Labels, counts: Sequence[StepCounts]) -> Columns:
    """Give every step with how many base and derived bars it delivered."""
    sessions = _integers(count.session for count in counts)
    return {
        "session": labels.dates(np.repeat(sessions, [len(count.event_ts) for count in counts])),
        "event_ts": _joined([count.event_ts for count in counts]),
        "bars": _joined([count.base for count in counts]),
        "derived": _joined([count.derived for count in counts]),
    }


def quality_columns(labels: Labels, windows: Sequence[SealedWindow]) -> Columns:
    """Give every quality record with its score."""
    rows = np.frombuffer(b"".join(window.quality.records for window in windows), dtype=QUALITY_DTYPE)
    return {
        "session": labels.dates(_sessions(windows, [window.quality.n for window in windows])),
        "event_ts": rows["event_ts"].astype(np.int64),
        "symbol": labels.symbols(rows["stream"]),
        "interval": labels.intervals(rows["stream"]),
        **{name: rows[name].astype(np.int64) for name in COUNTERS},
        "score": scores(rows["expected"], rows["missing"]),
    }


def scores(expected: npt.NDArray[np.integer], missing: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Give 100 times the share of expected bars that are there; 100 where none is expected yet."""
    there = expected.astype(np.float64) - missing
    found = np.full(len(expected), 100.0)
    np.divide(100.0 * there, expected, out=found, where=expected > 0)
    return found


def gap_columns(labels: Labels, windows: Sequence[SealedWindow]) -> Columns:
    """Give every gap."""
    gaps: list[Gap] = [gap for window in windows for gap in window.gaps]
    streams = _integers(gap.stream for gap in gaps)
    return {
        "session": labels.dates(_sessions(windows, [len(window.gaps) for window in windows])),
        "known_ts": _integers(gap.known_ts for gap in gaps),
        "symbol": labels.symbols(streams),
        "interval": labels.intervals(streams),
        "from_ts": _integers(gap.from_ts for gap in gaps),
        "to_ts": _integers(gap.to_ts for gap in gaps),
        "count": _integers(gap.count for gap in gaps),
    }


def defect_columns(labels: Labels, windows: Sequence[SealedWindow]) -> Columns:
    """Give every defect with its place in storage."""
    defects: list[Defect] = [defect for window in windows for defect in window.defects]
    streams = _integers(defect.stream for defect in defects)
    return {
        "session": labels.dates(_sessions(windows, [len(window.defects) for window in windows])),
        "known_ts": _integers(defect.known_ts for defect in defects),
        "open_ts": _integers(defect.open_ts for defect in defects),
        "symbol": labels.symbols(streams),
        "interval": labels.intervals(streams),
        "kind": _texts([defect.kind for defect in defects]),
        "file": _texts([defect.file for defect in defects]),
        "row": _integers(defect.row for defect in defects),
        "detail": _texts([defect.detail for defect in defects]),
        "rows": _integers(defect.rows for defect in defects),
    }


def signal_columns(labels: Labels, signals: Sequence[tuple[int, str, Signal]]) -> Columns:
    """Give every signal, given as session index, actor and signal."""
    return {
        "session": labels.dates(_integers(session for session, _, _ in signals)),
        "event_ts": _integers(signal.event_ts for _, _, signal in signals),
        "strategy": _texts([labels.strategy(actor) for _, actor, _ in signals]),
        "actor": _texts([actor for _, actor, _ in signals]),
        "symbol": _texts([signal.symbol for _, _, signal in signals]),
        "action": _texts([signal.action for _, _, signal in signals]),
        "quantity": _floats(signal.quantity for _, _, signal in signals),
        "confidence": _floats(signal.confidence for _, _, signal in signals),
        "reason": _texts([signal.reason for _, _, signal in signals]),
        "limit": _prices(signal.limit for _, _, signal in signals),
        "stop": _prices(signal.stop for _, _, signal in signals),
        "good_for": _texts([signal.good_for for _, _, signal in signals]),
    }


def _joined(arrays: Sequence[Integers]) -> Integers:
    return np.concatenate([np.empty(0, dtype=np.int64), *arrays])


def _sessions(windows: Sequence[SealedWindow], counts: Sequence[int]) -> Integers:
    indexes = _integers(window.session for window in windows)
    return np.repeat(indexes, np.array(counts, dtype=np.int64))


def _integers(values: Iterable[int]) -> Integers:
    return np.fromiter(values, dtype=np.int64)


def _floats(values: Iterable[float]) -> npt.NDArray[np.float64]:
    return np.fromiter(values, dtype=np.float64)


def _prices(values: Iterable[float | None]) -> Sparse:
    return Sparse(_floats(np.nan if value is None else value for value in values))


def _texts(values: Sequence[str]) -> Texts:
    return np.array(values, dtype=np.object_) if values else np.array([], dtype=np.str_)
