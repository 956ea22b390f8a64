"""Counts against the expected grid, compared with counting one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_grid import SessionGrid
from actors.domain.session_plan import Hours, Session

S = 1_000_000_000
MINUTE, FIVE, DAY = Interval(1, "m"), Interval(5, "m"), Interval(1, "d")


def session(index: int, open_s: int, minutes: int, previous_close_s: int) -> Session:
    close_s = open_s + 60 * minutes
    parts = (Hours(open_s * S, close_s * S),)
    return Session(index, f"day {index}", "full", open_s * S, close_s * S, parts, previous_close_s * S)


SESSIONS = (session(0, 6_000, 12, 0), session(1, 12_000, 7, 6_720), session(2, 18_000, 12, 12_420))
stamps = st.lists(st.integers(0, 330).map(lambda minute: minute * 60 * S) | st.integers(0, 20_000 * S)).map(
    lambda values: np.array(sorted(values), dtype=np.int64)
)


@given(stamps)
@settings(max_examples=200)
def test_rows_and_present_bars_are_those_of_a_count_one_by_one(stamps: np.ndarray) -> None:
    grid = SessionGrid.of(SESSIONS, MINUTE)

    rows, present = grid.rows(stamps), grid.present(grid.presence(stamps))

    for place, each in enumerate(SESSIONS):
        inside = [stamp for stamp in stamps.tolist() if each.previous_close_ns <= stamp < each.close_ns]
        assert rows[place] == len(inside)
        assert present[place] == len(set(inside) & set(expected_opens(each, MINUTE).tolist()))
    assert grid.expected.tolist() == [12, 7, 12]


@given(stamps, st.sampled_from([0.0, 0.4, 0.5, 1.0]))
@settings(max_examples=200)
def test_derived_bars_are_the_bins_with_enough_base_bars(stamps: np.ndarray, min_coverage: float) -> None:
    grid = SessionGrid.of(SESSIONS, MINUTE)
    presence = grid.presence(stamps)
    present = set(grid.opens[presence].tolist())

    enough = 0
    for each in SESSIONS:
        for bin_open in expected_opens(each, FIVE).tolist():
            members = [
                stamp
                for stamp in expected_opens(each, MINUTE).tolist()
                if 0 <= stamp - bin_open < FIVE.length_ns
            ]
            held = sum(stamp in present for stamp in members)
            enough += held > 0 and held / len(members) >= min_coverage

    assert grid.derived(presence, FIVE, min_coverage) == enough


def test_a_daily_bar_is_made_of_regular_hours_alone() -> None:
    marks = (6_000, 6_240, 6_600, 6_720)
    spans = zip(marks[:-1], marks[1:], ("pre", "regular", "post"), strict=True)
    parts = tuple(Hours(begin * S, end * S, kind) for begin, end, kind in spans)
    whole = Session(0, "a day", "full", 6_000 * S, 6_720 * S, parts, 0)
    grid = SessionGrid.of((whole, *SESSIONS[1:]), MINUTE)

    def daily(*stamps: int, min_coverage: float = 0.0) -> int:
        return grid.derived(grid.presence(np.array(stamps) * S), DAY, min_coverage)

    assert daily(6_000, 6_180, 6_600, 6_660) == 0
    assert daily(6_240) == 1
    assert daily(6_240, 6_300, 6_360, min_coverage=0.5) == 1
    assert daily(6_180, 6_240, 6_300, 6_600, min_coverage=0.5) == 0


@pytest.mark.parametrize(("stamp", "bars"), [(6_000, 1), (5_940, 0)])
def test_a_session_with_one_bar_makes_a_daily_bar(stamp: int, bars: int) -> None:
    grid = SessionGrid.of(SESSIONS, MINUTE)

    assert grid.derived(grid.presence(np.array([stamp * S])), DAY, 0.0) == bars
