"""A disk that takes no more, by the operating system's limit on the size of a file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.conftest import EXAMPLE, SCRIPT

BLOCK_BYTES = 512
JOURNAL_STARTS_BYTES = 40 * BLOCK_BYTES
"""Enough for the plan and the logs of the start, not for a window."""


def launch_limited(blocks: int, folder: Path, cache: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Launch the example where no file may grow beyond some blocks."""
    command = [sys.executable, str(SCRIPT), str(EXAMPLE), "--runs", str(folder / "runs"), *options]
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
