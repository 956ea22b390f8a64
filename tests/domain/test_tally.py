from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.quality_ledger import QualityLedger, Steps
from actors.domain.session_plan import Hours, PartKind, Rules, Session, SessionPlan, Stream
from actors.domain.tally import Tally
from protocol.blocks import BAR_DTYPE, BarFlag, Bars, bar_block, quality_block, time_block
from protocol.messages import Defect, SealedWindow
from tests.plans import MINUTE, make_plan, make_session

LENGTH = 12
MINUTELY = Interval(1, "m")
HISTORY = 2


def with_extended_hours(session: Session) -> Session:
    marks = [session.open_ns + minute * MINUTE for minute in (0, 4, 9, LENGTH)]
    kinds: tuple[PartKind, ...] = ("pre", "regular", "post")
    parts = tuple(Hours(*span, kind) for span, kind in zip(pairwise(marks), kinds, strict=True))
    return structs.replace(session, parts=parts)


SESSIONS = tuple(make_session(index, LENGTH) for index in range(-HISTORY, 3))
STREAMS = (
    Stream(0, "A", "1m", "STREAMED", "", None, HISTORY),
    Stream(1, "B", "1m", "STREAMED", "", None, 1, skipped=(1,)),
    Stream(2, "A", "5m", "GENERATED", "", 0, HISTORY),
)
PLAN = make_plan(SESSIONS, STREAMS)
EXTENDED = structs.replace(
    PLAN,
    sessions=tuple(map(with_extended_hours, PLAN.sessions)),
    history=tuple(map(with_extended_hours, PLAN.history)),
)
plans = st.sampled_from([PLAN, EXTENDED])
Holes = dict[tuple[int, int], set[int]]
"""The missing minutes of each session and stream."""
minutes = st.sets(st.integers(0, LENGTH - 1), max_size=LENGTH)
holes = st.fixed_dictionaries({(session.index, stream): minutes for session in SESSIONS for stream in (0, 1)})


def is_read(session: int, stream: int) -> bool:
    return STREAMS[stream].is_read_in(session)


def bars_of(session: Session, missing: Holes, rebuilt: Holes) -> Bars:
    blocks: list[Bars] = []
    for stream in (0, 1):
        if is_read(session.index, stream):
            bars = np.zeros(LENGTH, BAR_DTYPE)
            bars["stream"] = stream
            bars["open_ts"], bars["close_ts"] = (
                expected_opens(session, MINUTELY),
                expected_closes(session, MINUTELY),
            )
            again = rebuilt.get((session.index, stream), set())
            bars["flags"][sorted(again)] = BarFlag.FILLED
            blocks.append(np.delete(bars, sorted(missing[session.index, stream] - again)))
    bars = np.concatenate(blocks)
    return bars[np.lexsort((bars["stream"], bars["close_ts"]))]


NOTHING: Holes = {}


def sealed(plan: SessionPlan, missing: Holes, size: int, rebuilt: Holes = NOTHING) -> list[SealedWindow]:
    """Play all sessions through the real quality ledger, `size` steps at a time."""
    ledger = QualityLedger(plan)
    windows: list[SealedWindow] = []
    for session in (*plan.history, *plan.sessions):
        bars, times = bars_of(session, missing, rebuilt), expected_closes(session, MINUTELY)
        ledger.start_session(session)
        for start, stop in pairwise([*range(0, LENGTH, size), LENGTH]):
            steps = times[start:stop]
            part = bars[np.isin(bars["close_ts"], steps)]
            defects = (Defect(0, "off_grid", int(times[0]), 0, "f", 0, ""),) if start == 0 else ()
            last = stop == LENGTH
            found = ledger.appraise(Steps(steps, last, part, defects))
            place = (len(windows), session.index, start == 0, last, time_block(steps), bar_block(part))
            windows.append(SealedWindow(*place, quality_block(found.records), found.gaps, defects))
    return windows


def tallied(windows: list[SealedWindow], plan: SessionPlan = PLAN) -> Tally:
    tally = Tally(plan)
    for window in windows:
        tally.add(window)
    return tally


@settings(max_examples=40)
@given(plans, holes, st.integers(1, LENGTH))
def test_totals_count_the_sessions_of_the_run_and_no_history(
    plan: SessionPlan, missing: Holes, size: int
) -> None:
    windows = sealed(plan, missing, size)
    tally = tallied(windows, plan)
    for stream, total in enumerate(tally.totals()[:2]):
        read = [session.index for session in PLAN.sessions if is_read(session.index, stream)]
        gone = sum(len(missing[index, stream]) for index in read)
        assert (total.expected, total.missing) == (len(read) * LENGTH, gone)
        assert total.bars == total.received == len(read) * LENGTH - gone
        assert total.rejected == (3 if stream == 0 else 0)
        assert total.gaps == sum(
            gap.stream == stream for window in windows if window.session >= 0 for gap in window.gaps
        )
    assert tally.published_bars == sum(window.block.n for window in windows)


@settings(max_examples=40)
@given(plans, holes, st.integers(1, 2 * LENGTH))
def test_an_unfinished_session_counts_up_to_its_last_step(
    plan: SessionPlan, missing: Holes, steps: int
) -> None:
    windows = [window for window in sealed(plan, missing, 1) if window.session >= 0][:steps]
    for stream, total in enumerate(tallied(windows, plan).totals()[:2]):
        left_out = max(0, min(steps, 2 * LENGTH) - LENGTH) if stream == 1 else 0
        assert total.expected == steps - left_out
        assert total.bars + total.missing == total.expected


@settings(max_examples=40)
@given(plans, holes, st.integers(0, 2))
def test_the_quality_of_history_is_that_of_the_sessions_which_trail(
    plan: SessionPlan, missing: Holes, session: int
) -> None:
    windows = [window for window in sealed(plan, missing, 5) if window.session < session]
    expected = gone = 0
    for stream in STREAMS:
        for index in range(max(session - stream.history_sessions, -HISTORY), session):
            base = stream.id if stream.base is None else stream.base
            expected += LENGTH * is_read(index, base)
            gone += len(missing[index, base]) * is_read(index, base)
    assert tallied(windows, plan).history_score(session) == pytest.approx(100 * (expected - gone) / expected)


@settings(max_examples=40)
@given(holes, st.integers(1, LENGTH), st.integers(0, 2**32))
def test_rebuilt_bars_are_delivered_and_still_missing(missing: Holes, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rebuilt = {
        key: {minute for minute in sorted(gone) if rng.random() < 0.5} for key, gone in missing.items()
    }
    windows = sealed(PLAN, missing, size, rebuilt)
    for stream, total in enumerate(tallied(windows).totals()[:2]):
        read = [session.index for session in PLAN.sessions if is_read(session.index, stream)]
        gone = sum(len(missing[index, stream]) for index in read)
        assert total.filled == sum(len(rebuilt[index, stream]) for index in read)
        assert total.bars == total.received + total.filled
        assert (total.received, total.missing) == (len(read) * LENGTH - gone, gone)


def test_only_the_sessions_that_a_trailing_window_reaches_are_kept() -> None:
    nothing = {(session.index, stream): set[int]() for session in SESSIONS for stream in (0, 1)}
    tally = tallied(sealed(PLAN, nothing, 5))
    assert sorted(tally._sessions) == [1, 2]


def test_without_history_its_quality_is_100() -> None:
    assert Tally(PLAN).history_score(0) == 100.0


def test_history_that_is_not_checked_has_a_quality_of_100() -> None:
    plan = make_plan(SESSIONS, STREAMS, rules=Rules(history_quality_enabled=False))
    gone = {(session.index, stream): {1, 2} for session in SESSIONS for stream in (0, 1)}
    windows = [window for window in sealed(plan, gone, 5) if window.session < 0]
    assert tallied(windows, plan).history_score(0) == 100.0
