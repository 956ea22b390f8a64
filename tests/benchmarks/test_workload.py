"""The benchmark measures the work that it says it does."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from actors.config import parse_config
from actors.domain.session_plan import Session
from tests.benchmark_scripts import BENCHMARKS, imported

ROOT: Final = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def workload() -> ModuleType:
    return imported("workload")


def average(closes: npt.NDArray[np.float64], period: int) -> npt.NDArray[np.float64]:
    return np.convolve(closes, np.full(period, 1 / period), mode="valid")


def crossings(minutes: dict[str, npt.NDArray[Any]]) -> int:
    """Count by arithmetic on whole columns; full sessions have a whole number of 5m bars."""
    closes = minutes["close"][4::5]
    slow = average(closes, 50)
    above = average(closes, 20)[-len(slow) :] - slow
    signs = np.sign(above[np.abs(above) > 1e-9])
    return int(np.count_nonzero(np.diff(signs)))


def test_a_symbol_has_390_valid_minutes_per_session(workload: ModuleType) -> None:
    bars = workload.minutes(3, workload.sessions(2))
    assert len(bars["open_ts"]) == 2 * 390
    assert (bars["close_ts"] - bars["open_ts"] == 60_000_000_000).all()
    assert (np.minimum(bars["open"], bars["close"]) >= bars["low"]).all()
    assert (np.maximum(bars["open"], bars["close"]) <= bars["high"]).all()
    assert (bars["low"] > 0).all()


def test_the_same_minutes_are_made_every_time_and_others_for_another_symbol(workload: ModuleType) -> None:
    sessions: tuple[Session, ...] = workload.sessions(1)
    first, again, other = (workload.minutes(number, sessions)["close"] for number in (0, 0, 1))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_more_sessions_than_the_calendar_has_are_refused(workload: ModuleType) -> None:
    with pytest.raises(ValueError, match="sessions from 2021-01-04 on, not 100000"):
        workload.sessions(100_000)


def test_the_configuration_is_valid_and_covers_the_sessions(workload: ModuleType, tmp_path: Path) -> None:
    sessions = workload.sessions(20)
    document = json.loads(json.dumps(workload.configuration(workload.Workload(2, 20), sessions)))
    config = parse_config(document, tmp_path)
    assert str(config.backtest_start_date) == sessions[0].date == "2021-01-04"
    assert str(config.backtest_end_date) == sessions[-1].date


def test_a_run_finds_the_crossings_that_arithmetic_finds(workload: ModuleType, tmp_path: Path) -> None:
    work = workload.Workload(2, 3)
    prepared = workload.prepare(tmp_path / "catalog", work)
    expected = sum(crossings(workload.minutes(number, workload.sessions(3))) for number in range(2))
    command = [sys.executable, "scripts/launch.py", prepared.config, "--runs", tmp_path / "runs"]
    ran = subprocess.run(
        [*map(str, command), "--inline", "--json"], cwd=ROOT, capture_output=True, check=True
    )
    summary = json.loads(ran.stdout)
    assert sum(counts["delivered"] for counts in summary["bars"].values()) == prepared.bars == 2 * 3 * 390
    assert summary["signals"]["emitted"] == expected > 0


@pytest.mark.slow
def test_the_benchmark_prints_a_table_of_the_runs_it_made() -> None:
    command = [sys.executable, str(BENCHMARKS / "small_run.py"), "--runs", "1", "--symbols", "1"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.startswith("W(1,1): 390 bars")
    for row in ("by processes", "inline", "by processes ÷ inline"):
        assert f"\n{row:24}" in printed


@pytest.mark.slow
def test_the_years_are_imported_and_checked_to_the_last_bar_and_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    ten_years = imported("ten_years")
    years = ten_years.prepare(tmp_path / "years", 1)
    assert (years.sessions, years.bars) == (252, 249 * 390 + 3 * 210)
    taken = {stage: ten_years.measure(years, stage) for stage in ("import", "check")}
    assert all(found.footprint.largest_rss > 0 for found in taken.values())
    with pytest.raises(ten_years.click.ClickException, match="check of 1 year handled 97,740 of 97,741 bars"):
        ten_years.measure(years._replace(bars=years.bars + 1), "check")

    taken["run"] = taken["check"]
    ten_years.print_table({years: taken, years._replace(number=10): taken})
    printed = capsys.readouterr().out
    assert printed.startswith("1 year: 97,740 bars of 1m in 252 sessions\n10 years: ")
    assert f"\n{'import, 10 years ÷ 1 year':24}        1.00" in printed
