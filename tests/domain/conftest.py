"""Weeks of real exchanges that are easily got wrong, as exchange_calendars tells them."""

import warnings
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

import exchange_calendars
import pandas as pd
import pytest

from actors.domain.calendar_table import CalendarTable, sessions_between
from actors.domain.session_plan import Session
from actors.runtime.calendar_compiler import compile_calendar

CALENDARS = ("24/7", "XNYS", "XLON", "XHKG", "CMES")
WEEKS = {
    "24/7 leap day": ("24/7", "2024-02-26", "2024-03-03"),
    "24/7 new year": ("24/7", "2024-12-29", "2025-01-04"),
    "XNYS half day and holiday": ("XNYS", "2025-07-01", "2025-07-08"),
    "XNYS clocks go forward": ("XNYS", "2025-03-05", "2025-03-12"),
    "XNYS clocks go back": ("XNYS", "2025-10-30", "2025-11-05"),
    "XLON Easter": ("XLON", "2025-04-15", "2025-04-23"),
    "XLON half days and holidays": ("XLON", "2024-12-23", "2025-01-02"),
    "XLON clocks go forward": ("XLON", "2025-03-27", "2025-04-02"),
    "XHKG half day and holidays": ("XHKG", "2025-01-24", "2025-02-04"),
    "CMES half days and holiday": ("CMES", "2025-11-24", "2025-12-01"),
    "CMES clocks go forward": ("CMES", "2025-03-06", "2025-03-12"),
    "CMES clocks go back": ("CMES", "2025-10-30", "2025-11-05"),
}

EXTENDED = {
    "2025-03-06": ("04:00", "09:30", "16:00", "20:00"),
    "2025-03-07": ("04:00", "09:30", "16:00", "20:00"),
    "2025-03-10": ("04:00", "09:30", "16:00", "20:00"),
    "2025-07-02": ("04:00", "09:30", "16:00", "20:00"),
    "2025-07-03": ("04:00", "09:30", "13:00", "17:00"),
    "2025-11-03": ("04:00", "09:30", "16:00", "20:00"),
}
"""What the clocks in New York show; the clocks were changed on 2025-03-09 and on 2025-11-02."""


class Week(NamedTuple):
    """Some sessions of a calendar: ours, and every minute of theirs."""

    timezone: str
    sessions: tuple[Session, ...]
    original: exchange_calendars.ExchangeCalendar
    minutes: pd.DataFrame
    """One row per minute of trading, by `open`, exchange-local; `session` and the `part` it is in."""

    def index(self, period: str) -> pd.IntervalIndex:
        """Give the trading index that exchange_calendars makes."""
        first, last = self.sessions[0].date, self.sessions[-1].date
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.original.trading_index(first, last, period, intervals=True, force=True)


@pytest.fixture(scope="session")
def tables() -> Mapping[str, CalendarTable]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: compile_calendar(name) for name in CALENDARS}


@pytest.fixture(scope="session", params=WEEKS)
def week(request: pytest.FixtureRequest, tables: Mapping[str, CalendarTable]) -> Week:
    name, first, last = WEEKS[request.param]
    table = tables[name]
    sessions = sessions_between(table, date.fromisoformat(first), date.fromisoformat(last))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        original = exchange_calendars.get_calendar(name, start=first, end=last, side="left")
        minutes = _minutes(original, table.timezone)
    return Week(table.timezone, sessions, original, minutes)


def _minutes(original: exchange_calendars.ExchangeCalendar, timezone: str) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"open": original.session_minutes(session)}).assign(session=session.date().isoformat())
        for session in original.sessions
    ]
    minutes = pd.concat(parts, ignore_index=True)
    is_break = minutes["open"].diff() != pd.Timedelta(minutes=1)
    is_new = is_break | (minutes["session"] != minutes["session"].shift())
    minutes["open"] = minutes["open"].dt.tz_convert(timezone)
    return minutes.assign(part=is_new.cumsum(), kind="regular")


def extended_minutes(hours: Mapping[str, tuple[str, str, str, str]], timezone: str) -> pd.DataFrame:
    """Write down the minutes of days of three parts, of which local times are known."""
    parts = [
        pd.DataFrame(
            {
                "open": pd.date_range(
                    f"{day} {begin}", f"{day} {end}", freq="1min", inclusive="left", tz=timezone
                )
            }
        ).assign(session=day, kind=kind, part=3 * place + number)
        for place, (day, marks) in enumerate(hours.items())
        for number, (kind, begin, end) in enumerate(
            zip(("pre", "regular", "post"), marks[:-1], marks[1:], strict=True)
        )
    ]
    return pd.concat(parts, ignore_index=True)


def with_bins(minutes: pd.DataFrame, period: str, *, clock: bool) -> pd.DataFrame:
    """Number the bins within each part: from its open, or from the midnight before as the wall shows it."""
    wall = minutes["open"].dt.tz_localize(None)
    start = wall.groupby(minutes["part"]).transform("first")
    start = start.dt.normalize() if clock else start
    return minutes.assign(bin=(wall - start) // pd.Timedelta(period))


def days(table: CalendarTable, dates: Iterable[str]) -> tuple[Session, ...]:
    """Look single sessions up."""
    found = (sessions_between(table, day, day) for day in map(date.fromisoformat, dates))
    return tuple(session for sessions in found for session in sessions)
