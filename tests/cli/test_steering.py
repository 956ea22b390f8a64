"""`sessionflow status` and the verbs that steer, as far as no run is needed; tests/pipeline has real ones."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.cli import main
from actors.cli.control import control
from actors.cli.status import follow
from actors.runtime.locks import take_lock
from actors.supervisor.running import PlanHead
from actors.supervisor.status import ActorStatus, RunState, RunStatus

STEERING = ("pause", "resume", "step", "until", "speed", "stop")


def snapshot(state: RunState, bars: int = 0) -> RunStatus:
    return RunStatus(
        run="one", state=state, phase=5, session="2025-07-02", sessions_done=0, sessions_total=1,
        sim_time="2025-07-02T10:30:00-04:00", bars=bars, bars_expected=780, elapsed_s=0.1, bars_per_s=0.0,
        windows_in_flight=2, waiting_for=("quality",), credit=8,
        actors={"quality": ActorStatus(role="quality", queue=2)},
    )  # fmt: skip


def write(folder: Path, status: RunStatus) -> None:
    (folder / "status.json.new").write_bytes(msgspec.json.encode(status))
    (folder / "status.json.new").rename(folder / "status.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of a run that was interrupted."""
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "lock").touch()
    write(folder, snapshot("interrupted"))
    (folder / "plan.json").write_bytes(
        msgspec.json.encode(PlanHead("Example", "America/New_York", "2025-07-02"))
    )
    (tmp_path / "latest").symlink_to("one")
    return folder


@pytest.fixture
def running(folder: Path) -> Iterator[Path]:
    """Give the folder of a run that goes on, as far as its lock says."""
    lock = take_lock(folder / "lock")
    write(folder, snapshot("paused"))
    yield folder
    os.close(lock)


def invoke(runs: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--runs", str(runs)])


def test_without_a_name_the_latest_run_is_shown_where_none_is_running(folder: Path) -> None:
    result = invoke(folder.parent, "status")
    assert result.exit_code == 0
    assert "Example  interrupted  0 of 1 session done" in result.output


def test_a_run_that_is_running_is_shown_before_the_latest(running: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").unlink()
    result = invoke(running.parent, "status")
    assert "Example  paused  session 1 of 1, phase 5 Streaming" in result.output
    assert "2 of 8 windows in flight, waiting for quality" in result.output


def test_as_json_the_status_is_written_as_it_lies_in_the_folder(folder: Path) -> None:
    result = invoke(folder.parent, "status", "one", "--json")
    assert json.loads(result.stdout) == json.loads((folder / "status.json").read_bytes())


def test_watching_a_run_that_is_over_shows_it_once(folder: Path) -> None:
    assert len(invoke(folder.parent, "status", "--watch", "--json").stdout.splitlines()) == 1
    assert invoke(folder.parent, "status", "--watch").output.count("interrupted") == 1


def test_a_watched_run_is_read_until_it_is_over(running: Path) -> None:
    states: list[RunStatus] = [snapshot("running", 7), snapshot("stopping", 8)]

    def pause(_seconds: float) -> None:
        if states:
            write(running, states.pop(0))
        else:
            (running / "lock").unlink()
            (running / "lock").touch()
            write(running, snapshot("done", 9))

    shown = [(status.state, status.bars) for status in follow(running, pause)]
    assert shown == [("paused", 0), ("running", 7), ("stopping", 8), ("done", 9)]


def test_a_run_that_has_written_no_status_yet_is_waited_for_when_watched(running: Path) -> None:
    (running / "status.json").unlink()
    assert invoke(running.parent, "status").exit_code == 4

    def pause(_seconds: float) -> None:
        (running / "lock").unlink()
        write(running, snapshot("done"))

    assert [status.state for status in follow(running, pause)] == ["done"]


@pytest.mark.parametrize("verb", [verb for verb in STEERING if verb != "resume"])
def test_where_no_run_is_running_nothing_can_be_steered(folder: Path, verb: str) -> None:
    details = {"until": ("10:30",), "speed": ("60",), "step": ("3",)}.get(verb, ())
    result = invoke(folder.parent, verb, *details)
    assert result.exit_code == 2
    assert "no run is running in" in result.output
    named = invoke(folder.parent, verb, *details, "one")
    assert named.exit_code == 2
    assert "run one is not running" in " ".join(named.output.split())
    assert invoke(folder.parent, verb, *details, "two").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("until", "noon"), "'noon' is no time: write 2025-07-03T10:30 or 10:30"),
        (("until", "24:10"), "is no time"),
        (("speed", "-1"), "-1 is no speed: write 0, or from 0.001"),
        (("speed", "nan"), "nan is no speed"),
        (("speed", "fast"), "'fast' is not a valid float"),
        (("step", "0"), "0 is not in the range"),
        (("step", "one"), "'one' is not a valid integer"),
    ],
)
def test_what_cannot_be_asked_for_is_said_before_the_run_is_asked(
    running: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = invoke(running.parent, *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_the_script_has_the_verbs_that_steer_and_no_other() -> None:
    result = CliRunner().invoke(control, ["--help"])
    assert [line.split()[0] for line in result.output.partition("Verbs:\n")[2].splitlines()] == list(STEERING)
