"""The expected grid against exchange_calendars' own trading index, and against the clock on the wall."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from actors.domain.calendar_table import CalendarTable
from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session
from actors.domain.session_shape import shape
from tests.domain.conftest import EXTENDED, Week, days, extended_minutes, with_bins

MINUTE = pd.Timedelta(minutes=1)
PERIODS = {"1m": "1min", "5m": "5min", "7m": "7min", "1h": "1h", "4h": "4h"}


def grid(sessions: Sequence[Session], interval: str) -> list[tuple[int, int]]:
    parsed = Interval.parse(interval)
    return [
        bounds
        for session in sessions
        for bounds in zip(
            expected_opens(session, parsed).tolist(), expected_closes(session, parsed).tolist(), strict=True
        )
    ]


def bounds_of(minutes: pd.DataFrame) -> list[tuple[int, int]]:
    """Give from where to where each bin's minutes reach."""
    opens = minutes.groupby(["session", "part", "bin"])["open"].agg(["first", "last"])
    return list(zip(instants(opens["first"]), instants(opens["last"] + MINUTE), strict=True))


def instants(stamps: "pd.Series[pd.Timestamp]") -> list[int]:
    return [stamp.value for stamp in stamps]


@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
def test_the_grid_is_the_trading_index_of_exchange_calendars(week: Week, interval: str) -> None:
    index = week.index(PERIODS[interval])
    expected = list(zip(instants(index.left), instants(index.right), strict=True))
    assert grid(week.sessions, interval) == expected


@pytest.mark.parametrize("interval", PERIODS)
def test_on_the_clock_every_part_has_the_bins_that_the_wall_shows(week: Week, interval: str) -> None:
    sessions = shape(week.sessions, week.timezone, extended=False, clock=True)
    minutes = with_bins(week.minutes, PERIODS[interval], clock=True)
    assert grid(sessions, interval) == bounds_of(minutes)


def test_a_day_is_its_regular_hours_however_the_session_is_shaped(week: Week) -> None:
    expected = [(session.open_ns, session.close_ns) for session in week.sessions]
    for clock in (False, True):
        assert grid(shape(week.sessions, week.timezone, extended=False, clock=clock), "1d") == expected


@pytest.mark.parametrize("interval", PERIODS)
@pytest.mark.parametrize("clock", [False, True])
def test_extended_hours_have_bins_of_their_own(
    tables: Mapping[str, CalendarTable], interval: str, *, clock: bool
) -> None:
    table = tables["XNYS"]
    sessions = shape(days(table, EXTENDED), table.timezone, extended=True, clock=clock)
    minutes = with_bins(extended_minutes(EXTENDED, table.timezone), PERIODS[interval], clock=clock)
    assert grid(sessions, interval) == bounds_of(minutes)


def test_a_bin_of_the_clock_lies_within_every_longer_one(week: Week) -> None:
    sessions = shape(week.sessions, week.timezone, extended=False, clock=True)
    for shorter, longer in pairwise(("1m", "5m", "15m", "1h", "4h")):
        fine, coarse = np.array(grid(sessions, shorter)), np.array(grid(sessions, longer))
        home = np.searchsorted(coarse[:, 0], fine[:, 0], side="right") - 1
        assert (coarse[home, 0] <= fine[:, 0]).all()
        assert (fine[:, 1] <= coarse[home, 1]).all()
