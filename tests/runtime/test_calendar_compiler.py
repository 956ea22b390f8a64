"""Compiled tables against exchange_calendars itself."""

import contextlib
import warnings
from datetime import date
from itertools import pairwise

import exchange_calendars
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.calendar_table import CalendarTable, holidays_between, sessions_before, sessions_between
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session
from actors.runtime.calendar_compiler import BrokenCalendar, UnknownCalendar, compile_calendar

NAMES = ("XNYS", "XHKG", "24/7", "CMES", "XLON")
MINUTE = Interval(1, "m")


def load() -> dict[str, tuple[CalendarTable, exchange_calendars.ExchangeCalendar]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: (
                compile_calendar(name),
                exchange_calendars.get_calendar(name, start="1990-01-01", side="left"),
            )
            for name in NAMES
        }


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[CalendarTable, exchange_calendars.ExchangeCalendar]]:
    return load()


dates = st.dates(date(1990, 1, 1), date(2026, 6, 30))


@pytest.mark.parametrize("name", NAMES)
def test_every_session_has_the_hours_and_the_kind_of_the_original(name: str, pairs: dict) -> None:
    table, original = pairs[name]
    sessions = sessions_between(table, table.first, table.last)
    schedule = original.schedule

    assert [session.date for session in sessions] == schedule.index.strftime("%Y-%m-%d").tolist()
    assert [session.open_ns for session in sessions] == [instant.value for instant in schedule["open"]]
    assert [session.close_ns for session in sessions] == [instant.value for instant in schedule["close"]]
    halves = {*original.early_closes.strftime("%Y-%m-%d"), *original.late_opens.strftime("%Y-%m-%d")}
    assert {session.date for session in sessions if session.kind == "half"} == halves


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["XNYS", "XHKG", "CMES", "XLON"])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_the_grid_of_a_session_is_its_trading_minutes(name: str, pairs: dict, data: st.DataObject) -> None:
    table, original = pairs[name]
    row = data.draw(st.integers(0, len(table) - 1))
    day = table.days[row].item()
    (session,) = sessions_between(table, day, day)

    minutes = original.session_minutes(original.sessions[row])

    opens = expected_opens(session, MINUTE)
    trading = np.array([minute.value for minute in minutes])
    assert np.array_equal(opens, trading)


@pytest.mark.parametrize("name", NAMES)
@given(day=dates, count=st.integers(0, 60))
@settings(max_examples=25, deadline=None)
def test_trailing_sessions_are_those_of_the_original(name: str, pairs: dict, day: date, count: int) -> None:
    table, original = pairs[name]
    earlier = original.sessions[original.sessions < str(day)]
    if len(earlier) < count:
        return

    history = sessions_before(table, day, count)

    expected = earlier[len(earlier) - count :].strftime("%Y-%m-%d").tolist()
    assert [session.date for session in history] == expected
    assert all(a.close_ns == b.previous_close_ns for a, b in pairwise(history))


def steps(session: Session) -> int:
    return len(expected_opens(session, MINUTE))


def test_new_york_around_independence_day(pairs: dict) -> None:
    table, _ = pairs["XNYS"]

    sessions = sessions_between(table, date(2025, 7, 2), date(2025, 7, 7))

    assert [(s.date, s.kind, steps(s)) for s in sessions] == [
        ("2025-07-02", "full", 390),
        ("2025-07-03", "half", 210),
        ("2025-07-07", "full", 390),
    ]
    assert holidays_between(table, date(2025, 7, 2), date(2025, 7, 7)) == (date(2025, 7, 4),)
    assert table.timezone == "America/New_York"


def test_hong_kong_has_a_lunch_break_except_where_it_closes_at_noon(pairs: dict) -> None:
    table, _ = pairs["XHKG"]

    christmas_eve, boxing_week = sessions_between(table, date(2025, 12, 24), date(2025, 12, 29))

    assert (christmas_eve.kind, len(christmas_eve.parts), steps(christmas_eve)) == ("half", 1, 150)
    assert (boxing_week.kind, len(boxing_week.parts), steps(boxing_week)) == ("full", 2, 330)


def test_crypto_trades_every_utc_day_from_midnight_to_midnight(pairs: dict) -> None:
    table, _ = pairs["24/7"]

    sessions = sessions_between(table, date(2025, 7, 3), date(2025, 7, 7))

    assert [(s.kind, steps(s)) for s in sessions] == [("full", 1440)] * 5
    assert [s.open_ns for s in sessions] == [s.previous_close_ns for s in sessions]
    assert holidays_between(table, date(2025, 7, 3), date(2025, 7, 7)) == ()


def test_futures_open_the_evening_before_the_date_of_their_session(pairs: dict) -> None:
    table, _ = pairs["CMES"]

    (monday,) = sessions_between(table, date(2025, 7, 7), date(2025, 7, 7))

    sunday_evening = np.datetime64("2025-07-06T22:00", "ns").astype(np.int64)
    assert (monday.date, monday.open_ns) == ("2025-07-07", sunday_evening)


def test_a_calendar_that_cannot_reach_back_to_1990_says_so_in_its_years() -> None:
    table = compile_calendar("XTKS")

    assert table.first == date(1997, 1, 1)


@pytest.mark.parametrize(("written", "meant"), [("xnys", "XNYS"), ("NYS", "NYSE"), ("24x7", "24/7")])
def test_an_unknown_calendar_is_answered_with_the_nearest_known_ones(written: str, meant: str) -> None:
    with pytest.raises(UnknownCalendar) as caught:
        compile_calendar(written)

    assert meant in caught.value.nearest
    assert meant in str(caught.value)


def test_an_unknown_calendar_that_is_like_none_is_still_answered() -> None:
    with pytest.raises(UnknownCalendar, match="XNYS and 24/7"):
        compile_calendar("@@@@@@@@")


@pytest.mark.parametrize("name", ["ASEX", "XTAE"])
def test_a_calendar_that_some_version_of_pandas_breaks_is_compiled_or_an_error_of_ours(name: str) -> None:
    with contextlib.suppress(BrokenCalendar):
        assert len(compile_calendar(name)) > 0
