"""Plans of configurations over bars in memory, and what stands against a plan."""

import dataclasses
import re
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config import parse_config
from actors.domain.calendar_table import CalendarTable, sessions_between
from actors.domain.errors import ConfigError, DataError
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.screening import StoredRows
from actors.domain.session_plan import Flow, Restarts, SessionPlan, Trading
from actors.runtime.calendars import Calendars
from actors.supervisor.planner import for_actors, make_plan, portable

Stamps = npt.NDArray[np.int64]
BARS = "session_data_config"
MINUTE = 60_000_000_000


@dataclasses.dataclass
class MemoryBars:
    """Open stamps by symbol and interval; every price is 1."""

    stamps: dict[str, dict[str, Stamps]]

    def read(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> StoredRows:
        found = self.open_stamps(symbol, interval, start_ns, end_ns)
        ones = np.ones(len(found))
        columns = dict.fromkeys(("open", "high", "low", "close", "volume"), ones)
        return StoredRows(found, columns, np.full(len(found), "bars", object), np.arange(len(found)))

    def open_stamps(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> Stamps:
        found = self.stamps.get(symbol, {}).get(interval, np.array([], dtype=np.int64))
        return found[(start_ns <= found) & (found < end_ns)]

    def stored_intervals(self, symbol: str) -> tuple[str, ...]:
        return tuple(map(str, sorted(map(Interval.parse, self.stamps.get(symbol, {})))))

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self.stamps))


@pytest.fixture(scope="module")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    return Calendars(tmp_path_factory.mktemp("calendars"))


@pytest.fixture(scope="module")
def new_york(calendars: Calendars) -> CalendarTable:
    return calendars.table("XNYS", date(2025, 7, 31))


def grid(table: CalendarTable, interval: str, first: date, last: date) -> Stamps:
    sessions = sessions_between(table, first, last)
    return np.concatenate([expected_opens(session, Interval.parse(interval)) for session in sessions])


@pytest.fixture(scope="module")
def bars(new_york: CalendarTable) -> MemoryBars:
    minutes = grid(new_york, "1m", date(2025, 6, 2), date(2025, 7, 11))
    return MemoryBars({"AAPL": {"1m": minutes}, "RIVN": {"1m": minutes}})


def document(start: str = "2025-07-02", end: str = "2025-07-07", **data: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "session_name": "Planned",
        "exchange_group": "US_EQUITY",
        "backtest_config": {"start_date": start, "end_date": end, "prefetch_days": 3, "speed_multiplier": 60},
        BARS: {"symbols": ["AAPL", "RIVN"], "streams": ["1m", "5m"], **data},
        "trading_config": {
            "max_buying_power": 1000,
            "max_per_trade": 100,
            "max_per_symbol": 200,
            "max_open_positions": 2,
        },
        "catalog": {"path": "the-catalog"},
    }


def plan_of(written: Mapping[str, Any], bars: MemoryBars, calendars: Calendars) -> SessionPlan:
    return make_plan(parse_config(written, Path("/somewhere")), bars, calendars, Path("session.json"))


def history(days: int, *intervals: str, apply_to: Any = "all") -> dict[str, Any]:  # noqa: ANN401
    return {"data": [{"trailing_days": days, "intervals": list(intervals), "apply_to": apply_to}]}


def strategy_file(folder: Path, needs: str, name: str = "wish.py") -> str:
    (folder / name).write_text(
        "from actors.domain.session_plan import IndicatorSpec\n"
        "from actors.domain.strategy import Needs, Strategy\n"
        "class Wish(Strategy):\n"
        "    def needs(self):\n"
        f"        return Needs({needs})\n"
        "    def on_step(self, ctx, step):\n"
        "        pass\n"
    )
    return f"{folder / name}:Wish"


def wishing(folder: Path, needs: str) -> list[dict[str, Any]]:
    return [{"name": "wish", "strategy": strategy_file(folder, needs)}]


@pytest.mark.parametrize("align", ["session", "clock"])
@pytest.mark.parametrize("extended", [False, True])
def test_history_and_the_session_before_it_have_the_shape_of_the_run(
    align: str, bars: MemoryBars, calendars: Calendars, *, extended: bool
) -> None:
    written = document(historical=history(2, "1m", "1h", "1d"), extended_hours=extended)
    plan = plan_of(written | {"derived": {"align": align}}, bars, calendars)

    assert plan.before is not None
    for session in (plan.before, *plan.history, *plan.sessions):
        assert [part.kind for part in session.parts] == ["pre"] * extended + ["regular"] + ["post"] * extended
        assert all((part.anchor_ns is None) == (align == "session") for part in session.parts)
    for before, session in pairwise((plan.before, *plan.history, *plan.sessions)):
        assert session.previous_close_ns == before.close_ns
    expected = [held.expected for held in plan.stored if held.stream == 0]
    assert expected == ([960, 960, 960, 780, 960] if extended else [390, 390, 390, 210, 390])
    assert {(held.rows, held.on_grid) for held in plan.stored} == {(390, 390), (210, 210)}


def test_the_example_window_is_planned_session_by_session(bars: MemoryBars, calendars: Calendars) -> None:
    plan = plan_of(document(), bars, calendars)

    expected = [(holding.session, holding.expected) for holding in plan.stored if holding.stream == 0]
    assert [(session.date, session.kind) for session in plan.sessions] == [
        ("2025-07-02", "full"),
        ("2025-07-03", "half"),
        ("2025-07-07", "full"),
    ]
    assert expected == [(0, 390), (1, 210), (2, 390)]
    assert plan.holidays == ("2025-07-04",)
    assert (plan.calendar, plan.timezone) == ("XNYS", "America/New_York")
    assert plan.catalog == "/somewhere/the-catalog"
    assert [(s.symbol, s.interval, s.label, s.base) for s in plan.streams] == [
        ("AAPL", "1m", "STREAMED", None),
        ("RIVN", "1m", "STREAMED", None),
        ("AAPL", "5m", "GENERATED", 0),
        ("RIVN", "5m", "GENERATED", 1),
    ]


def test_dates_without_a_session_roll_inward_and_stay_as_written(
    bars: MemoryBars, calendars: Calendars
) -> None:
    plan = plan_of(document("2025-07-04", "2025-07-12"), bars, calendars)

    assert plan.sessions[0].date == "2025-07-07"
    assert plan.sessions[-1].date == "2025-07-11"
    assert (plan.first_date, plan.last_date) == ("2025-07-04", "2025-07-12")
    assert plan.holidays == ("2025-07-04",)


def test_a_window_without_a_session_names_both_dates(bars: MemoryBars, calendars: Calendars) -> None:
    with pytest.raises(ConfigError, match=r"session\.json") as caught:
        plan_of(document("2025-07-04", "2025-07-06"), bars, calendars)

    (problem,) = caught.value.problems
    assert problem.where == "backtest_config"
    assert "start_date 2025-07-04 to end_date 2025-07-06" in problem.message


def test_dates_outside_the_calendar_are_told_the_years_it_covers(
    bars: MemoryBars, calendars: Calendars
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(document("1980-01-01", "2095-01-01"), bars, calendars)

    assert [problem.where for problem in caught.value.problems] == [
        "backtest_config.start_date",
        "backtest_config.end_date",
    ]
    assert all("covers the years 1990 to" in problem.message for problem in caught.value.problems)


def test_history_that_reaches_beyond_the_calendar_is_refused(
    bars: MemoryBars, calendars: Calendars, new_york: CalendarTable
) -> None:
    bars = MemoryBars({"AAPL": {"1d": grid(new_york, "1d", date(1990, 1, 2), date(1990, 2, 1))}})
    asked = document(
        "1990-01-08", "1990-01-10", symbols=["AAPL"], streams=["1d"], historical=history(9, "1d")
    )

    with pytest.raises(ConfigError, match="9 sessions before 1990-01-08"):
        plan_of(asked, bars, calendars)


def test_an_exchange_calendar_that_cannot_be_had_is_named_by_its_field(
    bars: MemoryBars, calendars: Calendars
) -> None:
    config = parse_config(document()).model_copy(update={"exchange_group": "XNYC"})

    with pytest.raises(ConfigError, match=r"exchange_group: 'XNYC' .* XNYS"):
        make_plan(config, bars, calendars)


def test_history_is_the_longest_trailing_window_and_each_stream_keeps_its_own(
    bars: MemoryBars, calendars: Calendars
) -> None:
    windows = {
        "data": [
            {"trailing_days": 2, "intervals": ["1m"], "apply_to": "all"},
            {"trailing_days": 5, "intervals": ["5m"], "apply_to": ["RIVN"]},
        ]
    }

    plan = plan_of(document(historical=windows), bars, calendars)

    kept = {(s.symbol, s.interval): s.history_sessions for s in plan.streams}
    assert kept == {("AAPL", "1m"): 2, ("RIVN", "1m"): 5, ("AAPL", "5m"): 0, ("RIVN", "5m"): 5}
    assert [session.index for session in plan.history] == [-5, -4, -3, -2, -1]
    assert [session.date for session in plan.history][::4] == ["2025-06-25", "2025-07-01"]
    assert [holding.session for holding in plan.stored if holding.stream == 0] == [-2, -1, 0, 1, 2]
    assert [holding.session for holding in plan.stored if holding.stream == 1] == list(range(-5, 3))


def test_what_is_stored_is_counted_with_all_its_rows(calendars: Calendars, new_york: CalendarTable) -> None:
    (session,) = sessions_between(new_york, date(2025, 7, 2), date(2025, 7, 2))
    minutes = expected_opens(session, Interval.parse("1m"))
    before_the_open, off_the_grid = minutes[:1] - 60 * MINUTE, minutes[5:6] + 1
    rows = np.concatenate([minutes[3:], minutes[10:12], before_the_open, off_the_grid])
    bars = MemoryBars({"AAPL": {"1m": rows}})

    plan = plan_of(document("2025-07-02", "2025-07-02", symbols=["AAPL"]), bars, calendars)

    (holding,) = plan.stored
    assert (holding.expected, holding.on_grid, holding.rows) == (390, 387, 391)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_session_is_missing_exactly_where_no_bar_is_on_its_grid(
    bars: MemoryBars, calendars: Calendars, new_york: CalendarTable, data: st.DataObject
) -> None:
    sessions = sessions_between(new_york, date(2025, 7, 1), date(2025, 7, 9))
    lacking = data.draw(st.sets(st.sampled_from(sessions)))
    minutes = bars.stamps["RIVN"]["1m"]
    for session in lacking:
        minutes = minutes[(minutes < session.open_ns) | (minutes >= session.close_ns)]
    sparse = MemoryBars({"AAPL": bars.stamps["AAPL"], "RIVN": {"1m": minutes}})

    if not lacking:
        assert plan_of(document("2025-07-01", "2025-07-09"), sparse, calendars).stored
        return
    with pytest.raises(DataError) as caught:
        plan_of(document("2025-07-01", "2025-07-09"), sparse, calendars)
    message = str(caught.value)
    assert "/somewhere/the-catalog" in message
    assert "RIVN 1m: " in message
    assert "AAPL 1m" not in message
    named = set(re.findall(r"2025-\d\d-\d\d", message))
    assert named <= {session.date for session in lacking}
    assert len(named) == min(len(lacking), 5)


def test_symbols_without_data_are_named_together_with_those_that_have_some(
    bars: MemoryBars, calendars: Calendars
) -> None:
    with pytest.raises(DataError, match=r"the-catalog has no bars of MSFT, TSLA; it holds AAPL, RIVN\."):
        plan_of(document(symbols=["AAPL", "MSFT", "TSLA"]), bars, calendars)


def test_a_symbol_of_which_nothing_can_be_served_is_missing_data(
    calendars: Calendars, new_york: CalendarTable
) -> None:
    days = grid(new_york, "1d", date(2025, 7, 1), date(2025, 7, 11))

    with pytest.raises(DataError, match="AAPL 1m: finer than 1d"):
        plan_of(document(symbols=["AAPL"]), MemoryBars({"AAPL": {"1d": days}}), calendars)


def test_an_ignored_interval_that_nobody_depends_on_stays_in_the_plan(
    bars: MemoryBars, calendars: Calendars
) -> None:
    plan = plan_of(document(streams=["1s", "1m", "90s"]), bars, calendars)

    assert [(s.id, s.interval, s.label) for s in plan.streams if s.symbol == "AAPL"] == [
        (0, "1m", "STREAMED"),
        (2, "1s", "IGNORED"),
        (4, "90s", "IGNORED"),
    ]
    assert [stream.id for stream in plan.served] == [0, 1]


def test_a_strategy_that_needs_an_ignored_interval_is_refused(
    bars: MemoryBars, calendars: Calendars, tmp_path: Path
) -> None:
    wishes = wishing(tmp_path, "intervals=('1s',)")

    with pytest.raises(ConfigError) as caught:
        plan_of(document(strategies=wishes), bars, calendars)

    assert str(caught.value.problems[0]) == (
        f"{BARS}.strategies[0]: strategy wish needs 1s of AAPL: "
        "finer than 1m, the finest that is stored; asked for by strategy wish"
    )


def test_an_indicator_on_an_ignored_interval_is_refused(bars: MemoryBars, calendars: Calendars) -> None:
    uneven = {"session": [{"name": "sma", "period": 4, "interval": "90s"}]}

    with pytest.raises(ConfigError, match=r"indicators\.session\[0\]: indicator sma_4_90s needs 90s of AAPL"):
        plan_of(document(indicators=uneven), bars, calendars)


def test_what_strategies_need_is_planned_unasked(
    bars: MemoryBars, calendars: Calendars, tmp_path: Path
) -> None:
    needs = "intervals=('15m',), indicators=(IndicatorSpec('sma', '1h', {'period': 3}),), history_sessions=2"

    plan = plan_of(document(streams=["5m"], strategies=wishing(tmp_path, needs)), bars, calendars)

    labels = {s.interval: (s.label, s.history_sessions) for s in plan.streams if s.symbol == "AAPL"}
    assert labels == {
        "1m": ("STREAMED", 2),
        "5m": ("GENERATED", 0),
        "15m": ("GENERATED", 2),
        "1h": ("GENERATED", 2),
    }
    (strategy,) = plan.strategies
    assert (strategy.name, strategy.actor, strategy.on_error) == ("wish", "analysis-wish", "stop")


def test_a_strategy_that_names_no_interval_keeps_history_of_all_streams(
    bars: MemoryBars, calendars: Calendars, tmp_path: Path
) -> None:
    plan = plan_of(document(strategies=wishing(tmp_path, "history_sessions=3")), bars, calendars)

    assert {stream.history_sessions for stream in plan.streams} == {3}


def test_every_strategy_that_cannot_be_loaded_is_named(bars: MemoryBars, calendars: Calendars) -> None:
    broken = [
        {"name": "first", "strategy": "no.such.module:Thing"},
        {"name": "second", "strategy": "actors.strategies.sma_crossover:NoSuchClass"},
    ]

    with pytest.raises(ConfigError) as caught:
        plan_of(document(strategies=broken), bars, calendars)

    assert [problem.where for problem in caught.value.problems] == [
        f"{BARS}.strategies[0]",
        f"{BARS}.strategies[1]",
    ]


def test_warm_up_counts_the_bars_that_history_gives(
    bars: MemoryBars, calendars: Calendars, tmp_path: Path
) -> None:
    indicators = {"session": [{"name": "sma", "interval": "1h", "period": 20}]}
    needs = "indicators=(IndicatorSpec('sma', '1m', {'period': 780}),), history_sessions=2"

    plan = plan_of(
        document(indicators=indicators, historical=history(2, "1h"), strategies=wishing(tmp_path, needs)),
        bars,
        calendars,
    )

    assert {(w.indicator, w.symbol): (w.bars_needed, w.bars_in_history) for w in plan.warmups} == {
        ("sma_20_1h", "AAPL"): (20, 14),
        ("sma_20_1h", "RIVN"): (20, 14),
        ("sma_780_1m", "AAPL"): (780, 780),
        ("sma_780_1m", "RIVN"): (780, 780),
    }
    assert [indicator.key for indicator in plan.strategies[0].indicators] == ["sma_20_1h"]
    (cold,) = [warning for warning in plan.warnings if "no value at first" in warning]
    assert cold.startswith(
        "sma_20_1h has no value at first: it needs 20 bars, and history gives AAPL 14, RIVN"
    )


def test_warm_up_of_figures_of_whole_sessions_counts_sessions_with_bars(
    bars: MemoryBars, calendars: Calendars
) -> None:
    indicators = {
        "session": [
            {"name": "pivot_points", "interval": "5m"},
            {"name": "atr_daily", "interval": "1m", "period": 2},
            {"name": "avg_volume", "interval": "1m", "period": 9},
        ]
    }
    windows = {"data": [*history(3, "1m")["data"], *history(1, "5m")["data"]]}
    wanted = document("2025-06-04", "2025-06-05", indicators=indicators, historical=windows)

    plan = plan_of(wanted, bars, calendars)

    assert [(w.indicator, w.bars_needed, w.bars_in_history, w.unit) for w in plan.warmups][::2] == [
        ("pivot_points_5m", 1, 1, "sessions"),
        ("atr_daily_2_1m", 3, 2, "sessions"),
        ("avg_volume_9_1m", 9, 2, "sessions"),
    ]
    cold = [warning.partition("; ")[0] for warning in plan.warnings if "no value at first" in warning]
    assert cold == [
        "atr_daily_2_1m has no value at first: it needs 3 sessions, and history gives AAPL 2, RIVN 2",
        "avg_volume_9_1m has no value at first: it needs 9 sessions, and history gives AAPL 2, RIVN 2",
    ]


def test_history_that_storage_lacks_is_a_warning(bars: MemoryBars, calendars: Calendars) -> None:
    plan = plan_of(document("2025-06-03", "2025-06-04", historical=history(3, "1m")), bars, calendars)

    assert "no stored history of AAPL 1m: 2025-05-29, 2025-05-30" in plan.warnings
    assert [holding.on_grid for holding in plan.stored if holding.stream == 0] == [0, 0, 390, 390, 390]


def test_session_indicators_that_nobody_could_read_are_a_warning(
    bars: MemoryBars, calendars: Calendars
) -> None:
    indicators = {"session": [{"name": "sma", "interval": "5m", "period": 3}]}

    plan = plan_of(document(indicators=indicators), bars, calendars)

    assert any(warning.startswith(f"{BARS}.indicators.session: there is no") for warning in plan.warnings)


def test_settings_reach_the_plan(bars: MemoryBars, calendars: Calendars) -> None:
    data = {"historical": {"enable_quality": False}, "indicators": {"tables": False}}
    written = document(**data, streaming={"catchup_threshold_seconds": 5.0}) | {
        "pipeline": {
            "window_steps": 7,
            "window_rows": 99,
            "credit": 3,
            "heartbeat_seconds": 1.0,
            "restarts": {"limit": 5, "period_seconds": 9, "policy": {"analysis": "drop"}},
        },
        "derived": {"min_coverage": 0.5},
        "quality": {"jump_ratio": 1.5},
        "logging": {"steps": False, "level": "DEBUG"},
        "portfolio": {"initial_cash": 500, "fill": "close", "commission": {"model": "fixed", "amount": 1}},
    }

    plan = plan_of(written, bars, calendars)

    assert plan.flow == Flow(
        *(7, 99, 3, 3, 60.0, 1.0, 30.0), restarts=Restarts(5, 9.0, policy={"analysis": "drop"})
    )
    assert (plan.rules.min_coverage, plan.rules.jump_ratio, plan.rules.catchup_threshold_s) == (0.5, 1.5, 5.0)
    assert not plan.rules.history_quality_enabled
    assert (plan.log_steps, plan.log_level) == (False, "DEBUG")
    assert not plan.indicator_tables
    assert plan.trading == Trading(
        *(1000.0, 100.0, 200.0, 2),
        initial_cash=500.0,
        fill="close",
        commission={"model": "fixed", "amount": 1.0},
        slippage={"model": "none"},
    )


def test_a_portable_plan_names_no_place_on_this_machine(
    bars: MemoryBars, calendars: Calendars, tmp_path: Path
) -> None:
    plan = plan_of(document(strategies=wishing(tmp_path, "history_sessions=40")), bars, calendars)

    written = msgspec.json.encode(portable(plan)).decode()

    assert str(tmp_path) not in written
    assert "/somewhere" not in written
    assert portable(plan).strategies[0].target == "wish.py:Wish"
    assert msgspec.json.decode(written, type=SessionPlan) == portable(plan)


def test_actors_are_told_everything_but_what_planning_has_found_out(
    bars: MemoryBars, calendars: Calendars, tmp_path: Path
) -> None:
    plan = plan_of(document(strategies=wishing(tmp_path, "history_sessions=40")), bars, calendars)

    told = for_actors(plan)

    assert plan.stored
    found = {name: getattr(plan, name) for name in ("stored", "holidays", "warmups", "warnings")}
    assert all(getattr(told, name) == () for name in found)
    assert msgspec.structs.replace(told, **found) == plan


def test_trading_around_the_clock_is_planned_by_utc_days(calendars: Calendars) -> None:
    table = calendars.table("24/7", date(2025, 7, 6))
    bars = MemoryBars({"BTC": {"1m": grid(table, "1m", date(2025, 7, 4), date(2025, 7, 6))}})
    written = document("2025-07-05", "2025-07-06", symbols=["BTC"]) | {"exchange_group": "CRYPTO"}

    plan = plan_of(written, bars, calendars)

    assert [(holding.expected, holding.on_grid, holding.rows) for holding in plan.stored] == [(1440,) * 3] * 2


def test_many_seconds_are_counted_in_stretches_and_every_session_once(calendars: Calendars) -> None:
    table = calendars.table("24/7", date(2025, 7, 31))
    seconds = grid(table, "1s", date(2025, 7, 1), date(2025, 7, 30))
    written = document("2025-07-01", "2025-07-30", symbols=["BTC"], streams=["1s"])

    plan = plan_of(
        written | {"exchange_group": "CRYPTO"}, MemoryBars({"BTC": {"1s": seconds[1:]}}), calendars
    )

    counts = [(holding.session, holding.rows, holding.on_grid) for holding in plan.stored]
    assert counts == [(0, 86_399, 86_399), *((day, 86_400, 86_400) for day in range(1, 30))]
