"""Other ways to run: several strategies or none, fewer log lines, other terminals, folders and options."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.pipeline.conftest import (
    EXAMPLE,
    ROOT,
    Configure,
    Ended,
    Runner,
    WriteStrategy,
    read_rows,
)

BUYS_ON_THE_HOUR: Final = """
class Subject(Strategy):
    def needs(self):
        return Needs(intervals=("1h",))

    def on_bar(self, ctx, bar):
        ctx.signal(bar.symbol, "BUY", 1, reason="the hour is over")
"""
PRINTS: Final = """
print("read")

class Subject(Strategy):
    def on_start(self, ctx):
        print("started")
"""
HALF_DAY: Final = ("--start", "2025-07-03", "--end", "2025-07-03")


def test_several_strategies_run_side_by_side_each_in_a_process_of_its_own(
    run: Runner, configure: Configure, write_strategy: WriteStrategy, example: Ended
) -> None:
    sma = json.loads(EXAMPLE.read_bytes())["session_data_config"]["strategies"]
    hourly = [write_strategy(name, BUYS_ON_THE_HOUR) for name in ("hourly", "hourly_too")]
    ended = run(configure({"session_data_config": {"strategies": [*sma, *hourly]}}))
    assert ended.exit_code == 0
    emitted = ended.summary["signals"]["by_strategy"]
    assert emitted == {"sma_crossover": 21, "hourly": 36, "hourly_too": 36}
    assert ended.summary["digest"]["stream"] == example.summary["digest"]["stream"]
    signals = read_rows(ended.run_folder / "tables" / "signals.parquet")
    before = read_rows(example.run_folder / "tables" / "signals.parquet")
    assert [signal for signal in signals if signal["strategy"] == "sma_crossover"] == before
    actors = ended.json("status.json")["actors"]
    assert len({actors[f"analysis-{name}"]["pid"] for name in emitted}) == 3


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
def test_a_run_without_strategies_delivers_the_same_bars(
    run: Runner, configure: Configure, example: Ended, inline: tuple[str, ...]
) -> None:
    ended = run(configure({"session_data_config": {"strategies": []}}), *inline)
    assert ended.exit_code == 0
    assert ended.summary["signals"] == {"emitted": 0, "by_strategy": {}, "digests": {}}
    assert ended.summary["digest"]["stream"] == example.summary["digest"]["stream"]
    assert read_rows(ended.run_folder / "tables" / "signals.parquet") == []
    assert not any(name.startswith("analysis") for name in ended.json("status.json")["actors"])


def test_without_step_lines_all_others_stay_and_nothing_else_changes(
    run: Runner, configure: Configure, example: Ended
) -> None:
    ended = run(configure({"logging": {"steps": False}}))
    assert ended.exit_code == 0
    assert ended.summary["digest"] == example.summary["digest"]
    per_step = ("PHASE_5.2: Next timestamp", "PHASE_5.3: Processed")
    kept = [line for line in example.messages("coordinator") if not any(words in line for words in per_step)]
    found = ended.messages("coordinator")
    timed = "[SESSION_FLOW] PHASE_2.1: Complete"
    assert [line for line in found if not line.startswith(timed)] == [
        line for line in kept if not line.startswith(timed)
    ]


def test_corporate_actions_give_the_same_bars_in_processes_as_in_one(
    run: Runner, configure: Configure, example: Ended, tmp_path: Path
) -> None:
    rows = (
        "date,symbol,split,dividend",
        "2025-07-01,AAPL,3,0.5",
        "2025-07-03,RIVN,,1",
        "2026-01-02,AAPL,0.7,",
    )
    (tmp_path / "actions.csv").write_text("\n".join(rows))
    path = configure({"catalog": {"corporate_actions": "actions.csv"}})
    found = [run(path, *options).summary for options in ((), ("--inline", "--window-steps", "7"))]
    assert found[0]["digest"] == found[1]["digest"]
    assert found[0]["digest"]["data"] != example.summary["digest"]["data"]
    assert found[0]["corporate_actions"]["applied"] == 3


def test_a_run_of_one_session_has_that_session_only(run: Runner) -> None:
    ended = run(EXAMPLE, *HALF_DAY)
    assert [session["date"] for session in ended.summary["sessions"]] == ["2025-07-03"]
    assert ended.summary["bars"]["AAPL"]["expected"] == 210


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
def test_with_json_the_summary_is_all_there_is_on_standard_output(
    run: Runner, configure: Configure, write_strategy: WriteStrategy, inline: tuple[str, ...]
) -> None:
    path = configure({"session_data_config": {"strategies": [write_strategy("prints", PRINTS)]}})
    ended = run(path, "--json", *HALF_DAY, *inline)
    assert json.loads(ended.stdout) == ended.summary


def test_with_json_a_failure_is_told_in_the_summary(
    run: Runner, configure: Configure, write_strategy: WriteStrategy
) -> None:
    body = "class Subject(Strategy):\n    def on_start(self, ctx):\n        raise ValueError('no')\n"
    path = configure({"session_data_config": {"strategies": [write_strategy("raises", body)]}})
    ended = run(path, "--json")
    assert ended.exit_code == 3
    assert json.loads(ended.stdout)["failure"]["actor"] == "analysis-raises"


def test_what_a_strategy_prints_is_kept_beside_its_log(
    run: Runner, configure: Configure, write_strategy: WriteStrategy
) -> None:
    path = configure({"session_data_config": {"strategies": [write_strategy("prints", PRINTS)]}})
    ended = run(path, *HALF_DAY)
    assert (ended.run_folder / "logs" / "analysis-prints.out").read_text() == "read\nstarted\n"


def test_run_folders_are_made_below_the_working_directory_by_default(cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "actors", "run", str(EXAMPLE), *HALF_DAY, "--json"]
    environment = {"SESSIONFLOW_CACHE_DIR": str(cache), "PATH": ""}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    folder = tmp_path / "runs" / json.loads(found.stdout)["run"]
    assert (folder / "summary.json").exists()
    assert (tmp_path / "runs" / "latest").resolve() == folder


@pytest.mark.parametrize("name", ["actors/__init__.py", "protocol.py", "numpy.py", "signal.py"])
def test_python_files_in_the_working_directory_are_not_imported(
    run: Runner, tmp_path: Path, name: str
) -> None:
    trap = tmp_path / "trap" / name
    trap.parent.mkdir(parents=True)
    trap.write_text("raise SystemExit('imported from the working directory')\n")
    ended = run(EXAMPLE, *HALF_DAY, cwd=tmp_path / "trap")
    assert (ended.exit_code, ended.stderr) == (0, "")


def test_the_code_of_every_actor_comes_from_this_checkout(
    run: Runner, configure: Configure, write_strategy: WriteStrategy
) -> None:
    body = (
        "import actors, protocol\nprint(actors.__file__, protocol.__file__)\n"
        "class Subject(Strategy):\n    pass\n"
    )
    ended = run(
        configure({"session_data_config": {"strategies": [write_strategy("tells", body)]}}), *HALF_DAY
    )
    told = (ended.run_folder / "logs" / "analysis-tells.out").read_text().split()
    assert told == [str(ROOT / "actors" / "__init__.py"), str(ROOT / "protocol" / "__init__.py")]


def test_a_terminal_without_unicode_gets_what_it_can_show(run: Runner) -> None:
    ended = run(EXAMPLE, *HALF_DAY, env={"PYTHONIOENCODING": "ascii"})
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert "2025-07-03" in ended.stdout


def test_a_cache_that_cannot_be_written_costs_time_only(run: Runner) -> None:
    ended = run(EXAMPLE, *HALF_DAY, env={"SESSIONFLOW_CACHE_DIR": "/dev/null/cache"})
    assert (ended.exit_code, ended.stderr) == (0, "")


def test_a_run_goes_on_when_nobody_reads_its_output_any_more(tmp_path: Path, cache: Path) -> None:
    command = f"'{sys.executable}' '{ROOT / 'scripts/launch.py'}' '{EXAMPLE}' --runs runs | true"
    environment = {"SESSIONFLOW_CACHE_DIR": str(cache), "PATH": "/usr/bin:/bin"}
    subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, env=environment, check=True, timeout=60)
    summary = json.loads((tmp_path / "runs" / "latest" / "summary.json").read_bytes())
    assert summary["status"] == "done"
