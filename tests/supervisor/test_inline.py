"""A run in one process, as a notebook or a sweep does it."""

import json
from pathlib import Path
from threading import Thread

import pytest

from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.supervisor.launch import LaunchOptions, launch

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
