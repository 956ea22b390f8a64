"""Questions about sessions, asked of a small calendar whose answers can be counted by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.calendar_table import (
    CalendarTable,
    NoSession,
    OutsideCalendar,
    holidays_between,
    session_preceding,
    sessions_before,
    sessions_between,
    sessions_spanning,
)
from actors.domain.session_plan import Hours

FIRST, LAST = date(2025, 6, 28), date(2025, 7, 31)
HOLIDAY, HALF_DAY = date(2025, 7, 4), date(2025, 7, 3)
BREAKS_FROM = date(2025, 7, 14)


def at(day: date, hour: int) -> int:
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000


def close_of(day: date) -> int:
    return at(day, 13 if day == HALF_DAY else 17)


ALL_DAYS = [FIRST + timedelta(days=count) for count in range((LAST - FIRST).days + 1)]
OPEN_DAYS = [day for day in ALL_DAYS if day.weekday() < 5 and day != HOLIDAY]
TABLE = CalendarTable(
    name="TEST",
    timezone="UTC",
    first=FIRST,
    last=LAST,
    weekmask="1111100",
    days=np.array(OPEN_DAYS, dtype="datetime64[D]"),
    opens=np.array([at(day, 9) for day in OPEN_DAYS]),
    break_starts=np.array([at(day, 12) if day >= BREAKS_FROM else close_of(day) for day in OPEN_DAYS]),
    break_ends=np.array([at(day, 13) if day >= BREAKS_FROM else close_of(day) for day in OPEN_DAYS]),
    closes=np.array([close_of(day) for day in OPEN_DAYS]),
    halves=np.array([day == HALF_DAY for day in OPEN_DAYS]),
)
days = st.sampled_from(ALL_DAYS)


def test_the_example_window_is_three_sessions_the_middle_one_half() -> None:
    sessions = sessions_between(TABLE, date(2025, 7, 2), date(2025, 7, 7))

    assert [(s.index, s.date, s.kind) for s in sessions] == [
        (0, "2025-07-02", "full"),
        (1, "2025-07-03", "half"),
        (2, "2025-07-07", "full"),
    ]
    assert holidays_between(TABLE, date(2025, 7, 2), date(2025, 7, 7)) == (HOLIDAY,)


def test_a_break_splits_a_session_into_two_parts() -> None:
    (whole,) = sessions_between(TABLE, date(2025, 7, 11), date(2025, 7, 11))
    (split,) = sessions_between(TABLE, BREAKS_FROM, BREAKS_FROM)

    assert whole.parts == (Hours(whole.open_ns, whole.close_ns),)
    assert split.parts == (
        Hours(split.open_ns, at(BREAKS_FROM, 12)),
        Hours(at(BREAKS_FROM, 13), split.close_ns),
    )


@given(days, days)
@settings(max_examples=200)
def test_a_window_rolls_inward_to_the_sessions_it_holds(one: date, other: date) -> None:
    first, last = sorted((one, other))
    expected = [day for day in OPEN_DAYS if first <= day <= last]

    if not expected:
        with pytest.raises(NoSession) as caught:
            sessions_between(TABLE, first, last)
        assert (caught.value.first, caught.value.last) == (first, last)
        return
    sessions = sessions_between(TABLE, first, last)
    assert [session.date for session in sessions] == [str(day) for day in expected]
    assert [session.index for session in sessions] == list(range(len(expected)))


def test_the_session_before_one_counts_on_downwards_and_the_first_has_none() -> None:
    sessions = sessions_between(TABLE, FIRST, LAST)

    assert session_preceding(TABLE, sessions[0]) is None
    before = session_preceding(TABLE, sessions[1])
    assert before is not None
    assert (before.index, before.date, before.close_ns) == (0, sessions[0].date, sessions[0].close_ns)


hours = st.builds(at, days, st.integers(0, 23))


@given(hours, hours)
@settings(max_examples=200)
def test_stamps_span_the_sessions_that_close_after_the_first_and_open_by_the_last(
    one: int, other: int
) -> None:
    first, last = sorted((one, other))
    expected = [str(day) for day in OPEN_DAYS if close_of(day) > first and at(day, 9) <= last]

    sessions = sessions_spanning(TABLE, first, last)

    assert [session.date for session in sessions] == expected
    assert [session.index for session in sessions] == list(range(len(expected)))


def test_stamps_that_the_calendar_does_not_cover_are_refused() -> None:
    with pytest.raises(OutsideCalendar):
        sessions_spanning(TABLE, at(FIRST - timedelta(days=1), 12), at(LAST, 12))


@given(days, days)
@settings(max_examples=200)
def test_holidays_and_sessions_share_out_the_weekdays(one: date, other: date) -> None:
    first, last = sorted((one, other))
    weekdays = [day for day in ALL_DAYS if first <= day <= last and day.weekday() < 5]

    holidays = holidays_between(TABLE, first, last)

    assert list(holidays) == [day for day in weekdays if day not in OPEN_DAYS]


@given(days, st.integers(0, 30))
@settings(max_examples=200)
def test_history_is_the_sessions_just_before_a_day_or_an_error(day: date, count: int) -> None:
    before = [str(other) for other in OPEN_DAYS if other < day]

    if count > len(before):
        with pytest.raises(OutsideCalendar, match=f"{count} sessions before {day}"):
            sessions_before(TABLE, day, count)
        return
    history = sessions_before(TABLE, day, count)
    assert [session.date for session in history] == before[len(before) - count :]
    assert [session.index for session in history] == list(range(-count, 0))


def test_the_previous_close_is_that_of_the_session_before_whichever_window_is_asked_for() -> None:
    alone = sessions_between(TABLE, date(2025, 7, 7), date(2025, 7, 7))[0]
    after_others = sessions_between(TABLE, date(2025, 7, 1), date(2025, 7, 7))[-1]

    assert alone.previous_close_ns == after_others.previous_close_ns == close_of(HALF_DAY)


def test_the_first_session_of_all_takes_its_own_open_for_the_previous_close() -> None:
    session = sessions_between(TABLE, FIRST, date(2025, 6, 30))[0]

    assert session.previous_close_ns == session.open_ns


@pytest.mark.parametrize(
    ("first", "last"),
    [(FIRST - timedelta(days=1), LAST), (FIRST, LAST + timedelta(days=1))],
    ids=["before", "after"],
)
def test_a_day_outside_the_calendar_is_an_error_that_says_what_is_covered(first: date, last: date) -> None:
    with pytest.raises(OutsideCalendar, match="covers 2025-06-28 to 2025-07-31"):
        sessions_between(TABLE, first, last)
    with pytest.raises(OutsideCalendar):
        holidays_between(TABLE, first, last)


def test_an_exchange_that_opens_on_sundays_has_other_holidays() -> None:
    sunday_to_thursday = CalendarTable(**{**vars(TABLE), "weekmask": "1111001"})

    holidays = holidays_between(sunday_to_thursday, date(2025, 7, 4), date(2025, 7, 6))

    assert holidays == (date(2025, 7, 6),)
