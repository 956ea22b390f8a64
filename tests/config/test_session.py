import json
from datetime import date
from pathlib import Path
from typing import Any

import exchange_calendars
import pytest

from actors.config import SessionConfig, parse_config
from actors.config.vocabulary import CALENDARS, EXCHANGE_GROUPS
from actors.domain.errors import ConfigError

Document = dict[str, Any]
CROSSOVER = {"name": "cross", "strategy": "package.module:Crossover"}


def warned_about(config: SessionConfig) -> set[str]:
    return {warning.partition(": ")[0] for warning in config.warnings()}


def test_what_is_left_out_has_its_default(document: Document) -> None:
    config = parse_config(document)
    assert config.mode == "backtest"
    assert config.backtest_config.speed_multiplier == 0
    assert config.backtest_config.prefetch_days == 1
    assert config.session_data_config.historical.enable_quality
    assert config.pipeline.window_steps is None
    assert (config.pipeline.window_rows, config.pipeline.credit) == (8192, 8)
    assert (config.pipeline.heartbeat_seconds, config.pipeline.stall_seconds) == (0.5, 30)
    assert (config.derived.min_coverage, config.derived.align) == (0, "session")
    assert config.quality.jump_ratio == 2
    assert (config.logging.steps, config.logging.level) == (True, "INFO")
    assert config.catalog.path == "data"


@pytest.mark.parametrize(
    ("group", "calendar"), [("US_EQUITY", "XNYS"), ("XLON", "XLON"), ("24/7", "24/7"), ("CMES", "CMES")]
)
def test_an_exchange_group_or_a_calendar_gives_the_calendar(
    document: Document, group: str, calendar: str
) -> None:
    assert parse_config(document | {"exchange_group": group}).calendar == calendar


def test_every_calendar_that_is_accepted_exists() -> None:
    existing = set(exchange_calendars.get_calendar_names(include_aliases=True))
    assert existing >= CALENDARS
    assert existing >= set(EXCHANGE_GROUPS.values())


def test_relative_paths_start_at_the_folder_of_the_file(document: Document, tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    document["session_data_config"]["strategies"] = [{"name": "mine", "strategy": "mine.py:Mine"}, CROSSOVER]
    config = parse_config(document | {"catalog": {"path": "../bars"}}, tmp_path)
    assert config.catalog_path == tmp_path.parent / "bars"
    targets = [config.strategy_target(strategy) for strategy in config.session_data_config.strategies]
    assert targets == [f"{tmp_path}/mine.py:Mine", "package.module:Crossover"]


def test_dates_that_are_set_are_those_that_are_read(document: Document, tmp_path: Path) -> None:
    config = parse_config(document, tmp_path).with_dates(start=date(2025, 6, 2))
    assert (config.backtest_start_date, config.backtest_end_date) == (date(2025, 6, 2), date(2025, 7, 3))
    assert config.backtest_config.start_date == date(2025, 6, 2)
    assert config.catalog_path == tmp_path / "data"


@pytest.mark.parametrize("group", ["US_EQUITY", "XNYS", "NASDAQ"])
def test_us_equities_have_extended_hours(group: str, document: Document) -> None:
    document["exchange_group"] = group
    document["session_data_config"]["extended_hours"] = True
    assert parse_config(document, Path()).session_data_config.extended_hours


@pytest.mark.parametrize(
    ("group", "calendar"), [("CRYPTO", "24/7"), ("XLON", "XLON"), ("US_FUTURES", "CMES")]
)
def test_extended_hours_that_nobody_knows_are_refused(group: str, calendar: str, document: Document) -> None:
    document["exchange_group"] = group
    document["session_data_config"]["extended_hours"] = True
    with pytest.raises(ConfigError) as caught:
        parse_config(document, Path())
    (problem,) = caught.value.problems
    assert problem.where == "session_data_config.extended_hours"
    assert problem.message == (
        f"calendar {calendar}: extended hours are known for US equities only; write false"
    )


def test_dates_that_are_set_in_reverse_are_refused(document: Document) -> None:
    with pytest.raises(ConfigError, match="2025-07-01 is before start_date 2025-07-02"):
        parse_config(document).with_dates(end=date(2025, 7, 1))


def test_a_configuration_cannot_be_changed(document: Document) -> None:
    config = parse_config(document)
    with pytest.raises(ValueError, match="frozen"):
        config.backtest_config.prefetch_days = 5  # type: ignore[misc]


def test_secrets_are_shown_nowhere(document: Document) -> None:
    config = parse_config(document | {"api_config": {"key": "s3cret", "more": {"tokens": ["s3cret", 5]}}})
    assert config.api_config["key"] == "s3cret"
    assert json.loads(config.as_json())["api_config"] == {"key": "***", "more": {"tokens": ["***", "***"]}}
    assert "s3cret" not in f"{config!r} {config} {config.as_json()} {config.warnings()}"


def test_a_secret_in_the_wrong_place_is_not_shown(document: Document) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(document | {"api_config": "s3cret"})
    assert "api_config: must be an object" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_what_is_accepted_and_not_acted_on_is_warned_about(document: Document) -> None:
    document["session_data_config"] |= {
        "streaming": {"catchup_check_interval": 5},
        "gap_filler": {"enable_session_quality": False, "max_retries": 2, "retry_interval_seconds": 5},
        "scanners": ["gap_up"],
        "indicators": {
            "session": [
                {"name": "sma", "period": 20, "interval": "5m"},
                {"name": "macd", "interval": "1m", "params": {"fast": 5}},
            ],
        },
    }
    assert warned_about(parse_config(document | {"api_config": {"data_api": "alpaca"}})) == {
        "session_data_config.streaming.catchup_check_interval",
        "session_data_config.gap_filler.enable_session_quality",
        "session_data_config.gap_filler.max_retries",
        "session_data_config.gap_filler.retry_interval_seconds",
        "session_data_config.scanners",
        "api_config",
    }


def test_what_is_acted_on_is_not_warned_about(document: Document) -> None:
    document["session_data_config"]["gap_filler"] = {"enabled": True}
    assert warned_about(parse_config(document)) == set()


@pytest.mark.parametrize("written", [{"period": 20}, {"params": {"period": 20}}])
def test_a_period_may_stand_beside_the_name_or_among_the_parameters(
    document: Document, written: Document
) -> None:
    document["session_data_config"]["indicators"] = {
        "session": [{"name": "sma", "interval": "5m", **written}]
    }
    [indicator] = parse_config(document).session_data_config.indicators.session
    assert indicator.arguments == {"period": 20}
