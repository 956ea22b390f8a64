"""A run in one process, as a notebook or a sweep does it."""

import json
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.supervisor.launch import LaunchOptions, launch

Json = dict[str, Any]
EXAMPLE = Path(__file__).resolve().parents[2] / "configs" / "example_session.json"


def test_a_run_in_a_thread_of_its_own_leaves_signals_to_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[ExitCode] = []

    def run() -> None:
        options = LaunchOptions(runs=tmp_path, inline=True, as_json=True)
        codes.append(launch(EXAMPLE, Overrides(start="2025-07-03", end="2025-07-03"), options))

    thread = Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [ExitCode.DONE]
    assert json.loads(capsys.readouterr().out)["bars"]["AAPL"]["delivered"] == 208


RAISES = """
from actors.domain.strategy import Strategy

class Subject(Strategy):
    def on_step(self, ctx, step):
        ctx.signal("AAPL", "BUY", 1)
        if ctx.now >= ctx.session.open_ns + 600 * 10**9:
            raise ValueError("no such thing")
"""


def run_example(folder: Path, strategies: list[Json], capsys: pytest.CaptureFixture[str]) -> Json:
    document = json.loads(EXAMPLE.read_bytes())
    document["catalog"]["path"] = str(EXAMPLE.parents[1] / "data")
    document["session_data_config"]["strategies"] += strategies
    folder.mkdir()
    (folder / "raises.py").write_text(RAISES)
    path = folder / "session.json"
    path.write_text(json.dumps(document))
    options = LaunchOptions(runs=folder / "runs", inline=True, as_json=True)
    code = launch(path, Overrides(start="2025-07-03", end="2025-07-03"), options)
    summary: Json = json.loads(capsys.readouterr().out)
    assert summary["exit_code"] == code
    return summary


def test_a_strategy_that_raises_fails_the_run_and_changes_nothing_for_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = run_example(tmp_path / "alone", [], capsys)
    entry = {"name": "raises", "strategy": "raises.py:Subject"}
    both = run_example(tmp_path / "both", [entry], capsys)
    assert (both["status"], both["exit_code"]) == ("failed", ExitCode.ACTOR_FAILED)
    assert both["failure"]["actor"] == "analysis-raises"
    assert both["failure"]["step"] == "2025-07-03T09:40:00-04:00"
    assert "raises failed at 2025-07-03 09:40:00 EDT; the others went on: " in both["failure"]["reason"]
    assert both["results"]["sma_crossover"] == alone["results"]["sma_crossover"]
    assert both["results"]["raises"]["failure"].startswith("strategy raises raised in on_step at 2025-07-03")
    assert both["signals"]["by_strategy"]["raises"] == both["results"]["raises"]["orders"] == 10
    for part in ("stream", "data"):
        assert both["digest"][part] == alone["digest"][part]
    assert [session["steps"] for session in both["sessions"]] == [210]
