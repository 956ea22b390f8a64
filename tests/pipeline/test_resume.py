"""Real runs that end early and are resumed: the results are those of a run that was left alone."""

import os
import signal
import subprocess
import sys
from typing import Final

import pyarrow.parquet as pq
import pytest

from tests.pipeline.conftest import ROOT, Configure, Ended, Json, Launch, Launcher, WriteStrategy
from tests.pipeline.test_several_strategies import CROSSOVER, assert_undisturbed, signals_of, strategies

STATUS: Final = ROOT / "scripts" / "status.py"
PACED: Final[Json] = {
    "backtest_config": {"speed_multiplier": 12_000},
    "pipeline": {"heartbeat_seconds": 0.1, "restarts": {"limit": 0}},
}
"""Five seconds of steps, and no actor is started again."""
SIGNALLING: Final = """
class Subject(Strategy):
    def on_bar(self, ctx, bar):
        ctx.signal(bar.symbol, "BUY", 1)
"""


def resume(launch: Launcher, launched: Launch, *options: str) -> Ended:
    assert launched.folder is not None
    config = launched.folder.parents[2] / "session.json"
    return launch(config, "--resume", launched.folder.name, "--runs", str(launched.runs), *options).finish()


def assert_as_left_alone(ended: Ended, example: Ended) -> None:
    assert ended.exit_code == 0, ended.stderr
    assert ended.summary["resume"] is None
    assert ended.summary["digest"] == example.summary["digest"]
    assert ended.summary["results"] == example.summary["results"]
    for path in (example.run_folder / "tables").rglob("*.parquet"):
        found = ended.run_folder / path.relative_to(example.run_folder)
        assert pq.ParquetFile(found).read() == pq.ParquetFile(path).read(), path


def test_a_run_whose_restarts_are_used_up_says_what_happened_and_is_resumed(
    launch: Launcher, configure: Configure, example: Ended
) -> None:
    launched = launch(configure(PACED))
    launched.wait_streaming()
    os.kill(launched.pid("processor"), signal.SIGKILL)
    failed = launched.finish()
    assert failed.exit_code == 3
    name = failed.run_folder.name
    how = f"sessionflow resume {name}"
    reason = "processor was killed by signal 9"
    assert failed.summary["resume"] == how
    assert "then resume the run where it ended" in failed.summary["failure"]["advice"]
    assert failed.json("status.json")["message"] == f"{reason}; go on with `{how}`"
    assert "go on with" in failed.stdout
    told = subprocess.run(
        [sys.executable, str(STATUS), name, "--runs", str(launched.runs)],
        capture_output=True, text=True, check=True, timeout=60, env={**os.environ, "COLUMNS": "300"},
    )  # fmt: skip
    assert f"{reason}; go on with `{how}`" in told.stdout
    assert (failed.run_folder / "tables" / "steps.parquet").exists()
    assert_as_left_alone(resume(launch, launched), example)


def test_a_run_that_was_interrupted_and_then_killed_while_it_was_resumed_is_resumed(
    launch: Launcher, configure: Configure, example: Ended
) -> None:
    first = launch(configure(PACED))
    first.wait_streaming()
    first.interrupt()
    interrupted = first.finish()
    assert (interrupted.exit_code, interrupted.summary["status"]) == (130, "interrupted")
    assert interrupted.summary["resume"]
    folder = interrupted.run_folder
    second = launch(folder.parents[2] / "session.json", "--resume", folder.name, "--runs", str(first.runs))
    second.wait_until("supervisor had resumed", (folder / "resumptions.json").exists)
    second.end()
    second.wait_gone()
    third = resume(launch, first)
    assert third.summary["resumed"] == 2
    assert_as_left_alone(third, example)


def test_a_run_that_goes_on_is_not_resumed(launch: Launcher, configure: Configure) -> None:
    launched = launch(configure(PACED))
    launched.wait_streaming()
    refused = resume(launch, launched)
    assert refused.exit_code == 2
    assert f"still goes on (pid {launched.process.pid}): nothing to resume" in refused.stderr
    launched.interrupt()
    assert launched.finish().exit_code == 130


@pytest.mark.parametrize("options", [(), ("--inline",)], ids=["by processes", "in one process"])
def test_a_run_that_lost_a_strategy_and_was_killed_goes_on_without_it(
    launch: Launcher,
    configure: Configure,
    write_strategy: WriteStrategy,
    example: Ended,
    options: tuple[str, ...],
) -> None:
    launched = launch(configure(strategies(write_strategy("lost", SIGNALLING), CROSSOVER), PACED))
    launched.wait_streaming()
    os.kill(launched.pid("analysis-lost"), signal.SIGKILL)

    def is_in_last_session() -> bool:
        status = launched.status()
        return status is not None and status["phase"] == 5 and status["sessions_done"] == 2

    launched.wait_until("last session had begun", is_in_last_session)
    launched.end()
    launched.wait_gone()
    ended = resume(launch, launched, *options)
    assert_undisturbed(ended, example)
    assert ended.summary["resumed"] == 1
    assert ended.json("status.json")["actors"]["analysis-lost"]["state"] == "failed"
    assert "lost failed before the run was resumed; the others went on" in ended.summary["failure"]["reason"]
    assert ended.summary["results"]["lost"]["failure"] == "analysis-lost was killed by signal 9"
    assert 0 < ended.summary["signals"]["by_strategy"]["lost"] == len(signals_of(ended, "lost"))
