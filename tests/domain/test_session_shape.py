"""Extended hours and anchors, against what the clocks in New York and elsewhere show."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import pairwise

import exchange_calendars
import pytest
from exchange_calendars import calendar_utils

from actors.domain.calendar_table import CalendarTable, sessions_between
from actors.domain.session_plan import Hours, Session
from actors.domain.session_shape import has_extended_hours, shape
from actors.domain.session_stretches import stretches

Tables = Mapping[str, CalendarTable]


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def utc(instant_ns: int) -> str:
    return datetime.fromtimestamp(instant_ns / 10**9, UTC).strftime("%m-%d %H:%M")


def shaped(
    tables: Tables, name: str, first: str, last: str, *, extended: bool = True, clock: bool = False
) -> tuple[Session, ...]:
    table = tables[name]
    sessions = sessions_between(table, date.fromisoformat(first), date.fromisoformat(last))
    return shape(sessions, table.timezone, extended=extended, clock=clock)


def test_a_session_gets_a_part_before_and_one_after(tables: Tables) -> None:
    (session,) = shaped(tables, "XNYS", "2025-07-02", "2025-07-02")
    marks = [instant(f"2025-07-02T{time}-04:00") for time in ("04:00", "09:30", "16:00", "20:00")]
    assert session.parts == (
        Hours(marks[0], marks[1], "pre"),
        Hours(marks[1], marks[2]),
        Hours(marks[2], marks[3], "post"),
    )
    assert (session.open_ns, session.close_ns) == (marks[0], marks[3])
    assert session.regular == session.parts[1:2]


def test_a_half_day_s_extended_hours_end_at_17_and_the_next_session_knows(tables: Tables) -> None:
    half, full = shaped(tables, "XNYS", "2025-07-03", "2025-07-07")
    assert half.close_ns == full.previous_close_ns == instant("2025-07-03T17:00-04:00")
    assert half.previous_close_ns == instant("2025-07-02T20:00-04:00")


def test_extended_hours_follow_the_clock_when_it_is_changed(tables: Tables) -> None:
    winter, summer = shaped(tables, "XNYS", "2025-03-07", "2025-03-10")
    assert [utc(part.open_ns) for part in winter.parts] == ["03-07 09:00", "03-07 14:30", "03-07 21:00"]
    assert [utc(part.open_ns) for part in summer.parts] == ["03-10 08:00", "03-10 13:30", "03-10 20:00"]
    assert utc(summer.previous_close_ns) == "03-08 01:00"


def test_sessions_with_extended_hours_follow_one_another_in_35_years(tables: Tables) -> None:
    sessions = shaped(tables, "XNYS", "1990-01-02", "2025-12-31")
    assert sessions[0].previous_close_ns == sessions[0].open_ns
    for before, session in pairwise(sessions):
        assert session.previous_close_ns == before.close_ns < session.open_ns
        assert all(part.open_ns < part.close_ns for part in session.parts)
        assert [part.kind for part in session.parts] == ["pre", "regular", "post"]


def test_extended_hours_are_known_for_the_new_york_calendar_under_all_its_names() -> None:
    names = exchange_calendars.get_calendar_names(include_aliases=True)
    aliases = calendar_utils.global_calendar_dispatcher.resolve_alias
    assert {name for name in names if has_extended_hours(name)} == {
        name for name in names if aliases(name) == "XNYS"
    }


@pytest.mark.parametrize(
    ("name", "day", "anchors"),
    [
        ("XNYS", "2025-07-02", ["07-02 04:00"]),
        ("XHKG", "2025-07-02", ["07-01 16:00", "07-01 16:00"]),
        ("CMES", "2025-07-02", ["07-01 05:00"]),
        ("CMES", "2025-03-10", ["03-09 05:00"]),
        ("24/7", "2025-07-02", ["07-02 00:00"]),
    ],
)
def test_on_the_clock_bins_are_counted_from_the_local_midnight_before_a_part(
    name: str, day: str, anchors: list[str], tables: Tables
) -> None:
    (session,) = shaped(tables, name, day, day, extended=False, clock=True)
    assert [utc(part.anchor_ns or 0) for part in session.parts] == anchors


def test_a_session_that_nothing_is_asked_of_stays_as_it_is(tables: Tables) -> None:
    table = tables["XHKG"]
    sessions = sessions_between(table, date(2025, 7, 2), date(2025, 7, 4))
    assert shape(sessions, table.timezone, extended=False, clock=False) == sessions


def test_stretches_are_divided_by_kind_and_not_by_a_lunch_break() -> None:
    lunch = (Hours(0, 10, "pre"), Hours(10, 20), Hours(30, 40), Hours(40, 50, "post"))
    session = Session(0, "2025-07-02", "full", 0, 50, lunch, 0)
    found = stretches(session)
    assert [(each.open_ns, each.close_ns) for each in found] == [(0, 10), (10, 40), (40, 50)]
    assert [each.parts for each in found] == [lunch[:1], lunch[1:3], lunch[3:]]
    assert [each.parts for each in stretches(found[1])] == [lunch[1:3]]
