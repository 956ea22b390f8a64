"""Stored data below `quality.min_score` stop a run before it starts, or warn."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from actors.config import parse_config
from actors.domain.errors import DataError
from actors.domain.session_plan import SessionPlan
from actors.runtime.calendars import Calendars
from actors.runtime.store import Catalog
from actors.supervisor.planner import make_plan

CATALOG: Final = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    return Calendars(tmp_path_factory.mktemp("calendars"))


def plan(
    calendars: Calendars,
    settings: Mapping[str, Any] = MappingProxyType({}),
    **quality: Any,  # noqa: ANN401  a section
) -> SessionPlan:
    document: dict[str, Any] = {
        "session_name": "Gate",
        "exchange_group": "US_EQUITY",
        "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-07"},
        "session_data_config": {"symbols": ["AAPL", "RIVN"], "streams": ["1m", "5m"]},
        "trading_config": dict.fromkeys(("max_buying_power", "max_per_trade", "max_per_symbol"), 1.0)
        | {"max_open_positions": 1},
        "catalog": {"path": str(CATALOG)},
        "quality": quality,
    }
    for path, value in settings.items():
        section, _, name = path.partition(".")
        document.setdefault(section, {})[name] = value
    config = parse_config(document, Path("/"))
    return make_plan(config, Catalog(config.catalog_path), calendars)


@pytest.mark.parametrize("min_score", [None, 0.0, 99.39])
def test_data_that_are_good_enough_are_planned_without_a_word(
    min_score: float | None, calendars: Calendars
) -> None:
    assert not any("min_score" in warning for warning in plan(calendars, min_score=min_score).warnings)


def test_a_stream_below_the_bound_stops_the_plan_and_says_what_to_do(calendars: Calendars) -> None:
    with pytest.raises(DataError) as caught:
        plan(calendars, min_score=99.5)
    message = str(caught.value)
    assert "below quality.min_score 99.5:\n  AAPL 1m: 99.39, worst 2025-07-03 99.05" in message
    assert "RIVN" not in message
    assert (
        f"sessionflow data check --catalog {CATALOG} --calendar XNYS --symbol AAPL --interval 1m "
        "--start 2025-07-02 --end 2025-07-07"
    ) in message


def test_the_command_to_look_closer_asks_for_the_same_hours(calendars: Calendars) -> None:
    shape = {"session_data_config.extended_hours": True, "derived.align": "clock"}
    with pytest.raises(DataError, match=r"AAPL 1m: 36\.44, .*") as caught:
        plan(calendars, shape, min_score=99.5)
    assert "--end 2025-07-07 --extended-hours --align clock`" in str(caught.value)


def test_every_stream_below_is_listed_with_its_worst_sessions_first(calendars: Calendars) -> None:
    with pytest.raises(DataError) as caught:
        plan(calendars, min_score=100.0)
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert "AAPL 1m: 99.39, worst 2025-07-03 99.05, 2025-07-02 99.23, 2025-07-07 99.74" in lines
    assert any(line.startswith("RIVN 1m: 99.70, worst 2025-07-03 99.52") for line in lines)


def test_what_counts_is_the_score_of_valid_bars_and_not_of_stamps(calendars: Calendars) -> None:
    """AAPL lacks five stamps of 990, and one of its rows has bad OHLC."""
    with pytest.raises(DataError, match=r"AAPL 1m: 99\.39"):
        plan(calendars, min_score=100 * 984.5 / 990)


def test_a_low_score_may_be_a_warning(calendars: Calendars) -> None:
    planned = plan(calendars, min_score=99.5, on_low_score="warn")
    warnings = [warning for warning in planned.warnings if "min_score" in warning]
    assert len(warnings) == 1
    assert warnings[0].startswith("stored data are below quality.min_score 99.5: AAPL 1m: 99.39, worst")
