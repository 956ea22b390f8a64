"""A system that lets no more files be opened, by its limit on descriptors."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.pipeline.conftest import EXAMPLE, SCRIPT, Configure, Ended, Launcher, WriteStrategy

LEAK: Final = """
if IS_ACTOR:
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

class Subject(Strategy):
    def on_bar(self, ctx, bar):
        while True:
            os.dup(0)
"""
"""Opens files until there are no more, in a process that may have few."""


def launch_limited(
    limit: str, folder: Path, cache: Path, sockets: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Launch the example where only some files may be open."""
    command = [sys.executable, str(SCRIPT), str(EXAMPLE), "--runs", str(folder / "runs"), "--json", *options]
    return subprocess.run(
        ["/bin/sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *command],
        env={"SESSIONFLOW_CACHE_DIR": str(cache), "TMPDIR": str(sockets), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("mode", [[], ["--inline"]], ids=["processes", "inline"])
@pytest.mark.parametrize("limit", [16, 40, 110])
def test_too_low_a_limit_is_named_before_anything_runs(
    limit: int, mode: list[str], tmp_path: Path, cache: Path, short_tmp: Path
) -> None:
    sockets = Path(tempfile.mkdtemp(dir=short_tmp, prefix=""))
    ended = launch_limited(f"-n {limit}", tmp_path, cache, sockets, *mode)
    assert ended.returncode == 2, ended.stderr
    assert f"and {limit} are allowed here: allow more with ulimit -n" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()
    assert not [path for path in sockets.iterdir() if path.name.startswith("sessionflow")]


@pytest.mark.parametrize("mode", [[], ["--inline"]], ids=["processes", "inline"])
@pytest.mark.parametrize("limit", ["-n 124", "-Sn 20"], ids=["just enough", "as much as it takes"])
def test_what_is_enough_does_the_run(
    limit: str, mode: list[str], tmp_path: Path, cache: Path, short_tmp: Path, example: Ended
) -> None:
    sockets = Path(tempfile.mkdtemp(dir=short_tmp, prefix=""))
    ended = launch_limited(limit, tmp_path, cache, sockets, *mode)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["digest"] == example.summary["digest"]


def test_an_actor_that_runs_out_of_files_ends_the_run_with_a_word(
    launch: Launcher, configure: Configure, write_strategy: WriteStrategy
) -> None:
    config = configure({"session_data_config": {"strategies": [write_strategy("leaks", LEAK)]}})
    ended = launch(config).finish()
    assert ended.exit_code == 3
    failure = ended.summary["failure"]
    assert failure["actor"] == "analysis-leaks"
    assert os.strerror(24) in "".join([failure["reason"], *failure["log_tail"]])
    assert "ulimit -n" in failure["advice"]
    assert "ulimit -n" in ended.stdout
