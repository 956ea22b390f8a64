"""A disk that takes no more, by the operating system's limit on the size of a file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.conftest import EXAMPLE, SCRIPT, SLOW, Configure, Ended, Launcher, WriteStrategy

BLOCK_BYTES = 512
JOURNAL_STARTS_BYTES = 40 * BLOCK_BYTES
"""Enough for the plan and the logs of the start, not for a window."""
ENOUGH_BYTES = 1000 * BLOCK_BYTES
"""Enough for every segment of the journal, every table and every log of the example."""
TALKS = """
import logging

class Subject(Strategy):
    def on_bar(self, ctx, bar):
        logging.warning("x" * 1000)
"""
PRINTS = """
class Subject(Strategy):
    def on_bar(self, ctx, bar):
        print("x" * 1000)
"""


def launch_limited(
    blocks: int, folder: Path, cache: Path, *options: str, config: Path = EXAMPLE
) -> subprocess.CompletedProcess[str]:
    """Launch a configuration where no file may grow beyond some blocks."""
    command = [sys.executable, str(SCRIPT), str(config), "--runs", str(folder / "runs"), *options]
    return subprocess.run(
        ["/bin/sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *command],
        env={"SESSIONFLOW_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("mode", [[], ["--inline"]], ids=["processes", "inline"])
def test_a_journal_that_cannot_be_written_ends_the_run_with_a_word_and_nothing_half_written(
    mode: list[str], tmp_path: Path, cache: Path
) -> None:
    ended = launch_limited(JOURNAL_STARTS_BYTES // BLOCK_BYTES, tmp_path, cache, "--json", *mode)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 3, ended.stderr
    failure = json.loads(ended.stdout)["failure"]
    assert failure["actor"] == "coordinator"
    assert failure["reason"].startswith("cannot write the journal")
    kept = json.loads((tmp_path / "runs" / "latest" / "summary.json").read_bytes())
    assert kept["status"] == "failed"
    assert not list((tmp_path / "runs" / "latest").glob(".*.tmp"))


def test_a_run_folder_that_takes_nothing_is_refused_before_anything_runs(tmp_path: Path, cache: Path) -> None:
    ended = launch_limited(2, tmp_path, cache)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 2, ended.stderr
    assert "run folder: the plan cannot be written" in ended.stderr


def test_a_log_that_cannot_grow_loses_lines_and_the_run_goes_on(
    configure: Configure, write_strategy: WriteStrategy, tmp_path: Path, cache: Path, example: Ended
) -> None:
    config = configure({"session_data_config": {"strategies": [write_strategy("talks", TALKS)]}})
    ended = launch_limited(ENOUGH_BYTES // BLOCK_BYTES, tmp_path, cache, "--json", config=config)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["digest"]["data"] == example.summary["digest"]["data"]
    log = tmp_path / "runs" / "latest" / "logs" / "analysis-talks.jsonl"
    assert ENOUGH_BYTES - 4000 < log.stat().st_size <= ENOUGH_BYTES
    assert all(json.loads(line)["actor"] == "analysis-talks" for line in log.read_text().splitlines())


def test_a_strategy_that_prints_onto_a_full_disk_is_told_so(
    configure: Configure, write_strategy: WriteStrategy, tmp_path: Path, cache: Path
) -> None:
    config = configure({"session_data_config": {"strategies": [write_strategy("prints", PRINTS)]}})
    ended = launch_limited(ENOUGH_BYTES // BLOCK_BYTES, tmp_path, cache, "--json", config=config)
    assert ended.returncode == 3, ended.stderr
    failure = json.loads(ended.stdout)["failure"]
    assert failure["actor"] == "analysis-prints"
    assert "File too large" in failure["reason"]


@pytest.mark.parametrize("mode", [[], ["--inline"]], ids=["processes", "inline"])
def test_a_status_that_can_no_longer_be_written_does_not_disturb_the_run(
    mode: list[str], launch: Launcher, configure: Configure, example: Ended
) -> None:
    launched = launch(configure(SLOW, {"backtest_config": {"speed_multiplier": 20_000}}), *mode)
    launched.wait_streaming()
    (launched.runs / "latest" / ".status.json.tmp").mkdir()
    ended = launched.finish()
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.summary["digest"] == example.summary["digest"]


@pytest.mark.parametrize("mode", [[], ["--inline"]], ids=["processes", "inline"])
def test_a_summary_that_cannot_be_written_is_said_on_the_screen_and_fails_the_run(
    mode: list[str], launch: Launcher, configure: Configure
) -> None:
    launched = launch(configure(SLOW, {"backtest_config": {"speed_multiplier": 20_000}}), *mode)
    launched.wait_streaming()
    (launched.runs / "latest" / ".summary.json.tmp").mkdir()
    ended = launched.finish()
    assert ended.exit_code == 3
    assert "summary.json cannot be written to the run folder" in ended.stdout
    assert ended.json("status.json")["state"] == "failed"
