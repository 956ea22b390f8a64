from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.grid import event_times, expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.quality_ledger import QualityLedger, QualityView, Steps, rounded_score, score
from actors.domain.session_plan import Flow, Hours, Rules, Session, SessionPlan, Stream, Trading
from protocol.blocks import BAR_DTYPE, DEFECT_KINDS, QUALITY_DTYPE, BarFlag, Bars
from protocol.messages import Defect, Gap

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000
FULL, HALF = ((0, 390),), ((0, 210),)
LUNCH = ((0, 50), (110, 143))
EXTENDED = ((0, 22, "pre"), (22, 40), (45, 51), (51, 66, "post"))
Tide = tuple[tuple[Any, ...], ...]
Times = npt.NDArray[np.int64]
Row = tuple[Any, ...]


def session_of(parts: Tide, index: int = 0) -> Session:
    day = OPEN + index * 1440 * MINUTE
    hours = tuple(Hours(day + first * MINUTE, day + last * MINUTE, *kind) for first, last, *kind in parts)
    return Session(index, "2025-07-02", "full", hours[0].open_ns, hours[-1].close_ns, hours, day - MINUTE)


def plan_of(*streams: Stream, history_quality: bool = True) -> SessionPlan:
    symbols = tuple(dict.fromkeys(stream.symbol for stream in streams))
    rules = Rules(history_quality_enabled=history_quality)
    return SessionPlan(
        *(1, "test", "XNYS", "America/New_York", "2025-07-02", "2025-07-02", "/catalog", symbols),
        *((), (), (), streams, (), (), (), (), Flow(), rules, Trading(1.0, 1.0, 1.0, 1)),
    )


ONE = plan_of(Stream(0, "AAA", "1m", "STREAMED", ""))
MIXED = plan_of(
    Stream(0, "AAA", "1m", "STREAMED", ""),
    Stream(1, "BBB", "1m", "STREAMED", ""),
    Stream(2, "AAA", "5m", "GENERATED", "", base=0),
    Stream(3, "CCC", "5m", "STREAMED", ""),
    Stream(4, "DDD", "1m", "IGNORED", ""),
)


def all_bars(session: Session, stream: Stream) -> Bars:
    interval = Interval.parse(stream.interval)
    opens = expected_opens(session, interval)
    bars = np.zeros(len(opens), BAR_DTYPE)
    bars["stream"], bars["n_base"], bars["n_expected"] = stream.id, 1, 1
    bars["open_ts"], bars["close_ts"] = opens, expected_closes(session, interval)
    return bars


def some_bars(plan: SessionPlan, session: Session, presence: list[float], rng: np.random.Generator) -> Bars:
    blocks = [
        full[rng.random(len(full)) < presence[number % len(presence)]]
        for number, stream in enumerate(plan.base_streams)
        for full in [all_bars(session, stream)]
    ]
    bars = np.concatenate(blocks)
    bars["flags"] = np.where(rng.random(len(bars)) < 0.05, BarFlag.FILLED, 0)
    return bars[np.lexsort((bars["stream"], bars["close_ts"]))]


def steps_of(plan: SessionPlan, session: Session, off_grid: Times) -> Times:
    grid = event_times(session, tuple(Interval.parse(stream.interval) for stream in plan.base_streams))
    return np.union1d(grid, off_grid)


def some_defects(plan: SessionPlan, steps: Times, count: int, rng: np.random.Generator) -> list[Defect]:
    ids = [stream.id for stream in plan.base_streams]
    found = [
        Defect(int(rng.choice(ids)), kind, int(rng.choice(steps)), OPEN, "AAA.parquet", number, "", rows)
        for number, kind in enumerate(rng.choice(DEFECT_KINDS, count).tolist())
        for rows in [int(rng.choice([1, 1, 331]))]
    ]
    return sorted(found, key=lambda defect: (defect.known_ts, defect.stream))


def windows_of(steps: Times, bars: Bars, defects: list[Defect], sizes: Iterator[int]) -> Iterator[Steps]:
    begin = 0
    while begin < len(steps):
        times = steps[begin : begin + next(sizes)]
        begin += len(times)
        own = (bars["close_ts"] >= times[0]) & (bars["close_ts"] <= times[-1])
        known = tuple(defect for defect in defects if times[0] <= defect.known_ts <= times[-1])
        yield Steps(times, begin == len(steps), bars[own], known)


def sizes_up_to(largest: int, seed: int) -> Iterator[int]:
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(1, largest + 1))


class Count:
    """Count one stream in the plainest way."""

    def __init__(self, session: Session, stream: Stream, bars: Bars, defects: list[Defect]) -> None:
        interval = Interval.parse(stream.interval)
        self.stream = stream.id
        self.opens = expected_opens(session, interval).tolist()
        self.closes = expected_closes(session, interval).tolist()
        rows = [row for row in bars.tolist() if row[0] == stream.id and not row[1] & BarFlag.FILLED]
        self.received = {row[5] for row in rows}
        self.defects = [defect for defect in defects if defect.stream == stream.id]
        following = (*(part.kind for part in session.parts[1:]), "")
        pairs = zip(session.parts, following, strict=True)
        self.ends = [part.close_ns for part, kind in pairs if part.kind != kind]

    def at(self, now_ns: int) -> Row:
        """Give the columns of a record from `expected` on: since extended hours began or ended."""
        start = max((end for end in self.ends if end < now_ns), default=0)
        due = [close for close in self.closes if start < close <= now_ns]
        received = sum(close in self.received for close in due)
        kinds = Counter[str]()
        for defect in self.defects:
            kinds[defect.kind] += defect.rows * (start < defect.known_ts <= now_ns)
        return len(due), received, len(due) - received, *(kinds[kind] for kind in DEFECT_KINDS)

    def records(self, steps: list[int]) -> Iterator[Row]:
        nothing: Row = (0,) * (1 + len(DEFECT_KINDS))
        before = nothing
        for step in steps:
            now = self.at(step)
            if now[2:] != before or step in self.ends:
                yield self.stream, step, *now
            before = nothing if step in self.ends else now[2:]

    def gaps(self) -> Iterator[Gap]:
        run: list[int] = []
        for slot, close in enumerate(self.closes):
            if close not in self.received:
                run.append(slot)
            if run and (close in self.received or close in self.ends):
                yield self.gap(run, close)
                run = []

    def gap(self, run: list[int], known_ts: int) -> Gap:
        return Gap(self.stream, self.opens[run[0]], self.closes[run[-1]], len(run), known_ts)


@settings(max_examples=25, deadline=None)
@given(
    parts=st.lists(st.sampled_from([((0, 30),), ((0, 61),), LUNCH, EXTENDED]), min_size=1, max_size=2),
    presence=st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0]), min_size=1, max_size=3),
    n_defects=st.integers(0, 12),
    largest=st.sampled_from([1, 5, 40, 1000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_records_gaps_and_the_view_at_every_step_are_those_of_a_plain_count_for_any_cut(
    parts: list[Tide], presence: list[float], n_defects: int, largest: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    ledger, view = QualityLedger(MIXED), QualityView(MIXED)
    for index, hours in enumerate(parts):
        session = session_of(hours, index)
        steps = steps_of(MIXED, session, session.open_ns + rng.integers(1, 29 * MINUTE, 3))
        bars = some_bars(MIXED, session, presence, rng)
        defects = some_defects(MIXED, steps, n_defects, rng)
        counts = [Count(session, stream, bars, defects) for stream in MIXED.base_streams]
        ledger.start_session(session)
        parts_seen = [
            ledger.appraise(window) for window in windows_of(steps, bars, defects, sizes_up_to(largest, seed))
        ]
        records = np.concatenate([part.records for part in parts_seen])
        expected = [record for count in counts for record in count.records(steps.tolist())]
        assert records.tolist() == sorted(expected, key=lambda record: (record[1], record[0]))
        gaps = [gap for count in counts for gap in count.gaps()]
        known = [gap for part in parts_seen for gap in part.gaps]
        assert known == sorted(gaps, key=lambda gap: (gap.known_ts, gap.stream))
        assert_view_shows(view, session, records, counts, steps.tolist())


def assert_view_shows(
    view: QualityView, session: Session, records: Bars, counts: list[Count], steps: list[int]
) -> None:
    view.start_session(session)
    for step in steps:
        view.apply(records[records["event_ts"] == step])
        for count in counts:
            quality = view.at(count.stream, step)
            shown = [getattr(quality, name) for name in QUALITY_DTYPE.names or () if name in dir(quality)]
            assert tuple(shown) == (count.stream, *count.at(step))
            assert quality.score == score(quality.expected, quality.missing)


@pytest.mark.parametrize(
    ("hours", "missing", "percent"), [(FULL, 3, 99.23), (FULL, 120, 69.23), (HALF, 0, 100.0)]
)
def test_the_score_is_the_share_of_expected_bars_that_are_there(
    hours: tuple[tuple[int, int], ...], missing: int, percent: float
) -> None:
    session = session_of(hours)
    bars = all_bars(session, ONE.served[0])[missing:]
    ledger, view = QualityLedger(ONE), QualityView(ONE)
    ledger.start_session(session)
    view.start_session(session)
    steps = steps_of(ONE, session, np.empty(0, dtype=np.int64))
    view.apply(ledger.appraise(Steps(steps, True, bars, ())).records)
    assert round(view.at(0, session.close_ns).score, 2) == percent


def test_the_score_counts_from_where_extended_hours_ended() -> None:
    session = session_of(EXTENDED)
    bars = all_bars(session, ONE.served[0])[22 + 1 :]
    ledger, view = QualityLedger(ONE), QualityView(ONE)
    ledger.start_session(session)
    view.start_session(session)
    steps = steps_of(ONE, session, np.empty(0, dtype=np.int64))
    found = ledger.appraise(Steps(steps, True, bars, ()))
    scores = {}
    for minute in (22, 23, 32, 51, 52):
        view.apply(found.records[found.records["event_ts"] == session.open_ns + minute * MINUTE])
        quality = view.at(0, session.open_ns + minute * MINUTE)
        scores[minute] = (quality.expected, quality.missing)
    assert scores == {22: (22, 22), 23: (1, 1), 32: (10, 1), 51: (24, 1), 52: (1, 0)}
    assert [(gap.count, gap.known_ts - session.open_ns) for gap in found.gaps] == [
        (22, 22 * MINUTE),
        (1, 24 * MINUTE),
    ]


def test_a_daily_stream_has_nothing_to_expect_in_extended_hours() -> None:
    plan = plan_of(Stream(0, "AAA", "1m", "STREAMED", ""), Stream(1, "BBB", "1d", "STREAMED", ""))
    session = session_of(EXTENDED)
    ledger = QualityLedger(plan)
    ledger.start_session(session)
    steps = steps_of(plan, session, np.empty(0, dtype=np.int64))
    found = ledger.appraise(Steps(steps, True, np.empty(0, BAR_DTYPE), ()))
    daily = found.records[found.records["stream"] == 1]
    assert daily["expected"].tolist() == [0, 1, 0]
    assert daily["missing"].tolist() == [0, 1, 0]
    assert [gap.count for gap in found.gaps if gap.stream == 1] == [1]


def test_nothing_expected_yet_scores_100() -> None:
    view = QualityView(ONE)
    view.start_session(session_of(FULL))
    assert score(0, 0) == 100.0
    assert view.at(0, OPEN).score == 100.0
    assert view.at(0, OPEN).expected == 0


def test_a_gap_may_span_the_lunch_break() -> None:
    session = session_of(LUNCH)
    bars = np.delete(all_bars(session, ONE.served[0]), [48, 49, 50])
    ledger = QualityLedger(ONE)
    ledger.start_session(session)
    steps = steps_of(ONE, session, np.empty(0, dtype=np.int64))
    gaps = [
        gap for step in windows_of(steps, bars, [], sizes_up_to(1, 0)) for gap in ledger.appraise(step).gaps
    ]
    assert gaps == [Gap(0, OPEN + 48 * MINUTE, OPEN + 111 * MINUTE, 3, OPEN + 112 * MINUTE)]


def test_a_gap_open_at_the_close_ends_with_the_session_and_does_not_reach_into_the_next() -> None:
    ledger = QualityLedger(ONE)
    gaps: list[Gap] = []
    for index, kept in enumerate((slice(0, 388), slice(2, 390))):
        session = session_of(FULL, index)
        ledger.start_session(session)
        steps = steps_of(ONE, session, np.empty(0, dtype=np.int64))
        bars = all_bars(session, ONE.served[0])[kept]
        gaps += ledger.appraise(Steps(steps, True, bars, ())).gaps
    tomorrow = OPEN + 1440 * MINUTE
    close = OPEN + 390 * MINUTE
    assert gaps == [
        Gap(0, close - 2 * MINUTE, close, 2, close),
        Gap(0, tomorrow, tomorrow + 2 * MINUTE, 2, tomorrow + 3 * MINUTE),
    ]


def test_of_a_session_that_a_stream_is_left_out_of_nothing_is_expected_and_nothing_recorded() -> None:
    plan = plan_of(
        Stream(0, "AAA", "1m", "STREAMED", ""),
        Stream(1, "BBB", "1m", "STREAMED", "", skipped=(1,)),
        Stream(2, "BBB", "5m", "GENERATED", "", base=1),
    )
    ledger, view = QualityLedger(plan), QualityView(plan)
    for index, expected in enumerate([(390, 390, 390), (390, 0, 0), (390, 390, 390)]):
        session = session_of(FULL, index)
        ledger.start_session(session)
        view.start_session(session)
        steps = steps_of(plan, session, np.empty(0, dtype=np.int64))
        found = ledger.appraise(Steps(steps, True, all_bars(session, plan.served[0]), ()))
        view.apply(found.records)
        now = [view.at(stream, session.close_ns) for stream in range(3)]
        assert tuple(quality.expected for quality in now) == expected
        assert [quality.score for quality in now] == ([100, 0, 0] if expected[1] else [100, 100, 100])
        assert set(found.records["stream"].tolist()) == ({0, 1} if expected[1] else {0})
        assert len(found.gaps) == (expected[1] > 0)


def test_a_derived_stream_is_judged_by_its_base_stream() -> None:
    session = session_of(HALF)
    records = np.zeros(1, QUALITY_DTYPE)
    records["event_ts"], records["missing"], records["off_grid"] = OPEN + 10 * MINUTE, 4, 1
    view = QualityView(MIXED)
    view.start_session(session)
    view.apply(records)
    quality = view.at(2, OPEN + 20 * MINUTE)
    assert (quality.stream, quality.expected, quality.received, quality.missing) == (2, 20, 16, 4)
    assert quality.off_grid == 1
    assert quality.score == 80.0


def test_where_history_is_not_checked_what_is_received_is_what_was_expected() -> None:
    stream = Stream(0, "AAA", "1m", "STREAMED", "", history_sessions=1)
    plan = plan_of(stream, history_quality=False)
    session = session_of(FULL, index=-1)
    bars = all_bars(session, plan.served[0])[7:]
    steps = steps_of(plan, session, np.empty(0, dtype=np.int64))
    defects = [Defect(0, "bad_ohlc", session.open_ns + MINUTE, session.open_ns, "AAA.parquet", 0, "")]
    ledger, view = QualityLedger(plan), QualityView(plan)
    ledger.start_session(session)
    view.start_session(session)
    parts = [ledger.appraise(window) for window in windows_of(steps, bars, defects, sizes_up_to(50, 0))]
    records = np.concatenate([part.records for part in parts])
    assert records.tolist() == [(0, session.close_ns, 383, 383, *(0,) * 8)]
    assert not any(part.gaps for part in parts)
    assert view.at(0, session.open_ns + 30 * MINUTE).score == 100.0
    view.apply(records)
    assert view.at(0, session.close_ns).received == 383


def test_where_history_is_not_checked_rebuilt_bars_are_not_among_the_received_ones() -> None:
    plan = plan_of(Stream(0, "AAA", "1m", "STREAMED", "", history_sessions=1), history_quality=False)
    session = session_of(FULL, index=-1)
    bars = all_bars(session, plan.served[0])
    bars["flags"][:7] = BarFlag.FILLED
    ledger = QualityLedger(plan)
    ledger.start_session(session)
    steps = Steps(steps_of(plan, session, np.empty(0, dtype=np.int64)), True, bars, ())
    assert ledger.appraise(steps).records.tolist() == [(0, session.close_ns, 383, 383, *(0,) * 8)]


@pytest.mark.parametrize(
    ("expected", "missing", "shown"),
    [(390, 3, 99.23), (390, 120, 69.23), (210, 0, 100.0), (0, 0, 100.0), (1_000_000, 1, 99.99), (5, 5, 0.0)],
)
def test_a_rounded_score_says_100_only_where_nothing_is_missing(
    expected: int, missing: int, shown: float
) -> None:
    assert rounded_score(expected, missing) == shown
