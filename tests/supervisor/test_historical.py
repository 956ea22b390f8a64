"""What historical indicators add to a plan: streams, sessions to read, warnings, refusals."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config import parse_config
from actors.domain.calendar_table import CalendarTable, sessions_before, trailing_depth
from actors.domain.errors import ConfigError
from actors.domain.session_plan import HistoricalSpec, SessionPlan
from actors.runtime.calendars import Calendars
from actors.supervisor.historical import check_figures, wanted_figures
from tests.supervisor.test_planner import (
    BARS,
    MemoryBars,
    bars,
    calendars,
    document,
    grid,
    history,
    new_york,
    plan_of,
)

__all__ = ["bars", "calendars", "new_york"]
HIGH = {"type": "trailing_max", "period": "4d", "field": "high"}
PROFILE = {"type": "trailing_average", "period": "2d", "field": "volume", "granularity": "minute"}


def wanting(*, streams: tuple[str, ...] = ("1m",), kept: Any = None, **named: Any) -> dict[str, Any]:  # noqa: ANN401
    return document("2025-07-07", "2025-07-08", streams=list(streams)) | {
        BARS: document()[BARS]
        | {"streams": list(streams), "historical": (kept or {}) | {"indicators": named}}
    }


def streams(plan: SessionPlan) -> list[tuple[str, str, int, int]]:
    return [(s.symbol, s.interval, s.history_sessions, s.lead_sessions) for s in plan.streams]


def test_what_they_are_computed_from_is_served_and_read_but_not_kept(
    bars: MemoryBars, calendars: Calendars
) -> None:
    wanted = wanting(high=HIGH, profile=PROFILE | {"apply_to": ["RIVN"]}, kept=history(1, "1m"))
    plan = plan_of(wanted, bars, calendars)
    assert streams(plan) == [
        ("AAPL", "1m", 1, 3),
        ("RIVN", "1m", 1, 3),
        ("AAPL", "1d", 0, 0),
        ("RIVN", "1d", 0, 0),
    ]
    assert [session.date for session in plan.history] == [
        *("2025-06-30", "2025-07-01"),
        *("2025-07-02", "2025-07-03"),
    ]
    assert plan.historical == (
        HistoricalSpec("high", "trailing_max", 4, ("AAPL", "RIVN"), "high"),
        HistoricalSpec("profile", "trailing_average", 2, ("RIVN",), "volume", by_minute=True),
    )
    assert not [warning for warning in plan.warnings if "no value at first" in warning]


def test_what_is_kept_anyway_needs_no_lead(bars: MemoryBars, calendars: Calendars) -> None:
    plan = plan_of(wanting(high=HIGH, kept=history(9, "1m")), bars, calendars)
    assert streams(plan)[0] == ("AAPL", "1m", 9, 0)


def test_half_days_that_are_passed_over_are_read_and_not_counted(
    bars: MemoryBars, calendars: Calendars
) -> None:
    """The half day 2025-07-03 is the session before the run."""
    plan = plan_of(wanting(high=HIGH | {"skip_early_close": True, "period": "1d"}), bars, calendars)
    assert [session.date for session in plan.history] == ["2025-07-02", "2025-07-03"]
    assert [(warmup.bars_needed, warmup.bars_in_history) for warmup in plan.warmups] == [(1, 1), (1, 1)]


def test_bars_that_storage_lacks_are_a_warning(bars: MemoryBars, calendars: Calendars) -> None:
    plan = plan_of(wanting(high_52w=HIGH | {"period": "1y"}), bars, calendars)
    assert plan.warnings[-1] == (
        "high_52w has no value at first: it needs 252 sessions, and history gives AAPL 23, RIVN 23; "
        "import the bars of those sessions, or choose a shorter period"
    )
    assert len(plan.history) == 252


def test_a_calendar_that_begins_too_late_gives_what_it_has(
    calendars: Calendars, new_york: CalendarTable
) -> None:
    minutes = grid(new_york, "1m", date(1990, 1, 2), date(1990, 1, 10))
    stored = MemoryBars({"AAPL": {"1m": minutes}})
    wanted = wanting(high=HIGH | {"period": "1y"})
    wanted["backtest_config"] |= {"start_date": "1990-01-08", "end_date": "1990-01-10"}
    wanted[BARS] |= {"symbols": ["AAPL"]}
    plan = plan_of(wanted, stored, calendars)
    assert (len(plan.history), plan.streams[0].lead_sessions) == (4, 4)
    assert "it needs 252 sessions, and history gives AAPL 4" in plan.warnings[-1]


def test_bars_that_cannot_be_served_are_an_error_that_names_the_indicator(
    calendars: Calendars, new_york: CalendarTable
) -> None:
    fives = grid(new_york, "5m", date(2025, 6, 2), date(2025, 7, 11))
    stored = MemoryBars({"AAPL": {"5m": fives}, "RIVN": {"5m": fives}})
    with pytest.raises(ConfigError) as caught:
        plan_of(wanting(streams=("5m",), high=HIGH, profile=PROFILE), stored, calendars)
    where = f"{BARS}.historical.indicators.profile"
    message = "historical indicator profile needs 1m of {}: finer than 5m, the finest that is stored; "
    assert [(found, said.startswith(message.format(symbol))) for (found, said), symbol in zip(
        caught.value.problems, ("AAPL", "RIVN"), strict=True
    )] == [(where, True), (where, True)]  # fmt: skip


def test_known_figures_are_named_by_their_period(bars: MemoryBars, calendars: Calendars) -> None:
    wanted = wanting()
    wanted[BARS] |= {"indicators": {"historical": [{"name": "atr_daily", "period": "1w"}]}}
    plan = plan_of(wanted, bars, calendars)
    assert plan.historical == (HistoricalSpec("atr_daily_1w", "atr_daily", 5, ("AAPL", "RIVN")),)
    assert len(plan.history) == 6


def test_more_minutes_than_a_message_holds_are_refused(bars: MemoryBars, calendars: Calendars) -> None:
    plan = plan_of(wanting(profile=PROFILE), bars, calendars)
    many = [f"S{number}" for number in range(5378)]
    written = wanting(profile=PROFILE)
    for symbols in (many[:-1], many):
        written[BARS] |= {"symbols": symbols}
        wanted = wanted_figures(parse_config(written))
        if symbols is not many:
            check_figures(wanted, plan.sessions)
            continue
        with pytest.raises(ConfigError, match="2,097,420 values a session, more than 2,097,152"):
            check_figures(wanted, plan.sessions)


@settings(max_examples=60)
@given(day=st.dates(date(1990, 1, 2), date(2025, 7, 31)), count=st.integers(1, 300), skips=st.booleans())
def test_the_depth_is_as_many_sessions_as_hold_the_last_ones_that_count(
    new_york: CalendarTable, day: date, count: int, *, skips: bool
) -> None:
    depth = trailing_depth(new_york, day, count, skip_halves=skips)
    sessions = sessions_before(new_york, day, depth)
    usable = [not (skips and session.kind == "half") for session in sessions]
    known = int(np.searchsorted(new_york.days, np.datetime64(day)))
    assert (sum(usable) == count and usable[0]) or (sum(usable) < count and depth == known)
