from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.aggregation import PENDING_ROWS, Aggregation
from actors.domain.grid import event_times, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Flow, Hours, Rules, Session, SessionPlan, Stream, Trading
from protocol.blocks import BAR_DTYPE, BarFlag, Bars
from tests.random_bars import random_bars

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000
FULL, HALF = ((0, 390),), ((0, 210),)
LUNCH = ((0, 150), (210, 363))
Row = tuple[Any, ...]


def session_of(parts: tuple[tuple[int, int], ...], index: int = 0) -> Session:
    day = OPEN + index * 1440 * MINUTE
    hours = tuple(Hours(day + first * MINUTE, day + last * MINUTE) for first, last in parts)
    return Session(index, "2025-07-02", "full", hours[0].open_ns, hours[-1].close_ns, hours, day - MINUTE)


def plan_of(
    streamed: dict[str, str], generated: dict[str, tuple[str, ...]], min_coverage: float = 0.0
) -> SessionPlan:
    wanted = [(Interval.parse(base), symbol) for symbol, base in streamed.items()]
    wanted += [(Interval.parse(text), symbol) for symbol, texts in generated.items() for text in texts]
    wanted.sort(key=lambda pair: (pair[0], list(streamed).index(pair[1])))
    ids = {(symbol, str(interval)): number for number, (interval, symbol) in enumerate(wanted)}
    streams = tuple(
        Stream(number, symbol, text, "STREAMED", "")
        if streamed[symbol] == text
        else Stream(number, symbol, text, "GENERATED", "", base=ids[symbol, streamed[symbol]])
        for (symbol, text), number in ids.items()
    )
    rules = Rules(min_coverage=min_coverage)
    return SessionPlan(
        *(1, "test", "XNYS", "America/New_York", "2025-07-02", "2025-07-02", "/catalog", tuple(streamed)),
        *((), (), (), streams, (), (), (), (), Flow(), rules, Trading(1.0, 1.0, 1.0, 1)),
    )


def base_bars(plan: SessionPlan, session: Session, presence: list[float], seed: int) -> Bars:
    """Make bars with random prices, volumes with fractions, and holes, by (close_ts, stream)."""
    rng = np.random.default_rng(seed)
    blocks = [
        full[rng.random(len(full)) < presence[number % len(presence)]]
        for number, stream in enumerate(plan.base_streams)
        for full in [all_bars(session, stream, rng)]
    ]
    bars = np.concatenate(blocks)
    return bars[np.lexsort((bars["stream"], bars["close_ts"]))]


def all_bars(session: Session, stream: Stream, rng: np.random.Generator) -> Bars:
    return random_bars(session, stream, rng, filled=0.01)


def windows_of(
    plan: SessionPlan, session: Session, bars: Bars, size: int, seed: int
) -> Iterator[tuple[Bars, int]]:
    """Cut a session into windows of 1 to `size` steps; each comes with its last step."""
    steps = event_times(session, tuple(Interval.parse(stream.interval) for stream in plan.base_streams))
    rng = np.random.default_rng(seed)
    cuts = np.unique(np.minimum(np.cumsum(rng.integers(1, size + 1, len(steps))), len(steps)))
    edges = [0, *np.searchsorted(bars["close_ts"], steps[cuts - 1], side="right").tolist()]
    for (first, end), cut in zip(pairwise(edges), cuts, strict=True):
        yield bars[first:end], int(steps[cut - 1])


def batch(plan: SessionPlan, session: Session, bars: Bars) -> list[Row]:
    """Compute all derived bars of a session in the plainest way."""
    rows = [
        derived_row(stream, bounds, members, slots)
        for stream in plan.served
        if stream.base is not None
        for bounds in bins(session, stream)
        if (members := [row for row in bars.tolist() if row[0] == stream.base and within(row[4], bounds)])
        for slots in [expected_opens(session, Interval.parse(plan.served[stream.base].interval)).tolist()]
    ]
    return sorted(rows, key=lambda row: (row[5], row[0]))


def bins(session: Session, stream: Stream) -> Iterator[tuple[int, int, bool]]:
    if stream.interval == "1d":
        yield session.open_ns, session.close_ns, False
        return
    for part in session.parts:
        for opens in range(part.open_ns, part.close_ns, stream.length_ns):
            yield (
                opens,
                min(opens + stream.length_ns, part.close_ns),
                opens + stream.length_ns > part.close_ns,
            )


def within(instant: int, bounds: tuple[int, int, bool]) -> bool:
    return bounds[0] <= instant < bounds[1]


def derived_row(stream: Stream, bounds: tuple[int, int, bool], members: list[Row], slots: list[int]) -> Row:
    own = [slot for slot in slots if within(slot, bounds)]
    present = [own.index(row[4]) for row in members]
    volume = 0.0
    for row in members:
        volume += row[10]
    flags = BarFlag.PARTIAL * (len(members) < len(own)) | BarFlag.CLIPPED * bounds[2]
    flags |= BarFlag.GAP * any(later - earlier > 1 for earlier, later in pairwise(present))
    flags |= BarFlag.FILLED * any(row[1] & BarFlag.FILLED for row in members)
    high, low = max(row[7] for row in members), min(row[8] for row in members)
    counts = (int(flags), len(members), len(own))
    return (stream.id, *counts, *bounds[:2], members[0][6], high, low, members[-1][9], volume)


Shape = tuple[tuple[int, int], ...]
"""Minutes of a session's parts."""
TWO_BASES = plan_of(
    {"AAA": "1m", "BBB": "1m", "CCC": "5m"},
    {"AAA": ("5m", "15m", "1h", "1d"), "BBB": ("5m", "7m", "1d"), "CCC": ("15m", "1h", "1d")},
)
US = plan_of({"AAA": "1m"}, {"AAA": ("5m", "1h", "1d")})
SECONDS = plan_of({"AAA": "1s"}, {"AAA": ("7s", "1m", "4m", "1d")})
HOURS = plan_of({"BBB": "1h"}, {"BBB": ("2h", "4h", "1d")})
SHORT = ((0, 5), (7, 9))
"""Minutes of a session that is short enough for seconds."""


presences = st.lists(st.sampled_from([0.0, 0.02, 0.5, 0.98, 1.0]), min_size=1, max_size=3)
seeds = st.integers(0, 2**32 - 1)


def check_every_session(
    plan: SessionPlan, parts: list[Shape], presence: list[float], size: int, pending_rows: int, seed: int
) -> None:
    """Fold window by window, and compare with the batch."""
    aggregation = Aggregation(plan, pending_rows)
    for index, hours in enumerate(parts):
        session = session_of(hours, index)
        bars = base_bars(plan, session, presence, seed + index)
        aggregation.start_session(session)
        rows: list[Row] = []
        before = session.open_ns
        for window, now_ns in windows_of(plan, session, bars, size, seed):
            folded = aggregation.fold(window, now_ns)
            assert ((folded.bars["close_ts"] > before) & (folded.bars["close_ts"] <= now_ns)).all()
            assert folded.suppressed == 0
            rows += folded.bars.tolist()
            before = now_ns
        assert rows == batch(plan, session, bars)


@settings(max_examples=20, deadline=None)
@given(
    parts=st.lists(st.sampled_from([FULL, HALF, LUNCH]), min_size=1, max_size=2),
    presence=presences,
    size=st.sampled_from([1, 7, 60, 1000]),
    pending_rows=st.sampled_from([0, 20, PENDING_ROWS]),
    seed=seeds,
)
def test_any_cut_into_windows_gives_the_bars_of_the_batch_bit_by_bit_each_once_and_not_before_its_close(
    parts: list[Shape], presence: list[float], size: int, pending_rows: int, seed: int
) -> None:
    check_every_session(TWO_BASES, parts, presence, size, pending_rows, seed)


@settings(max_examples=8, deadline=None)
@given(presence=presences, size=st.sampled_from([7, 300]), seed=seeds)
def test_bars_are_folded_from_seconds_and_from_hours_alike(
    presence: list[float], size: int, seed: int
) -> None:
    check_every_session(SECONDS, [SHORT], presence, size, 20, seed)
    check_every_session(HOURS, [FULL, LUNCH], presence, size, 20, seed)


@settings(max_examples=15, deadline=None)
@given(
    min_coverage=st.sampled_from([0.2, 0.5, 0.8, 1.0]),
    size=st.sampled_from([1, 30, 1000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_bars_below_the_coverage_asked_for_are_held_back_and_counted(
    min_coverage: float, size: int, seed: int
) -> None:
    plan = plan_of({"AAA": "1m", "BBB": "1m"}, {"AAA": ("5m", "1h"), "BBB": ("5m", "1d")}, min_coverage)
    session = session_of(HALF)
    bars = base_bars(plan, session, [0.7], seed)
    aggregation = Aggregation(plan)
    aggregation.start_session(session)
    folded = [aggregation.fold(*window) for window in windows_of(plan, session, bars, size, seed)]
    every = batch(plan, session, bars)
    kept = [row for row in every if row[2] / row[3] >= min_coverage]
    assert [row for part in folded for row in part.bars.tolist()] == kept
    assert sum(part.suppressed for part in folded) == len(every) - len(kept)


def fold_whole(plan: SessionPlan, session: Session, bars: Bars) -> dict[str, Bars]:
    aggregation = Aggregation(plan)
    aggregation.start_session(session)
    derived = aggregation.fold(bars, session.close_ns).bars
    return {stream.interval: derived[derived["stream"] == stream.id] for stream in plan.served}


def test_a_full_us_day_has_seven_hourly_bars_the_last_one_clipped_at_the_close_and_one_daily_bar() -> None:
    session = session_of(FULL)
    derived = fold_whole(US, session, all_bars(session, US.served[0], np.random.default_rng(1)))
    hourly = derived["1h"]
    assert [(row["open_ts"] - OPEN) // MINUTE for row in hourly] == [0, 60, 120, 180, 240, 300, 360]
    assert (hourly["close_ts"][-1] - OPEN) // MINUTE == 390
    assert hourly["n_expected"].tolist() == hourly["n_base"].tolist() == [60] * 6 + [30]
    assert (hourly["flags"] & BarFlag.CLIPPED).tolist() == [0] * 6 + [BarFlag.CLIPPED]
    assert derived["1d"]["n_base"].tolist() == [390]
    assert not (derived["1d"]["flags"] & BarFlag.CLIPPED).any()


def test_a_half_day_has_four_hourly_bars() -> None:
    session = session_of(HALF)
    derived = fold_whole(US, session, all_bars(session, US.served[0], np.random.default_rng(1)))
    assert len(derived["1h"]) == 4
    assert derived["1h"]["n_expected"].tolist() == [60, 60, 60, 30]


def test_after_a_lunch_break_bins_start_anew_and_the_day_spans_it() -> None:
    session = session_of(LUNCH)
    derived = fold_whole(US, session, all_bars(session, US.served[0], np.random.default_rng(1)))
    assert ((derived["1h"]["open_ts"] - OPEN) // MINUTE).tolist() == [0, 60, 120, 210, 270, 330]
    assert derived["1h"]["n_expected"].tolist() == [60, 60, 30, 60, 60, 33]
    assert derived["1d"]["n_expected"].tolist() == [303]


@pytest.mark.parametrize(
    ("minutes", "flags"),
    [
        ((0, 1, 2, 3, 4), 0),
        ((0, 1, 3, 4), BarFlag.PARTIAL | BarFlag.GAP),
        ((0, 1, 2), BarFlag.PARTIAL),
        ((3, 4), BarFlag.PARTIAL),
        ((2,), BarFlag.PARTIAL),
        ((0, 4), BarFlag.PARTIAL | BarFlag.GAP),
    ],
)
def test_a_gap_is_a_bar_missing_between_two_that_are_there(minutes: tuple[int, ...], flags: int) -> None:
    session = session_of(FULL)
    bars = all_bars(session, US.served[0], np.random.default_rng(1))
    bars["flags"] = 0
    derived = fold_whole(US, session, bars[list(minutes)])["5m"]
    assert derived["flags"].tolist() == [flags]
    assert derived["n_base"].tolist() == [len(minutes)]


def test_a_rebuilt_base_bar_marks_every_bar_it_went_into() -> None:
    session = session_of(FULL)
    bars = all_bars(session, US.served[0], np.random.default_rng(1))
    bars["flags"] = 0
    bars["flags"][7] = BarFlag.FILLED
    derived = fold_whole(US, session, bars)
    assert np.flatnonzero(derived["5m"]["flags"] & BarFlag.FILLED).tolist() == [1]
    assert np.flatnonzero(derived["1h"]["flags"] & BarFlag.FILLED).tolist() == [0]
    assert derived["1d"]["flags"].tolist() == [BarFlag.FILLED]


def test_a_session_without_a_bar_gives_none() -> None:
    derived = fold_whole(US, session_of(FULL), np.empty(0, BAR_DTYPE))
    assert all(len(bars) == 0 for bars in derived.values())
