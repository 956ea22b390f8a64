import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from actors.domain.exit_codes import ExitCode
from actors.domain.session_plan import SessionPlan
from actors.runtime.calendars import CACHE_VARIABLE

EXAMPLE = Path(__file__).parents[2] / "configs" / "example_session.json"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def plan(cache: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "actors", "plan", str(EXAMPLE), *map(str, args)]
    environment = os.environ | {CACHE_VARIABLE: str(cache)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=environment, encoding="utf-8"
    )


def test_the_example_is_planned_for_programs(cache: Path) -> None:
    result = plan(cache, "--json")

    assert result.returncode == ExitCode.DONE, result.stderr
    planned = msgspec.json.decode(result.stdout, type=SessionPlan)
    assert [(session.date, session.kind) for session in planned.sessions] == [
        ("2025-07-02", "full"),
        ("2025-07-03", "half"),
        ("2025-07-07", "full"),
    ]
    expected = dict.fromkeys(planned.symbols, 0)
    for holding in planned.stored:
        stream = planned.streams[holding.stream]
        expected[stream.symbol] += holding.expected if holding.session >= 0 else 0
    assert expected == {"AAPL": 990, "RIVN": 990}


def test_the_example_is_planned_for_people(cache: Path) -> None:
    result = plan(cache)

    assert result.returncode == ExitCode.DONE, result.stderr
    for word in ("2025-07-03", "half", "2025-07-04", "STREAMED", "GENERATED", "sma_20_5m"):
        assert word in result.stdout


def test_options_replace_what_the_configuration_says(cache: Path) -> None:
    result = plan(cache, "--start", "2025-07-07", "--speed", "60", "--json")

    planned = msgspec.json.decode(result.stdout, type=SessionPlan)
    assert [session.date for session in planned.sessions] == ["2025-07-07"]
    assert planned.flow.speed == 60


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("--start", "2025-07-04", "--end", "2025-07-06"), ExitCode.CONFIGURATION, "has no session"),
        (("--end", "2095-01-01"), ExitCode.CONFIGURATION, "covers the years 1990 to"),
        (("--start", "2025-07-21", "--end", "2025-07-21"), ExitCode.DATA_MISSING, "AAPL 1m: 2025-07-21"),
        (("--catalog", "no-such-folder"), ExitCode.DATA_MISSING, "no-such-folder"),
    ],
    ids=["no session", "outside the calendar", "no data", "no catalog"],
)
def test_what_stands_against_a_plan_is_a_message_and_an_exit_code(
    cache: Path, args: tuple[str, ...], code: ExitCode, message: str
) -> None:
    result = plan(cache, *args)

    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
