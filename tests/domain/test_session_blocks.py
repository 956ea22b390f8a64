"""Blocks of sessions against Python's own ISO calendar, and against counting sessions one by one."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.calendar_table import CalendarTable, sessions_between
from actors.domain.intervals import Interval
from actors.domain.session_blocks import (
    block_of,
    closes_block,
    sessions_since_block_start,
    with_lead_sessions,
)
from actors.domain.session_plan import Session, Stream
from actors.runtime.calendars import Calendars

WEEK = Interval(1, "w")
NAMES = ("XNYS", "XHKG", "24/7")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CalendarTable]:
    calendars = Calendars(tmp_path_factory.mktemp("calendars"))
    return {name: calendars.table(name, date(2025, 12, 31)) for name in NAMES}


def iso_week(session: Session) -> tuple[int, int]:
    return date.fromisoformat(session.date).isocalendar()[:2]


@pytest.mark.parametrize("name", NAMES)
def test_in_twenty_years_weeks_are_those_of_the_iso_calendar_and_close_with_their_last_session(
    tables: dict[str, CalendarTable], name: str
) -> None:
    sessions = sessions_between(tables[name], date(2005, 1, 1), date(2025, 1, 31))

    for before, after in pairwise(sessions):
        same = iso_week(before) == iso_week(after)
        assert (block_of(before, WEEK) == block_of(after, WEEK)) == same
        assert closes_block(before, WEEK) == (not same)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_nth_session_closes_a_block_of_n(
    tables: dict[str, CalendarTable], name: str, count: int
) -> None:
    sessions = sessions_between(tables[name], date(2024, 12, 1), date(2025, 2, 28))
    interval = Interval(count, "d")

    closing = [place for place, session in enumerate(sessions) if closes_block(session, interval)]
    assert [after - before for before, after in pairwise(closing)] == [count] * (len(closing) - 1)
    for before, after in pairwise(sessions):
        assert closes_block(before, interval) == (block_of(before, interval) != block_of(after, interval))


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        ("2025-07-02", False),
        ("2025-07-03", True),
        ("2024-12-31", False),
        ("2021-01-08", True),
        ("2020-12-31", True),
        ("2025-06-27", True),
    ],
)
def test_before_a_friday_holiday_thursday_closes_the_week_and_no_year_cuts_one(
    tables: dict[str, CalendarTable], day: str, *, closes: bool
) -> None:
    (session,) = sessions_between(tables["XNYS"], date.fromisoformat(day), date.fromisoformat(day))

    assert closes_block(session, WEEK) == closes


def test_two_weeks_begin_with_every_second_monday_from_the_epoch_on(
    tables: dict[str, CalendarTable],
) -> None:
    for session in sessions_between(tables["24/7"], date(2024, 12, 1), date(2025, 2, 28)):
        days = date.fromisoformat(session.date).toordinal() - date(1970, 1, 5).toordinal()
        assert block_of(session, Interval(2, "w")) == days // 14
        assert closes_block(session, Interval(2, "w")) == (days % 14 == 13)


def test_a_week_at_the_calendar_s_end_stays_open_and_a_full_block_of_sessions_closes() -> None:
    last = Session(0, "2025-07-04", "full", 0, 1, (), 0, ordinal=9)

    assert not closes_block(last, WEEK)
    assert closes_block(last, Interval(2, "d"))
    assert not closes_block(last, Interval(3, "d"))


@given(
    name=st.sampled_from(NAMES),
    day=st.dates(date(2000, 1, 1), date(2025, 6, 30)),
    interval=st.sampled_from(["2d", "3d", "20d", "1w", "2w", "13w"]).map(Interval.parse),
)
@settings(max_examples=100)
def test_the_sessions_since_a_block_s_start_are_those_before_in_the_same_block(
    tables: dict[str, CalendarTable], name: str, day: date, interval: Interval
) -> None:
    *before, session = sessions_between(tables[name], day - timedelta(days=150), day + timedelta(days=14))
    same = [one for one in before if block_of(one, interval) == block_of(session, interval)]

    assert sessions_since_block_start(tables[name], session.ordinal, interval) == len(same)


def test_a_base_is_read_from_the_earliest_block_that_its_history_begins_in(
    tables: dict[str, CalendarTable],
) -> None:
    (thursday,) = sessions_between(tables["XNYS"], date(2025, 6, 26), date(2025, 6, 26))
    streams = (
        Stream(0, "A", "1m", "STREAMED", "", history_sessions=1),
        Stream(1, "B", "1m", "STREAMED", ""),
        Stream(2, "C", "1m", "STREAMED", ""),
        Stream(3, "A", "1d", "GENERATED", "", 0),
        Stream(4, "C", "1d", "GENERATED", "", 2),
        Stream(5, "A", "1w", "GENERATED", "", 0),
        Stream(6, "B", "1w", "GENERATED", "", 1),
        Stream(7, "A", "2w", "IGNORED", ""),
    )

    found = with_lead_sessions(streams, tables["XNYS"], thursday)

    assert [stream.lead_sessions for stream in found] == [2, 3, 0, 0, 0, 0, 0, 0]
    assert [stream.sessions_read for stream in found[:3]] == [3, 3, 0]


def test_a_calendar_that_begins_within_a_block_is_read_from_its_first_session(
    tables: dict[str, CalendarTable],
) -> None:
    table = tables["XNYS"]
    session = sessions_between(table, table.first, table.first + timedelta(days=10))[3]
    streams = (Stream(0, "A", "1m", "STREAMED", ""), Stream(1, "A", "60d", "GENERATED", "", 0))

    assert with_lead_sessions(streams, table, session)[0].lead_sessions == 3
    too_long = (Stream(0, "A", "1m", "STREAMED", "", history_sessions=9), streams[1])
    assert with_lead_sessions(too_long, table, session)[0].lead_sessions == 0
