"""Historical indicators against a recomputation from the bars themselves, whatever is missing."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.bar_views import BarColumns
from actors.domain.historical_board import HistoricalBoard, HistoricalValue, UnknownHistorical
from actors.domain.historical_indicators import HistoricalIndicators
from actors.domain.indicators import build
from actors.domain.session_plan import (
    Flow,
    HistoricalSpec,
    Hours,
    IndicatorSpec,
    Rules,
    Session,
    SessionPlan,
    Stream,
    Trading,
)
from protocol.blocks import BAR_DTYPE, Bars
from protocol.messages import Figure

ZONE: Final = ZoneInfo("America/New_York")
MINUTE: Final = 60_000_000_000
SYMBOLS: Final = ("AAA", "BBB")
FIELDS: Final = ("open", "high", "low", "close", "volume")
TIDES: Final = {"full": ((0, 9),), "half": ((0, 4),), "late": ((3, 9),), "lunch": ((0, 3), (5, 9))}
"""When trading goes on, in minutes from 09:30 on the exchange's clock."""
FIRST_DAY: Final = date(2025, 3, 3)
"""The clocks change on the sixth day."""
STREAMS: Final = (
    Stream(0, "AAA", "1m", "STREAMED", ""),
    Stream(1, "BBB", "1m", "STREAMED", ""),
    Stream(2, "AAA", "5m", "GENERATED", "", base=0),
    Stream(3, "AAA", "1d", "GENERATED", "", base=0),
    Stream(4, "BBB", "1d", "GENERATED", "", base=1),
)
NAMED: Final = ("avg_volume", "avg_range", "atr_daily", "gap_stats", "range_ratio", "high_low")
TRAILING: Final = ("trailing_average", "trailing_max", "trailing_min")


class Row(NamedTuple):
    """A bar as it is stored."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class Day(NamedTuple):
    """A session and its bars, by symbol and minutes from 09:30."""

    session: Session
    rows: dict[str, dict[int, Row]]

    def whole(self, symbol: str) -> Row | None:
        """Put the session's bars of a symbol together."""
        rows = [row for _, row in sorted(self.rows[symbol].items())]
        if not rows:
            return None
        high, low = max(row.high for row in rows), min(row.low for row in rows)
        return Row(rows[0].open, high, low, rows[-1].close, sum((row.volume for row in rows), 0.0))


def instant(day: date, minute: int) -> int:
    opening = datetime.combine(day, time(9, 30), ZONE) + timedelta(minutes=minute)
    return int(opening.astimezone(UTC).timestamp()) * 10**9


def session_of(index: int, place: int, kind: str) -> Session:
    day = FIRST_DAY + timedelta(days=place)
    parts = tuple(Hours(instant(day, start), instant(day, end)) for start, end in TIDES[kind])
    length = "half" if kind in ("half", "late") else "full"
    return Session(index, str(day), length, parts[0].open_ns, parts[-1].close_ns, parts, 0)


def days_of(kinds: Sequence[str], history: int, seed: int, holes: float) -> list[Day]:
    """Make sessions with bars in their minutes, some left out; now and then a symbol has no bar at all."""
    rng = random.Random(seed)
    days = []
    for place, kind in enumerate(kinds):
        minutes = [minute for start, end in TIDES[kind] for minute in range(start, end)]
        rows: dict[str, dict[int, Row]] = {}
        for symbol in SYMBOLS:
            left = 0.0 if rng.random() < holes / 3 else 1 - holes
            rows[symbol] = {minute: row_of(rng) for minute in minutes if rng.random() < left}
        days.append(Day(session_of(place - history, place, kind), rows))
    return days


def row_of(rng: random.Random) -> Row:
    low, first, last, high = sorted(round(rng.uniform(5, 15), 2) for _ in range(4))
    volume = float(rng.choice([0, 0, rng.randrange(1000)])) + rng.choice([0.0, 0.1])
    return Row(*rng.sample([first, last], 1), high, low, last, volume)


def plan_of(days: Sequence[Day], specs: Sequence[HistoricalSpec]) -> SessionPlan:
    run = tuple(day.session for day in days if day.session.index >= 0)
    history = tuple(day.session for day in days if day.session.index < 0)
    dates = run[0].date, run[-1].date
    return SessionPlan(
        *(1, "test", "XNYS", "America/New_York", *dates, "/catalog", SYMBOLS, run, history, (), STREAMS),
        *((), (), (), (), Flow(), Rules(), Trading(1.0, 1.0, 1.0, 1)),
        historical=tuple(specs),
    )


def bar(stream: int, open_ns: int, close_ns: int, row: Row) -> Bars:
    bars = np.zeros(1, BAR_DTYPE)
    bars["stream"], bars["open_ts"], bars["close_ts"] = stream, open_ns, close_ns
    for name in FIELDS:
        bars[name] = getattr(row, name)
    return bars


def bars_of(day: Day) -> Iterator[Bars]:
    """Give a session's bars one by one: 1m, a 5m one that is nobody's business, 1d."""
    opening = instant(date.fromisoformat(day.session.date), 0)
    for stream, symbol in enumerate(SYMBOLS):
        for minute, row in day.rows[symbol].items():
            open_ns = opening + minute * MINUTE
            yield bar(stream, open_ns, open_ns + MINUTE, row)
            yield bar(2, open_ns, open_ns + 5 * MINUTE, Row(1e9, 1e9, 1e9, 1e9, 1e9))
        whole = day.whole(symbol)
        if whole is not None:
            yield bar(3 + stream, day.session.open_ns, day.session.close_ns, whole)


def figures_of(plan: SessionPlan, days: Sequence[Day]) -> Iterator[tuple[Session, tuple[Figure, ...]]]:
    """Give what is computed for every session of the run."""
    historical = HistoricalIndicators(plan)
    for day in days:
        figures = historical.start_session(day.session)
        if day.session.index >= 0:
            yield day.session, figures
        else:
            assert figures == ()
        for part in bars_of(day):
            historical.add(part)
        historical.add(np.empty(0, BAR_DTYPE))


def window_of(days: Sequence[Day], session: Session, spec: HistoricalSpec) -> list[Day]:
    earlier = [day for day in days if day.session.date < session.date]
    if spec.skip_early_close:
        earlier = [day for day in earlier if day.session.kind == "full"]
    return earlier[-spec.sessions - (spec.kind in ("atr_daily", "gap_stats")) :]


def expected(days: Sequence[Day], session: Session, spec: HistoricalSpec, symbol: str) -> object:
    """Recompute a value; None where a session or a bar is missing."""
    window = window_of(days, session, spec)
    needed = spec.sessions + (spec.kind in ("atr_daily", "gap_stats"))
    wholes = [day.whole(symbol) for day in window]
    known = [whole for whole in wholes if whole is not None]
    if len(known) < needed:
        return None
    return minutes_expected(window, session, spec, symbol) if spec.by_minute else daily_expected(known, spec)


def minutes_expected(
    window: Sequence[Day], session: Session, spec: HistoricalSpec, symbol: str
) -> list[float]:
    means = []
    for part in session.parts:
        for open_ns in range(part.open_ns, part.close_ns, MINUTE):
            shown = datetime.fromtimestamp(open_ns // 10**9, ZONE)
            minute = shown.hour * 60 + shown.minute - (9 * 60 + 30)
            rows = [day.rows[symbol][minute] for day in window if minute in day.rows[symbol]]
            found = [getattr(row, spec.field) for row in rows]
            means.append(sum(found, 0.0) / len(found) if found else math.nan)
    return means


def daily_expected(known: Sequence[Row], spec: HistoricalSpec) -> object:
    if spec.kind in TRAILING:
        reduce = {"trailing_average": np.mean, "trailing_max": max, "trailing_min": min}[spec.kind]
        return reduce([getattr(row, spec.field) for row in known])
    ranges = [row.high - row.low for row in known]
    gaps = [after.open - before.close for before, after in pairwise(known)]
    true_ranges = [
        max(after.high, before.close) - min(after.low, before.close) for before, after in pairwise(known)
    ]
    ups, downs = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    return {
        "avg_volume": np.mean([row.volume for row in known]),
        "avg_range": np.mean(ranges),
        "range_ratio": ranges[-1] / np.mean(ranges) if any(ranges) else None,
        "atr_daily": np.mean(true_ranges or [0]),
        "gap_stats": (np.mean(gaps or [0]), ups + downs, ups, downs),
        "high_low": (max(row.high for row in known), min(row.low for row in known)),
    }[spec.kind]


def same(value: HistoricalValue | None, wanted: object) -> bool:
    if wanted is None:
        return value is None
    if value is None:
        return False
    if isinstance(wanted, list):
        return bool(np.array_equal(np.asarray(value), np.array(wanted), equal_nan=True))
    return np.asarray(value) == pytest.approx(np.asarray(wanted), rel=1e-12, abs=1e-12)


kinds_of_days = st.lists(st.sampled_from(sorted(TIDES)), min_size=2, max_size=14)


@st.composite
def specs(draw: st.DrawFn, at_most: int = 4) -> tuple[HistoricalSpec, ...]:
    made = []
    for number in range(draw(st.integers(1, at_most))):
        kind = draw(st.sampled_from(TRAILING + NAMED))
        spec = HistoricalSpec(
            key=f"figure_{number}",
            kind=kind,
            sessions=draw(st.integers(1, 6)),
            symbols=draw(st.sampled_from([SYMBOLS, SYMBOLS[1:]])),
            field=draw(st.sampled_from(FIELDS)) if kind in TRAILING else "",
            by_minute=kind == "trailing_average" and draw(st.booleans()),
            skip_early_close=draw(st.booleans()),
        )
        made.append(spec)
    return tuple(made)


@settings(max_examples=120)
@given(
    kinds=kinds_of_days,
    wanted=specs(),
    seed=st.integers(0, 2**32),
    holes=st.sampled_from([0.0, 0.1, 0.6]),
    data=st.data(),
)
def test_every_figure_is_what_the_bars_of_its_window_make_of_it(
    kinds: list[str], wanted: tuple[HistoricalSpec, ...], seed: int, holes: float, data: st.DataObject
) -> None:
    history = data.draw(st.integers(0, len(kinds) - 1))
    days = days_of(kinds, history, seed, holes)
    plan = plan_of(days, wanted)
    board = HistoricalBoard(plan)
    for session, figures in figures_of(plan, days):
        board.start_session(figures)
        assert len(figures) == sum(len(spec.symbols) for spec in wanted)
        for spec in wanted:
            for symbol in spec.symbols:
                value = board.value(spec.key, symbol)
                assert same(value, expected(days, session, spec, symbol)), (spec, symbol, session.date)
                assert (value is None) == bool(board.reason(spec.key, symbol))


@settings(max_examples=60)
@given(kinds=kinds_of_days, wanted=specs(), seed=st.integers(0, 2**32), data=st.data())
def test_a_run_that_starts_later_has_the_same_figures_bit_by_bit(
    kinds: list[str], wanted: tuple[HistoricalSpec, ...], seed: int, data: st.DataObject
) -> None:
    days = days_of(kinds, 0, seed, 0.3)
    start = data.draw(st.integers(0, len(kinds) - 1))
    later = [
        Day(msgspec.structs.replace(day.session, index=place - start), day.rows)
        for place, day in enumerate(days)
    ]
    whole = list(figures_of(plan_of(days, wanted), days))
    assert [figures for _, figures in figures_of(plan_of(later, wanted), later)] == [
        figures for _, figures in whole[start:]
    ]


@settings(max_examples=60)
@given(name=st.sampled_from(NAMED), period=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_a_named_figure_is_the_session_indicator_of_that_name_fed_the_same_sessions(
    name: str, period: int, seed: int
) -> None:
    spec = HistoricalSpec("figure", name, period, SYMBOLS)
    days = days_of(["full"] * (spec.sessions_needed + 1), spec.sessions_needed, seed, 0.0)
    plan = plan_of(days, [spec])
    board = HistoricalBoard(plan)
    [(_, figures)] = figures_of(plan, days)
    board.start_session(figures)
    for symbol in SYMBOLS:
        indicator, value = build(IndicatorSpec(name, "1d", {"period": period})), None
        for day in days[:-1]:
            value = indicator.start_session(value)
            whole = day.whole(symbol)
            assert whole is not None
            indicator.update(BarColumns.of_block(bar(3, 0, 1, whole)))
        value = indicator.start_session(value)
        assert board.value("figure", symbol) == value
        assert type(board.value("figure", symbol)) is type(value)


def board_after(days: Sequence[Day], *wanted: HistoricalSpec) -> HistoricalBoard:
    """Give what is known in the last session."""
    plan = plan_of(days, wanted)
    board = HistoricalBoard(plan)
    for _, figures in figures_of(plan, days):
        board.start_session(figures)
    return board


def test_what_is_missing_is_named_and_gives_no_value() -> None:
    days = days_of(["full"] * 8, 7, 1, 0.0)
    for place in (1, 2, 3, 5):
        days[place].rows["AAA"].clear()
    average = HistoricalSpec("average", "avg_volume", 7, SYMBOLS)
    high = HistoricalSpec("high", "trailing_max", 9, ("BBB",), "high")
    profile = HistoricalSpec("profile", "trailing_average", 2, ("AAA",), "close", by_minute=True)
    last = HistoricalSpec("last", "trailing_max", 1, ("AAA",), "high")
    hole = HistoricalSpec("hole", "trailing_max", 2, ("AAA",), "high", skip_early_close=True)
    board = board_after([*days[:7], days[7]], average, high, profile, last, hole)
    assert board.reason("average", "AAA") == (
        "needs 7 sessions, history has 3: no bars on 2025-03-04, 2025-03-05, 2025-03-06 and 1 more"
    )
    assert board.value("average", "BBB") is not None
    assert board.reason("average", "BBB") is None
    assert board.reason("high", "BBB") == "needs 9 sessions, history has 7"
    assert board.reason("profile", "AAA") == "needs 2 sessions, history has 1: no bars on 2025-03-08"
    assert board.value("profile", "AAA") is None
    assert board.value("last", "AAA") is not None
    assert board.reason("hole", "AAA") == "needs 2 sessions, history has 1: no bars on 2025-03-08"


def test_volume_that_is_stored_as_0_is_a_value() -> None:
    days = days_of(["full"] * 2, 1, 1, 0.0)
    days[0].rows["AAA"] = {0: Row(1.0, 1.0, 1.0, 1.0, 0.0)}
    wanted = (
        HistoricalSpec("average", "avg_volume", 1, SYMBOLS),
        HistoricalSpec("profile", "trailing_average", 1, SYMBOLS, "volume", by_minute=True),
        HistoricalSpec("ratio", "range_ratio", 1, SYMBOLS),
    )
    board = board_after(days, *wanted)
    assert board.value("average", "AAA") == 0.0
    profile = board.value("profile", "AAA")
    assert isinstance(profile, np.ndarray)
    assert profile[0] == 0.0
    assert np.isnan(profile[1:]).all()
    assert board.value("ratio", "AAA") is None
    assert board.reason("ratio", "AAA") == "no price moved in these sessions"


def test_an_array_cannot_be_written_to() -> None:
    days = days_of(["full"] * 2, 1, 1, 0.0)
    board = board_after(
        days, HistoricalSpec("profile", "trailing_average", 1, SYMBOLS, "open", by_minute=True)
    )
    profile = board.value("profile", "AAA")
    assert isinstance(profile, np.ndarray)
    with pytest.raises(ValueError, match="read-only"):
        profile[0] = 1.0


def test_a_key_or_symbol_that_is_not_configured_is_named_beside_those_that_are() -> None:
    days = days_of(["full"] * 2, 1, 1, 0.0)
    board = board_after(
        days,
        HistoricalSpec("b", "avg_volume", 1, ("AAA",)),
        HistoricalSpec("a", "avg_volume", 1, SYMBOLS),
    )
    with pytest.raises(UnknownHistorical, match=r"no historical indicator c of AAA: .* it has: a, b$"):
        board.value("c", "AAA")
    with pytest.raises(UnknownHistorical, match=r"no historical indicator b of BBB: .* it has: a$"):
        board.reason("b", "BBB")


def test_bars_outside_of_regular_hours_are_no_part_of_a_profile() -> None:
    days = days_of(["full", "half", "full"], 2, 1, 0.0)
    profile = HistoricalSpec("profile", "trailing_average", 2, ("AAA",), "close", by_minute=True)
    plan = plan_of(days, [profile])
    historical = HistoricalIndicators(plan)
    for day in days[:2]:
        historical.start_session(day.session)
        for part in bars_of(day):
            historical.add(part)
    late = days[1].session.close_ns + MINUTE
    historical.add(bar(0, late, late + MINUTE, Row(1e9, 1e9, 1e9, 1e9, 1e9)))
    board = HistoricalBoard(plan)
    board.start_session(historical.start_session(days[2].session))
    assert same(board.value("profile", "AAA"), expected(days, days[2].session, profile, "AAA"))
