"""What is checked before a run goes on, and what becomes of its folder; runs in this process."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from actors.cli import main
from actors.cli.run import run as run_script
from actors.domain.errors import ConfigError
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.runtime.journal_files import segment_path
from actors.runtime.key_files import KeyFolder
from actors.runtime.locks import take_lock
from actors.runtime.remote import make_pair
from actors.supervisor.launch import LaunchOptions, launch, resume
from actors.supervisor.remote_access import NOT_SERVED
from actors.supervisor.running import ABANDONED, read_status

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
STRATEGY = """
from actors.domain.strategy import Strategy

class Subject(Strategy):
    def on_step(self, ctx, step):
        if ctx.now % 600_000_000_000 == 0:
            ctx.signal("AAPL", "BUY" if ctx.now % 1_200_000_000_000 else "SELL", 1)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with configuration, catalog and strategy, and a run of them that is done."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "configs").mkdir()
    shutil.copytree(ROOT / "data", folder / "data")
    document = json.loads((ROOT / "configs" / "example_session.json").read_bytes())
    document["session_data_config"]["strategies"] = [{"name": "own", "strategy": "own.py:Subject"}]
    document["pipeline"] = {"window_steps": 30}
    (folder / "configs" / "session.json").write_text(json.dumps(document))
    (folder / "configs" / "own.py").write_text(STRATEGY)
    options = LaunchOptions(runs=folder / "runs", inline=True, as_json=True)
    overrides = Overrides(start="2025-07-02", end="2025-07-03")
    assert launch(folder / "configs" / "session.json", overrides, options) is ExitCode.DONE
    return folder


@pytest.fixture
def torn(project: Path, tmp_path: Path) -> Path:
    """Give the run as if it had been killed in its second session; all that it needs lies beside it."""
    folder = tmp_path / "project"
    shutil.copytree(project, folder, symlinks=True)
    run = (folder / "runs" / "latest").resolve()
    kill(run)
    return run


def kill(run: Path) -> None:
    """Have a run look as if it had been killed in its second session."""
    path = segment_path(run / "journal", 1)
    os.truncate(path, path.stat().st_size // 2)
    (run / "summary.json").unlink()
    status = json.loads((run / "status.json").read_bytes()) | {"state": "running"}
    (run / "status.json").write_text(json.dumps(status))


def go_on(run: Path, configuration: Path | None = None, *, inline: bool = True) -> ExitCode:
    return resume(run, configuration, LaunchOptions(runs=run.parent, inline=inline, as_json=True))


def summary_of(run: Path) -> Json:
    content: Json = json.loads((run / "summary.json").read_bytes())
    return content


def tables_of(run: Path) -> Json:
    folder = run / "tables"
    return {str(path.relative_to(folder)): pq.read_table(path) for path in folder.rglob("*.parquet")}


def refusal(run: Path, configuration: Path | None = None, *, inline: bool = True) -> str:
    """Give why a run is not resumed; nothing of it may have changed then."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}
    with pytest.raises(ConfigError) as caught:
        go_on(run, configuration, inline=inline)
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}
    assert before == after
    return str(caught.value)


def test_a_run_that_was_killed_ends_as_one_that_was_not(project: Path, torn: Path) -> None:
    whole = project / "runs" / "latest"
    logged = (torn / "logs" / "coordinator.log").read_text()
    (torn / "tables" / "left.parquet").write_bytes(b"half")
    (torn / ".status.json.tmp").write_bytes(b"half")
    assert go_on(torn) is ExitCode.DONE
    assert tables_of(torn) == tables_of(whole)
    resumed, before = summary_of(torn), summary_of(whole)
    for same in ("digest", "sessions", "bars", "derived", "quality", "gaps", "signals", "results", "status"):
        assert resumed[same] == before[same]
    assert (before["resumed"], resumed["resumed"], resumed["resume"]) == (0, 1, None)
    assert (torn / "logs" / "coordinator.log").read_text().startswith(logged)
    assert list(torn.glob(".*.tmp")) == []


def test_what_was_cut_off_the_journal_is_told_and_kept(torn: Path) -> None:
    path = segment_path(torn / "journal", 1)
    os.truncate(path, path.stat().st_size - 1)
    go_on(torn)
    (told,) = json.loads((torn / "resumptions.json").read_bytes())["resumptions"]
    assert told["torn_bytes"] > 0
    log = (torn / "logs" / "supervisor.log").read_text()
    assert f"The journal was torn in segment 1: {told['torn_bytes']} bytes were cut off" in log
    kill(torn)
    go_on(torn)
    assert summary_of(torn)["resumed"] == 2
    assert len(json.loads((torn / "resumptions.json").read_bytes())["resumptions"]) == 2


def test_a_run_killed_before_its_first_record_begins_anew(project: Path, torn: Path) -> None:
    shutil.rmtree(torn / "journal")
    assert go_on(torn) is ExitCode.DONE
    assert summary_of(torn)["digest"] == summary_of(project / "runs" / "latest")["digest"]


def test_a_run_that_is_done_has_nothing_to_resume(project: Path) -> None:
    assert "is done; nothing to resume" in refusal((project / "runs" / "latest").resolve())


def test_a_run_that_came_to_its_end_with_failures_has_nothing_to_resume(torn: Path) -> None:
    (torn / "summary.json").write_text(json.dumps({"status": "failed", "resume": None}))
    assert "came to its end, with failures" in refusal(torn)


def test_a_run_that_goes_on_is_refused_with_its_process(torn: Path) -> None:
    lock = take_lock(torn / "lock")
    assert f"still goes on (pid {os.getpid()})" in refusal(torn)
    os.close(lock)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda run: (run / "config.json").unlink(), "launch it anew"),
        (lambda run: (run / "inputs.json").unlink(), "has no inputs.json"),
        (lambda run: (run / "inputs.json").write_text("{"), "inputs.json cannot be read"),
        (lambda run: (run / "plan.json").write_text("{"), "plan.json cannot be read"),
    ],
)
def test_a_folder_without_what_a_run_is_made_from_is_refused(
    torn: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(torn)
    assert words in refusal(torn)


def bars_of(run: Path, symbol: str) -> Path:
    return run.parents[1] / f"data/bars/interval=1m/symbol={symbol}/year=2025/part-0.parquet"


def test_data_that_are_not_the_same_are_named(torn: Path) -> None:
    path = bars_of(torn, "RIVN")
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)
    shutil.copy(path, path.with_name("part-1.parquet"))
    words = refusal(torn)
    assert "bars/interval=1m/symbol=RIVN/year=2025/part-0.parquet has changed" in words
    assert "bars/interval=1m/symbol=RIVN/year=2025/part-1.parquet is new" in words
    assert "put back what was there, or launch it anew" in words


def test_a_strategy_that_is_not_the_same_is_named(torn: Path) -> None:
    (torn.parents[1] / "configs" / "own.py").write_text(STRATEGY + "\n# changed\n")
    assert "the file of strategy own has changed" in refusal(torn)


def test_a_plan_or_an_environment_that_differs_is_named_by_its_paths(torn: Path) -> None:
    for name, path in (("plan.json", ("flow", "credit")), ("environment.json", ("packages", "numpy"))):
        document = json.loads((torn / name).read_bytes())
        document[path[0]][path[1]] = 77
        (torn / name).write_text(json.dumps(document))
    words = refusal(torn)
    assert "plan.json: flow.credit was 77 and would be 8 now" in words
    assert 'environment.json: packages.numpy was 77 and would be "' in words


def test_an_engine_that_was_given_up_before_stays_so(torn: Path) -> None:
    status = json.loads((torn / "status.json").read_bytes())
    lost = {"analysis-own": "analysis-own was killed by signal 9", "analysis-other": "is none of this run"}
    (torn / "status.json").write_text(json.dumps(status | {"lost": lost}))
    assert go_on(torn) is ExitCode.ACTOR_FAILED
    assert summary_of(torn)["results"]["own"]["failure"] == lost["analysis-own"]
    after = json.loads((torn / "status.json").read_bytes())
    assert (after["actors"]["analysis-own"]["state"], list(after["lost"])) == ("failed", ["analysis-own"])
    assert "It goes on without analysis-own, as before: " in (torn / "logs" / "supervisor.log").read_text()
    assert "came to its end, with failures" in refusal(torn)


@pytest.fixture
def observed(torn: Path) -> Path:
    """Give the run as if remote observers had been served; their keys lie beside its configuration."""
    document = json.loads((torn / "config.json").read_bytes())
    keys = KeyFolder(torn.parents[1] / "configs" / "keys")
    keys.make((), make_pair)
    document["remote"] = {"observe": "tcp://127.0.0.1:5571", "keys": "keys"}
    (torn / "config.json").write_text(json.dumps(document))
    plan = json.loads((torn / "plan.json").read_bytes())
    plan["remote"] = {"observe": "tcp://127.0.0.1:5571", "keys": ""}
    (torn / "plan.json").write_text(json.dumps(plan))
    return torn


def test_keys_that_others_may_read_end_it_before_anything_is_cut(observed: Path) -> None:
    server = KeyFolder(observed.parents[1] / "configs" / "keys").server
    server.chmod(0o644)
    words = refusal(observed, inline=False)
    assert "remote.keys: " in words
    assert f"chmod 600 {server}" in words


def test_a_run_with_remote_observers_goes_on_in_one_process_without_them_and_again(observed: Path) -> None:
    assert go_on(observed) is ExitCode.DONE
    assert NOT_SERVED in summary_of(observed)["warnings"]
    plan = json.loads((observed / "plan.json").read_bytes())
    (observed / "plan.json").write_text(
        json.dumps(plan | {"remote": None, "warnings": [*plan["warnings"], NOT_SERVED]})
    )
    kill(observed)
    assert go_on(observed) is ExitCode.DONE


def test_a_journal_that_is_damaged_is_refused_with_segment_and_byte(torn: Path) -> None:
    path = segment_path(torn / "journal", 0)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    words = refusal(torn)
    assert "journal 000000.sfj at byte" in words
    assert "it is damaged, so launch the run anew" in words


def test_a_run_that_was_moved_with_all_it_needs_is_found_and_alone_needs_its_configuration(
    torn: Path, tmp_path: Path
) -> None:
    everything = torn.parents[1].rename(tmp_path / "moved")
    alone = (everything / "runs" / torn.name).rename(tmp_path / "alone")
    words = refusal(alone)
    assert "its configuration cannot be found" in words
    assert "name it with --config FILE" in words
    assert go_on(alone, everything / "configs" / "session.json") is ExitCode.DONE


def test_a_project_can_be_moved_as_a_whole(torn: Path, tmp_path: Path) -> None:
    moved = torn.parents[1].rename(tmp_path / "moved")
    assert go_on(moved / "runs" / torn.name) is ExitCode.DONE


def test_the_status_of_a_killed_run_says_how_to_go_on(torn: Path) -> None:
    assert read_status(torn).message == f"{ABANDONED}; go on with `sessionflow resume {torn.name}`"


def flat(result: Result) -> str:
    return " ".join(result.output.split())


def test_the_verb_takes_the_latest_run_up_and_then_finds_it_done(torn: Path) -> None:
    runs = ("--runs", str(torn.parent))
    first = CliRunner().invoke(main, ["resume", *runs, "--inline"])
    assert first.exit_code == 0, first.output
    assert "Resumed (1)" in flat(first)
    again = CliRunner().invoke(main, ["resume", "latest", *runs])
    assert again.exit_code == 2
    assert "is done; nothing to resume" in flat(again)


def test_the_script_resumes_by_name_and_takes_no_other_settings(torn: Path) -> None:
    runs = ("--runs", str(torn.parent))
    changed = CliRunner().invoke(run_script, ["--resume", torn.name, *runs, "--credit", "3"])
    assert changed.exit_code == 2
    assert "a run is resumed as it was configured" in flat(changed)
    resumed = CliRunner().invoke(run_script, ["--resume", torn.name, *runs, "--inline", "--json"])
    assert (resumed.exit_code, json.loads(resumed.stdout)["resumed"]) == (0, 1)
    assert CliRunner().invoke(run_script, []).exit_code == 2
