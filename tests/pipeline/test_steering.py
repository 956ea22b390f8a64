"""Real runs, steered from another process: orders are obeyed at the step, and results stay the same."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from actors.runtime.command_links import ControlLink
from actors.runtime.framing import Framing
from actors.runtime.transport import Endpoints
from actors.supervisor.control_file import read_control
from protocol.messages import Hello, Steer
from tests.pipeline.conftest import ROOT, Configure, Ended, Json, Launch, Launcher

CONTROL: Final = ROOT / "scripts" / "control.py"
STATUS: Final = ROOT / "scripts" / "status.py"
PAGE: Final = ROOT / "docs" / "operating.md"
OPEN: Final = "2025-07-02T09:30:00-04:00"
ONE_A_SECOND: Final = {"backtest_config": {"speed_multiplier": 60}, "pipeline": {"heartbeat_seconds": 0.1}}


def call(launched: Launch, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments, "--runs", str(launched.runs)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def steer(launched: Launch, *arguments: str) -> str:
    """Give an order, which must be obeyed; give what the run says, without its name."""
    called = call(launched, CONTROL, *arguments)
    assert (called.returncode, called.stderr) == (0, "")
    return called.stdout.strip().partition(": ")[2]


def status(launched: Launch) -> Json:
    called = call(launched, STATUS, "--json")
    assert (called.returncode, called.stderr) == (0, "")
    content: Json = msgspec.json.decode(called.stdout)
    return content


def wait_paused_at(launched: Launch, stamp: str) -> Json:
    """Wait until the run says that it stands still at a simulated time."""

    def stands_there() -> Json | None:
        found = launched.status()
        stands = found is not None and found["state"] == "paused" and found["sim_time"] == stamp
        return found if stands and found and not found["windows_in_flight"] else None

    return launched.wait_until(f"pause at {stamp}", stands_there)


def test_a_run_is_stepped_run_until_a_time_sped_up_and_ends_as_if_nothing_had_been(
    launch: Launcher, configure: Configure, example: Ended
) -> None:
    launched = launch(configure(ONE_A_SECOND), "--paused")
    waiting = wait_paused_at(launched, OPEN)
    assert (waiting["bars"], waiting["phase"], waiting["speed"], waiting["credit"]) == (0, 2, 60.0, 8)
    assert steer(launched, "step", "3") == f"3 steps from {OPEN}, then paused"
    stepped = wait_paused_at(launched, "2025-07-02T09:33:00-04:00")
    assert stepped["actors"]["analysis-sma_crossover"]["queue"] == 0
    assert stepped["actors"]["loader"]["queue"] is None
    assert steer(launched, "speed", "0") == "as fast as possible"
    assert steer(launched, "until", "10:30") == "runs until 2025-07-02T10:30:00-04:00, then pauses"
    wait_paused_at(launched, "2025-07-02T10:30:00-04:00")
    assert (
        steer(launched, "until", "2025-07-03T14:30Z") == "runs until 2025-07-03T10:30:00-04:00, then pauses"
    )
    assert wait_paused_at(launched, "2025-07-03T10:30:00-04:00")["session"] == "2025-07-03"
    past = call(launched, CONTROL, "until", "10:29")
    assert past.returncode == 2
    assert "is past: the clock is at 2025-07-03T10:30:00-04:00" in past.stderr
    assert steer(launched, "speed", "600") == "speed 600"
    assert steer(launched, "resume") == "goes on from 2025-07-03T10:30:00-04:00"
    launched.wait_state("running")
    assert status(launched)["speed"] == 600.0
    said = steer(launched, "pause")
    assert wait_paused_at(launched, said.removeprefix("paused at "))["state"] == "paused"
    steer(launched, "speed", "0")
    steer(launched, "resume")
    ended = launched.finish()
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.summary["digest"] == example.summary["digest"]
    assert ended.summary["bars"] == example.summary["bars"]
    assert not (ended.run_folder / "control.json").exists()
    after = call(launched, STATUS)
    assert after.returncode == 0
    assert "3 of 3 sessions done" in after.stdout
    assert "✔ done" in after.stdout
    refused = call(launched, CONTROL, "pause", ended.run_folder.name)
    assert refused.returncode == 2
    assert f"run {ended.run_folder.name} is not running" in " ".join(refused.stderr.split())


def test_a_run_that_stands_still_is_stopped_in_order_and_strangers_are_not_heard(
    launch: Launcher, configure: Configure
) -> None:
    launched = launch(configure(ONE_A_SECOND), "--paused")
    wait_paused_at(launched, OPEN)
    folder = launched.folder
    assert folder is not None
    assert (folder / "control.json").stat().st_mode & 0o777 == 0o600
    control = read_control(folder)
    for name, message in (
        ("ctl-me", Steer("ctl-you", 1, "resume")),
        ("ctl-her", Hello("loader", 1)),
        ("somebody", Steer("somebody", 1, "resume")),
    ):
        link = ControlLink(Endpoints(Path(control.sockets)), name, Framing(control.run))
        link.send(message)
        log = folder / "logs" / "supervisor.log"
        words = f"Dropped: {type(message).__name__} from {name}"
        launched.wait_until(words, lambda log=log, words=words: words in log.read_text())
        link.close()
    assert steer(launched, "stop") == "stops after the windows in flight"
    ended = launched.finish()
    assert ended.exit_code == 130
    assert ended.summary["status"] == "interrupted"
    assert not (ended.run_folder / "control.json").exists()


def test_the_orders_of_the_page_are_answered_as_it_says(launch: Launcher, configure: Configure) -> None:
    (session,) = re.findall(
        r"^```console\n(\$ sessionflow step.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    launched = launch(configure(), "--paused")
    wait_paused_at(launched, OPEN)
    for line in session.splitlines():
        if line.startswith("$ "):
            said = steer(launched, *line.removeprefix("$ sessionflow ").split())
        else:
            assert said == line.partition(": ")[2]
            stamps = re.findall(r"until (\S+),", said)
            if stamps:
                wait_paused_at(launched, stamps[0])
    assert launched.finish().exit_code == 0


def test_a_killed_run_says_so_and_cannot_be_steered(launch: Launcher, configure: Configure) -> None:
    launched = launch(configure(ONE_A_SECOND), "--paused")
    wait_paused_at(launched, OPEN)
    launched.process.kill()
    launched.wait_gone()
    seen = call(launched, STATUS, "latest")
    assert seen.returncode == 0
    assert "its supervisor was killed" in seen.stdout
    refused = call(launched, CONTROL, "pause", "latest")
    assert refused.returncode == 2
    assert "is not running" in refused.stderr


def test_a_run_in_one_process_cannot_be_steered_nor_start_paused(
    launch: Launcher, configure: Configure
) -> None:
    ended = launch(configure(), "--inline", "--paused").finish()
    assert ended.exit_code == 2
    assert "--paused: a run in one process cannot be steered; leave --inline out" in ended.stderr
    launched = launch(configure(ONE_A_SECOND), "--inline")
    launched.wait_streaming()
    refused = call(launched, CONTROL, "pause")
    assert refused.returncode == 2
    assert "it runs in one process (--inline)" in " ".join(refused.stderr.split())
    launched.interrupt()
    assert launched.finish().exit_code == 130
