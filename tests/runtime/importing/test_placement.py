"""Bars lie where their stamps and their calendar say."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.calendar_table import CalendarTable
from actors.domain.intervals import Interval
from actors.runtime.calendars import Calendars
from actors.runtime.importing.placement import SessionDays, off_grid, placed

DAY = Interval.parse("1d")
intervals = st.sampled_from(["1s", "1m", "5m", "1h"]).map(Interval.parse)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def instants(*texts: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([ns(text) for text in texts], dtype=np.int64)


@pytest.fixture(scope="module")
def tokyo() -> CalendarTable:
    return Calendars().table("XTKS", date(2025, 7, 31))


@given(intervals, st.lists(st.integers(0, 2**60), max_size=5))
def test_a_bar_lasts_its_interval_and_the_label_says_which_end_the_stamp_is(
    interval: Interval, stamps: list[int]
) -> None:
    column = np.array(stamps, dtype=np.int64)
    by_open, by_close = placed(column, "open", interval, None), placed(column, "close", interval, None)
    assert by_open.open_ts.tolist() == by_close.close_ts.tolist() == stamps
    assert (by_open.close_ts - by_open.open_ts == interval.length_ns).all()
    assert (by_close.close_ts - by_close.open_ts == interval.length_ns).all()


def test_a_day_is_told_by_its_date_in_the_stated_zone(tokyo: CalendarTable) -> None:
    midnight_in_tokyo = instants("2025-07-03 15:00", "2025-07-06 15:00", "2025-07-03 15:00")
    found = SessionDays(tokyo, ZoneInfo("Asia/Tokyo")).placed(midnight_in_tokyo)
    assert found.open_ts.tolist() == [ns(f"2025-07-0{day} 00:00") for day in (4, 7, 4)]
    assert found.close_ts.tolist() == [ns(f"2025-07-0{day} 06:30") for day in (4, 7, 4)]
    assert found.faults == {}


def test_a_date_without_a_session_is_a_fault_that_names_it(tokyo: CalendarTable) -> None:
    days = SessionDays(tokyo, ZoneInfo("UTC"))
    found = days.placed(instants("2025-07-04", "2025-07-06", "1971-01-04", "2199-01-04"))
    assert found.faults[1] == "2025-07-06 is no session of XTKS"
    assert list(found.faults) == [1, 2, 3]
    assert "XTKS" in found.faults[3]


@pytest.mark.parametrize(
    ("interval", "stamps", "off"),
    [
        ("1m", ("09:30", "09:30:17"), 1),
        ("5m", ("09:30", "09:32"), 1),
        ("1s", ("09:30:17",), 0),
        ("1h", ("09:30", "10:30", "10:30:30"), 1),
        ("1d", ("09:30:17",), 0),
    ],
)
def test_bars_off_the_grid_of_their_interval_are_counted(
    interval: str, stamps: tuple[str, ...], off: int
) -> None:
    opens = instants(*(f"2025-07-02 {stamp}" for stamp in stamps))
    assert off_grid(opens, Interval.parse(interval)) == off
