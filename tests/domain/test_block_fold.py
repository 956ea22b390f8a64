"""Bars across sessions against a plain batch over a whole calendar: any run, any holes, any cut."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.aggregation import PENDING_ROWS, Aggregation
from actors.domain.block_count import BlockCount
from actors.domain.calendar_table import CalendarTable, sessions_before, sessions_between
from actors.domain.grid import event_times, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_blocks import with_lead_sessions
from actors.domain.session_grid import SessionGrid
from actors.domain.session_plan import Flow, Hours, Rules, Session, SessionPlan, Stream, Trading
from actors.domain.stream_decision import Request, decide_streams
from actors.runtime.calendars import Calendars
from protocol.blocks import BAR_DTYPE, BarFlag, Bars
from tests.random_bars import random_bars

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
LONGER = ("2d", "3d", "1w", "2w")
SHAPES = ((0, 17, 17, 17), (0, 8, 8, 8), (0, 7, 10, 18), (600, 611, 611, 611))
"""Open, break and close of a session, in minutes from noon."""
Row = tuple[Any, ...]


@st.composite
def calendars(draw: st.DrawFn) -> CalendarTable:
    """Make a calendar of 20 to 45 days around a new year, with holidays and weeks without a session."""
    first = date(draw(st.integers(2004, 2026)), 12, 10) + timedelta(days=draw(st.integers(0, 12)))
    count, weekend = draw(st.integers(20, 45)), draw(st.booleans())
    closed = draw(st.sets(st.integers(0, count - 1), max_size=6))
    idle = draw(st.none() | st.integers(0, 3))
    days = [
        day
        for number in range(count)
        for day in [first + timedelta(days=number)]
        if number not in closed and (weekend or day.weekday() < 5)
        if idle is None or (day - first).days // 7 != idle
    ]
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=len(days), max_size=len(days)))
    noons = [(day.toordinal() - date(1970, 1, 1).toordinal()) * DAY + DAY // 2 for day in days]
    columns = np.array(
        [[noon + mark * MINUTE for mark in shape] for noon, shape in zip(noons, shapes, strict=True)]
    ).T
    halves = np.array([shape == SHAPES[1] for shape in shapes])
    opens, breaks, ends, closes = columns
    last = first + timedelta(days=count)
    mask = "1" * 7 if weekend else "1111100"
    stamps = np.array(days, dtype="datetime64[D]")
    return CalendarTable("T", "UTC", first, last, mask, stamps, opens, breaks, ends, closes, halves)


@dataclass(frozen=True)
class Data:
    """Bars that depend on symbol, interval and date alone, wherever a run starts."""

    seed: int
    presence: float

    @lru_cache(maxsize=512)  # noqa: B019  a value that lives for one example
    def bars(self, stream: Stream, session: Session) -> Bars:
        date_seed = date.fromisoformat(session.date).toordinal()
        rng = np.random.default_rng([self.seed, date_seed, *stream.symbol.encode()])
        bars = random_bars(session, stream, rng, 0.005)
        return bars[rng.random(len(bars)) < self.presence]

    def session(self, plan: SessionPlan, session: Session) -> Bars:
        read = [stream for stream in plan.base_streams if stream.is_read_in(session.index)]
        bars = np.concatenate([np.empty(0, BAR_DTYPE), *(self.bars(stream, session) for stream in read)])
        return bars[np.lexsort((bars["stream"], bars["close_ts"]))]


def plan_of(
    table: CalendarTable, start: int, length: int, stored: dict[str, str], history: dict[str, int]
) -> SessionPlan:
    """Plan a run from the calendar's session number `start`, with the leads of a real plan."""
    days = table.days.astype(object)
    run = sessions_between(table, days[start], days[min(start + length, len(days)) - 1])
    requests = [
        Request(symbol, Interval.parse(text), "", history[symbol])
        for symbol, base in stored.items()
        for text in (base, *LONGER)
    ]
    bases = {symbol: (Interval.parse(base),) for symbol, base in stored.items()}
    streams = with_lead_sessions(decide_streams(tuple(stored), requests, bases), table, run[0])
    before = sessions_before(table, days[start], max(stream.sessions_read for stream in streams))
    return SessionPlan(
        *(1, "test", "T", "UTC", run[0].date, run[-1].date, "/catalog", tuple(stored)),
        *(run, before, (), streams, (), (), (), (), Flow(), Rules(), Trading(1.0, 1.0, 1.0, 1)),
    )


def windows_of(
    plan: SessionPlan, session: Session, bars: Bars, size: int, seed: int
) -> Iterator[tuple[Bars, int]]:
    steps = event_times(session, tuple({Interval.parse(stream.interval) for stream in plan.base_streams}))
    rng = np.random.default_rng([seed, session.ordinal])
    cuts = np.unique(np.minimum(np.cumsum(rng.integers(1, size + 1, len(steps))), len(steps)))
    edges = [0, *np.searchsorted(bars["close_ts"], steps[cuts - 1], side="right").tolist()]
    for (first, end), cut in zip(pairwise(edges), cuts, strict=True):
        yield bars[first:end], int(steps[cut - 1])


def block_key(day: str, place: int, interval: str) -> int:
    """Tell blocks apart by Python's ISO calendar, or by the place of a session in its calendar."""
    count = int(interval[:-1])
    if interval[-1] == "d":
        return place // count
    year, week, _ = date.fromisoformat(day).isocalendar()
    monday = date.fromisocalendar(year, week, 1)
    return (monday.toordinal() - date(1970, 1, 5).toordinal()) // (7 * count)


def batch(plan: SessionPlan, calendar: list[Session], data: Data, stream: Stream) -> Iterator[Row]:
    """Compute all bars of a stream over a calendar, as if every session of it were read."""
    assert stream.base is not None
    blocks: defaultdict[int, list[Session]] = defaultdict(list)
    for place, session in enumerate(calendar, calendar[0].ordinal):
        blocks[block_key(session.date, place, stream.interval)].append(session)
    for members in blocks.values():
        is_over = members[-1] != calendar[-1] or f"{len(members)}d" == stream.interval
        row = block_row(members, data, plan.served[stream.base], stream) if is_over else None
        if row is not None:
            yield row


def block_row(members: list[Session], data: Data, base: Stream, stream: Stream) -> Row | None:
    interval = Interval.parse(base.interval)
    slots = [
        slot
        for session in members
        for slot in expected_opens(session, interval).tolist()
        if is_regular(session, slot)
    ]
    rows = [
        row for session in members for row in data.bars(base, session).tolist() if is_regular(session, row[4])
    ]
    if not rows:
        return None
    volume = 0.0
    for row in rows:
        volume += row[10]
    number = {slot: place for place, slot in enumerate(slots)}
    present = [number[row[4]] for row in rows]
    flags = BarFlag.PARTIAL * (len(rows) < len(slots)) | BarFlag.FILLED * any(row[1] & 8 for row in rows)
    flags |= BarFlag.GAP * any(later - earlier > 1 for earlier, later in pairwise(present))
    bounds = (members[0].regular[0].open_ns, members[-1].regular[-1].close_ns)
    prices = (rows[0][6], max(row[7] for row in rows), min(row[8] for row in rows), rows[-1][9])
    return (stream.id, int(flags), len(rows), len(slots), *bounds, *prices, volume)


def oracle(plan: SessionPlan, calendar: list[Session], data: Data) -> list[Row]:
    """Give the bars that the run and its history should have, in order of delivery."""
    rows: list[Row] = []
    for stream in plan.served:
        if stream.base is not None:
            kept = plan.served[stream.base].history_sessions
            first = plan.session(-kept).open_ns
            rows += [row for row in batch(plan, calendar, data, stream) if row[5] > first]
    last = plan.sessions[-1].close_ns
    return sorted((row for row in rows if row[5] <= last), key=lambda row: (row[5], row[0]))


def folded(
    plan: SessionPlan, data: Data, size: int, seed: int, pending_rows: int = PENDING_ROWS
) -> Iterator[tuple[int, list[Row]]]:
    """Fold a run window by window; give each window's last step and bars."""
    aggregation = Aggregation(plan, pending_rows)
    for session in (*plan.history, *plan.sessions):
        aggregation.start_session(session)
        for window, now_ns in windows_of(plan, session, data.session(plan, session), size, seed):
            yield now_ns, aggregation.fold(window, now_ns).bars.tolist()


def check(expected: list[Row], windows: Iterable[tuple[int, list[Row]]]) -> None:
    """Make sure that at the end of each window those bars have come that are due, and no others."""
    closes = [row[5] for row in expected]
    count = 0
    for now_ns, bars in windows:
        due = bisect_right(closes, now_ns)
        assert bars == expected[count:due]
        count = due
    assert count == len(expected)


def whole_calendar(table: CalendarTable) -> list[Session]:
    days = table.days.astype(object)
    return list(sessions_between(table, days[0], days[-1]))


@dataclass(frozen=True)
class Trial:
    """A run from the calendar's session number `begin`, or from its last."""

    table: CalendarTable
    begin: int
    length: int
    bases: list[str]
    history: list[int]
    data: Data

    def plan(self) -> SessionPlan:
        start = min(self.begin, len(self.table) - 1)
        stored = dict(zip(("AAA", "BBB"), self.bases, strict=False))
        history = {name: min(n, start) for name, n in zip(stored, self.history, strict=True)}
        return plan_of(self.table, start, self.length, stored, history)


presences = st.sampled_from([0.0, 0.05, 0.3, 0.8, 0.98, 1.0])
trials = st.integers(1, 2).flatmap(
    lambda symbols: st.builds(
        Trial,
        table=calendars(),
        begin=st.integers(0, 30),
        length=st.integers(1, 20),
        bases=st.lists(st.sampled_from(["1s", "1m", "5m", "1h", "1d"]), min_size=symbols, max_size=symbols),
        history=st.lists(st.integers(0, 8), min_size=symbols, max_size=symbols),
        data=st.builds(Data, st.integers(0, 2**32), presences),
    )
)


@settings(max_examples=15, deadline=None)
@given(trial=trials, size=st.sampled_from([1, 7, 1000]), pending_rows=st.sampled_from([0, 20, PENDING_ROWS]))
def test_wherever_a_run_starts_and_windows_are_cut_bars_are_those_of_a_batch_over_the_calendar_at_every_step(
    trial: Trial, size: int, pending_rows: int
) -> None:
    plan = trial.plan()
    expected = oracle(plan, whole_calendar(trial.table), trial.data)
    steps = 700 if "1s" in trial.bases else size

    check(expected, folded(plan, trial.data, steps, trial.begin, pending_rows))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    return Calendars(tmp_path_factory.mktemp("calendars"))


@pytest.mark.parametrize(
    ("name", "base", "weeks"),
    [("XNYS", "1h", [5, 4, 4, 4]), ("XHKG", "1h", [5, 3, 4, 5]), ("24/7", "1h", [7, 7, 7, 7])],
)
def test_on_real_calendars_around_new_year_weeks_are_as_long_as_they_are(
    real: Calendars, name: str, base: str, weeks: list[int]
) -> None:
    table = real.table(name, date(2025, 6, 30))
    start = int(np.searchsorted(table.days, np.datetime64("2024-12-19")))
    plan = plan_of(table, start, 30, {"AAA": base}, {"AAA": 2})
    data = Data(1, 0.9)
    calendar = list(sessions_between(table, date(2024, 10, 1), date(2025, 3, 1)))

    expected = oracle(plan, calendar, data)

    check(expected, folded(plan, data, 50, 1))

    found = [row for row in expected if row[0] == plan.stream_id("AAA", "1w")][:4]
    opens, closes = table.opens, table.closes
    counts = [int(np.searchsorted(closes, row[5], "right") - np.searchsorted(opens, row[4])) for row in found]
    assert counts == weeks


def with_extended_hours(session: Session) -> Session:
    before = Hours(session.open_ns - 5 * MINUTE, session.open_ns, "pre")
    after = Hours(session.close_ns, session.close_ns + 4 * MINUTE, "post")
    parts = (before, *session.parts, after)
    hours = {"open_ns": before.open_ns, "close_ns": after.close_ns}
    return msgspec.structs.replace(session, parts=parts, **hours)


@settings(max_examples=8, deadline=None)
@given(
    table=calendars(),
    data=st.builds(Data, st.integers(0, 2**32), st.sampled_from([0.3, 1.0])),
    size=st.sampled_from([1, 7, 1000]),
)
def test_extended_hours_are_left_out_and_a_week_is_over_with_the_regular_ones(
    table: CalendarTable, data: Data, size: int
) -> None:
    plan = plan_of(table, 0, len(table), {"AAA": "1m"}, {"AAA": 0})
    plan = msgspec.structs.replace(plan, sessions=tuple(map(with_extended_hours, plan.sessions)))
    expected = oracle(plan, [with_extended_hours(session) for session in whole_calendar(table)], data)

    check(expected, folded(plan, data, size, 1))


def is_regular(session: Session, open_ns: int) -> bool:
    return any(part.open_ns <= open_ns < part.close_ns for part in session.parts if part.kind == "regular")


@settings(max_examples=30, deadline=None)
@given(trial=trials, min_coverage=st.sampled_from([0.0, 0.5, 0.8]), extended=st.booleans())
def test_a_count_of_present_bars_gives_as_many_bars_across_sessions_as_the_history_has(
    trial: Trial, min_coverage: float, *, extended: bool
) -> None:
    plan, data = trial.plan(), trial.data
    if extended and "1d" not in trial.bases:
        plan = msgspec.structs.replace(plan, history=tuple(map(with_extended_hours, plan.history)))
    rules = Rules(min_coverage=min_coverage)
    aggregation = Aggregation(msgspec.structs.replace(plan, rules=rules))
    bases = {stream.id: plan.served[stream.base] for stream in plan.served if stream.base is not None}
    counts = {
        id_: BlockCount(Interval.parse(plan.served[id_].interval), -base.history_sessions, min_coverage)
        for id_, base in bases.items()
    }
    made = dict.fromkeys(counts, 0)
    for session in plan.history:
        bars = data.session(plan, session)
        aggregation.start_session(session)
        for row in aggregation.fold(bars, session.close_ns).bars.tolist():
            made[row[0]] += 1
        for id_, base in bases.items():
            if base.is_read_in(session.index):
                grid = SessionGrid.of((session,), Interval.parse(base.interval))
                counts[id_].add(grid, grid.presence(np.sort(data.bars(base, session)["open_ts"])))
    assert {id_: count.bars for id_, count in counts.items()} == made
