"""What happens when a process dies or hangs, and when the user has had enough: nothing is left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import pytest

from actors.runtime.locks import LockHeld, take_lock
from tests.pipeline.conftest import (
    NO_RESTARTS,
    SLOW,
    Configure,
    Ended,
    Json,
    Launch,
    Launcher,
    WriteStrategy,
    assert_whole_steps,
    read_rows,
)

ACTORS: Final = ("coordinator", "loader", "processor", "quality", "recorder", "analysis-sma_crossover")
IMPATIENT: Final = {"pipeline": {"heartbeat_seconds": 0.2, "stall_seconds": 2.0}}
BRISK: Final = {"backtest_config": {"speed_multiplier": 20_000}}
"""The example takes 3 s."""
AT_ONCE_S: Final = 10.0
SPIN: Final = """
from pathlib import Path

class Subject(Strategy):
    def on_bar(self, ctx, bar):
        if ctx.now > ctx.session.open_ns + 3600 * 10**9:
            Path(__file__).with_suffix(".spins").touch()
            while True:
                pass
"""
BLOCK: Final = """
class Subject(Strategy):
    def on_bar(self, ctx, bar):
        if ctx.now > ctx.session.open_ns + 3600 * 10**9:
            open(__file__ + ".fifo").read()
"""
PARENT: Final = """
import subprocess
from pathlib import Path

if IS_ACTOR:
    pid = subprocess.Popen(["sleep", "600"]).pid
    partial = Path(__file__).with_suffix(".partial")
    partial.write_text(str(pid))
    partial.rename(partial.with_suffix(".pid"))

class Subject(Strategy):
    pass
"""
"""Starts a process and forgets about it."""
READ_FIFO: Final = """
if IS_ACTOR is {actor}:
    open(__file__ + ".fifo").read()

class Subject(Strategy):
    pass
"""


def strategies(*entries: Json) -> Json:
    return {"session_data_config": {"strategies": list(entries)}}


def make_fifo(folder: Path, strategy: str) -> Path:
    fifo = folder / f"{strategy}.py.fifo"
    os.mkfifo(fifo)
    return fifo


@pytest.mark.parametrize("actor", ACTORS)
def test_an_actor_that_is_killed_is_started_again_and_the_run_ends_as_if_nothing_had_been(
    launch: Launcher, configure: Configure, example: Ended, actor: str
) -> None:
    launched = launch(configure(BRISK))
    launched.wait_streaming()
    os.kill(launched.pid(actor), signal.SIGKILL)
    assert_as_if_nothing_had_been(launched.finish(), example, f"{actor} was killed by signal 9")


@pytest.mark.parametrize("actor", ["coordinator", "quality"])
def test_an_actor_that_is_stopped_is_replaced_and_the_run_ends_as_if_nothing_had_been(
    launch: Launcher, configure: Configure, example: Ended, actor: str
) -> None:
    launched = launch(configure(BRISK, IMPATIENT))
    launched.wait_streaming()
    os.kill(launched.pid(actor), signal.SIGSTOP)
    assert_as_if_nothing_had_been(launched.finish(), example, f"{actor} is stalled: no heartbeat for ")


def assert_as_if_nothing_had_been(ended: Ended, example: Ended, why: str) -> None:
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.summary["digest"] == example.summary["digest"]
    assert ended.summary["restarts"] >= 1
    for key in ("sessions", "signals", "results", "quality"):
        assert ended.summary[key] == example.summary[key]
    assert any(text.startswith(why) and "started again" in text for text in ended.messages("supervisor"))
    for path in example.run_folder.glob("tables/**/*.parquet"):
        assert read_rows(ended.run_folder / path.relative_to(example.run_folder)) == read_rows(path)


@pytest.mark.parametrize("actor", ACTORS)
def test_an_actor_that_is_killed_and_not_started_again_ends_the_run_with_its_name_and_its_last_lines(
    launch: Launcher, configure: Configure, example: Ended, actor: str
) -> None:
    launched = launch(configure(SLOW, NO_RESTARTS))
    launched.wait_streaming()
    os.kill(launched.pid(actor), signal.SIGKILL)
    ended = launched.finish()
    assert ended.exit_code == 3
    failure = ended.summary["failure"]
    assert (failure["actor"], failure["reason"]) == (actor, f"{actor} was killed by signal 9")
    assert failure["log_tail"]
    assert failure["reason"] in ended.stdout
    assert failure["log_tail"][-1][-60:] in ended.stdout
    assert ended.summary["status"] == ended.json("status.json")["state"] == "failed"
    assert ended.json("status.json")["actors"][actor]["state"] == "failed"
    assert_whole_steps(ended, example)


@pytest.mark.parametrize("actor", ["coordinator", "quality"])
def test_an_actor_that_is_stopped_and_not_replaced_is_named_as_stalled(
    launch: Launcher, configure: Configure, example: Ended, actor: str
) -> None:
    launched = launch(configure(SLOW, IMPATIENT, NO_RESTARTS))
    launched.wait_streaming()
    os.kill(launched.pid(actor), signal.SIGSTOP)
    ended = launched.finish()
    assert ended.exit_code == 3
    assert ended.summary["failure"]["actor"] == actor
    assert ended.summary["failure"]["reason"].startswith(f"{actor} is stalled: no heartbeat for ")
    assert ended.summary["failure"]["reason"].endswith("its process is stopped (state T)")
    assert ended.summary["failure"]["stack"] == []
    assert_whole_steps(ended, example)


def test_a_strategy_that_waits_for_ever_is_named_as_stalled(
    launch: Launcher, configure: Configure, write_strategy: WriteStrategy, tmp_path: Path
) -> None:
    make_fifo(tmp_path, "blocks")
    ended = launch(configure(strategies(write_strategy("blocks", BLOCK)), IMPATIENT, NO_RESTARTS)).finish()
    assert ended.exit_code == 3
    assert ended.summary["failure"]["actor"] == "analysis-blocks"
    assert "stalled" in ended.summary["failure"]["reason"]
    assert_tells_where(ended, "blocks")


def test_a_strategy_that_never_returns_is_given_more_time_and_then_named(
    launch: Launcher, configure: Configure, write_strategy: WriteStrategy
) -> None:
    settings = {"pipeline": {"heartbeat_seconds": 0.1, "stall_seconds": 1.0}}
    ended = launch(configure(strategies(write_strategy("spins", SPIN)), settings)).finish()
    assert ended.exit_code == 3
    assert ended.summary["failure"]["actor"] == "analysis-spins"
    assert "busy with one window" in ended.summary["failure"]["reason"]
    assert_tells_where(ended, "spins")


def assert_tells_where(ended: Ended, strategy: str) -> None:
    """Make sure that the summary, the screen and the log have the line of the strategy."""
    stack = ended.summary["failure"]["stack"]
    assert stack[0].endswith("(most recent call first):")
    assert f"{strategy}.py" in stack[1]
    assert stack[1].endswith("in on_bar")
    assert stack[1][-30:] in ended.stdout
    told = [
        text for text in ended.messages("supervisor") if text.startswith(f"Where analysis-{strategy} was:")
    ]
    assert len(told) == 1
    assert stack[1] in told[0]


def test_an_actor_that_is_asked_for_its_stack_writes_it_down_and_goes_on(
    launch: Launcher, configure: Configure, example: Ended
) -> None:
    launched = launch(configure({"backtest_config": {"speed_multiplier": 20_000}}))
    launched.wait_streaming()
    for actor in ACTORS:
        os.kill(launched.pid(actor), signal.SIGUSR1)
    ended = launched.finish()
    assert ended.exit_code == 0
    assert ended.summary["digest"] == example.summary["digest"]
    for actor in ACTORS:
        assert "most recent call first" in (ended.run_folder / "logs" / f"{actor}.out").read_text()


@pytest.mark.parametrize("ending", ["done", "interrupted", "killed"])
def test_what_a_strategy_has_started_ends_with_its_process(
    launch: Launcher, configure: Configure, write_strategy: WriteStrategy, tmp_path: Path, ending: str
) -> None:
    speed = 100_000 if ending == "done" else 600
    config = configure(
        {"backtest_config": {"speed_multiplier": speed}},
        strategies(write_strategy("parent", PARENT)),
        NO_RESTARTS,
    )
    launched = launch(config)
    found = tmp_path / "parent.pid"
    child = psutil.Process(int(launched.wait_until("child was started", lambda: read_if_there(found))))
    if ending != "done":
        launched.wait_streaming()
    if ending == "interrupted":
        launched.interrupt()
    elif ending == "killed":
        os.kill(launched.pid("analysis-parent"), signal.SIGKILL)
    launched.finish()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def read_if_there(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_an_analysis_engine_that_cannot_be_set_up_ends_the_run_with_the_reason(
    launch: Launcher, configure: Configure, write_strategy: WriteStrategy
) -> None:
    body = "if IS_ACTOR:\n    raise RuntimeError('no licence')\n\nclass Subject(Strategy):\n    pass\n"
    ended = launch(configure(strategies(write_strategy("fails", body)))).finish()
    assert ended.exit_code == 3
    assert ended.summary["failure"]["actor"] == "analysis-fails"
    assert "no licence" in "".join(ended.summary["failure"]["log_tail"])


def test_a_killed_forkserver_takes_the_run_with_it(launch: Launcher, configure: Configure) -> None:
    launched = launch(configure(SLOW))
    launched.wait_streaming()
    forkserver(launched).kill()
    ended = launched.finish()
    assert ended.exit_code == 3
    assert ended.summary["failure"]["actor"] in ACTORS


def forkserver(launched: Launch) -> psutil.Process:
    children = psutil.Process(launched.process.pid).children()
    return next(child for child in children if child.children())


def test_no_process_survives_a_killed_supervisor(launch: Launcher, configure: Configure) -> None:
    launched = launch(configure(SLOW))
    launched.wait_streaming()
    names = [process.name() for process in launched.offspring()]
    assert len(names) > len(ACTORS)
    assert {actor[:15] for actor in ACTORS} <= set(names)
    launched.process.kill()
    launched.wait_gone()


@pytest.mark.parametrize("actor", ["coordinator", "processor"])
def test_not_even_a_stopped_actor_survives_a_killed_supervisor(
    launch: Launcher, configure: Configure, actor: str
) -> None:
    launched = launch(configure(SLOW))
    launched.wait_streaming()
    os.kill(launched.pid(actor), signal.SIGSTOP)
    launched.process.kill()
    launched.wait_gone()


def test_not_even_a_strategy_that_never_returns_survives_a_killed_supervisor(
    launch: Launcher, configure: Configure, write_strategy: WriteStrategy, tmp_path: Path
) -> None:
    launched = launch(configure(strategies(write_strategy("spins", SPIN))))
    launched.wait_until("strategy hung", (tmp_path / "spins.spins").exists)
    launched.process.kill()
    launched.wait_gone()


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_drains_and_keeps_whole_steps(
    launch: Launcher, configure: Configure, example: Ended, number: signal.Signals, inline: tuple[str, ...]
) -> None:
    launched = launch(configure(SLOW), *inline)
    launched.wait_streaming()
    launched.interrupt(number)
    ended = launched.finish(AT_ONCE_S)
    assert ended.exit_code == 130
    assert ended.summary["status"] == ended.json("status.json")["state"] == "interrupted"
    assert ended.summary["failure"] is None
    last = assert_whole_steps(ended, example)
    signals = read_rows(example.run_folder / "tables" / "signals.parquet")
    expected = [each for each in signals if each["event_ts"] <= last]
    assert read_rows(ended.run_folder / "tables" / "signals.parquet") == expected
    assert ended.summary["signals"]["emitted"] == len(expected)
    assert ended.summary["sessions"][0]["steps"] is None
    assert "Traceback" not in ended.stderr


def test_an_interrupt_of_the_whole_process_group_drains_too(
    launch: Launcher, configure: Configure, example: Ended
) -> None:
    launched = launch(configure(SLOW))
    launched.wait_streaming()
    os.killpg(launched.process.pid, signal.SIGINT)
    ended = launched.finish(AT_ONCE_S)
    assert (ended.exit_code, ended.stderr) == (130, "")
    assert_whole_steps(ended, example)


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
def test_two_interrupts_end_a_run_at_once_although_a_strategy_hangs(
    launch: Launcher,
    configure: Configure,
    write_strategy: WriteStrategy,
    tmp_path: Path,
    inline: tuple[str, ...],
) -> None:
    launched = launch(configure(strategies(write_strategy("spins", SPIN))), *inline)
    launched.wait_until("strategy hung", (tmp_path / "spins.spins").exists)
    launched.interrupt()
    if inline:
        wait_for_work(launched)
    else:
        launched.wait_state("stopping")
    launched.interrupt()
    ended = launched.finish(AT_ONCE_S)
    assert ended.exit_code == 130
    assert ended.summary["status"] == ended.json("status.json")["state"] == "interrupted"


def test_an_interrupt_of_a_paced_run_in_one_process_does_not_wait_for_the_next_step(
    launch: Launcher, configure: Configure
) -> None:
    launched = launch(configure({"backtest_config": {"speed_multiplier": 1}}), "--inline")
    log = launched.runs / "latest" / "logs" / "coordinator.log"
    launched.wait_until("session was streaming", lambda: log.exists() and "PHASE_5.1" in log.read_text())
    launched.interrupt()
    assert launched.finish(AT_ONCE_S).exit_code == 130


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
@pytest.mark.parametrize(
    ("place", "actors"),
    [
        ("tables", {"recorder"}),
        ("tables", {"recorder", "analysis-sma_crossover"}),
        ("journal", {"coordinator"}),
    ],
    ids=["tables without strategies", "tables", "journal"],
)
def test_a_place_that_can_no_longer_be_written_ends_the_run_with_the_name_of_who_found_out(
    launch: Launcher, configure: Configure, place: str, actors: set[str], inline: tuple[str, ...]
) -> None:
    idle = {"session_data_config": {"strategies": []}} if actors == {"recorder"} else {}
    config = configure(SLOW, {"backtest_config": {"speed_multiplier": 20_000}}, idle)
    launched = launch(config, *inline)
    launched.wait_streaming()
    broken = launched.runs / "latest" / place
    shutil.rmtree(broken)
    broken.touch()
    ended = launched.finish()
    assert ended.exit_code == 3
    assert ended.summary["failure"]["actor"] in actors
    assert "Not a directory" in ended.summary["failure"]["reason"]
    assert ended.stderr == ""


def wait_for_work(launched: Launch) -> None:
    """Wait until the launch has run Python for a while, and so has met the signal that was sent before."""
    process = psutil.Process(launched.process.pid)
    before = process.cpu_times().user
    launched.wait_until("process worked on", lambda: process.cpu_times().user > before + 0.05)


STAGES: Final[dict[str, Callable[[Launch], bool]]] = {
    "it has a folder": lambda launched: launched.folder is not None,
    "it has a socket": lambda launched: any(launched.sockets.glob("*/command")),
    "the coordinator is there": lambda launched: any(launched.runs.glob("2*/logs/coordinator.log")),
    "it has a status": lambda launched: launched.status() is not None,
}


@pytest.mark.parametrize(
    ("stage", "number", "whole_group"),
    [
        ("it has a folder", signal.SIGINT, False),
        ("it has a folder", signal.SIGTERM, True),
        ("it has a socket", signal.SIGTERM, False),
        ("it has a socket", signal.SIGINT, True),
        ("the coordinator is there", signal.SIGINT, False),
        ("the coordinator is there", signal.SIGTERM, True),
        ("it has a status", signal.SIGTERM, False),
    ],
)
def test_an_interrupt_while_the_run_starts_ends_it_at_once(
    launch: Launcher, configure: Configure, stage: str, number: signal.Signals, *, whole_group: bool
) -> None:
    launched = launch(configure(SLOW))
    launched.wait_until(stage, lambda: STAGES[stage](launched))
    if whole_group:
        os.killpg(launched.process.pid, number)
    else:
        launched.interrupt(number)
    ended = launched.finish(AT_ONCE_S)
    assert ended.exit_code == 130
    assert ended.summary["status"] == ended.json("status.json")["state"] == "interrupted"
    assert "Traceback" not in ended.stderr
    assert list(launched.sockets.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_an_actor_has_joined_does_not_wait_for_it(
    launch: Launcher,
    configure: Configure,
    write_strategy: WriteStrategy,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    fifo = make_fifo(tmp_path, "waits")
    launched = launch(configure(strategies(write_strategy("waits", READ_FIFO.format(actor=True)))))
    launched.wait_state("starting")
    began = time.monotonic()
    launched.interrupt(number)
    ended = launched.finish(AT_ONCE_S)
    assert time.monotonic() - began < AT_ONCE_S
    assert ended.exit_code == 130
    assert ended.summary["status"] == "interrupted"
    assert fifo.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_the_run_is_planned_leaves_no_folder(
    launch: Launcher,
    configure: Configure,
    write_strategy: WriteStrategy,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    fifo = make_fifo(tmp_path, "waits")
    launched = launch(configure(strategies(write_strategy("waits", READ_FIFO.format(actor=False)))))
    with fifo.open("w"):  # the planner reads, and goes on reading
        planner = psutil.Process(launched.process.pid)
        launched.wait_until("planner that reads", lambda: planner.status() == psutil.STATUS_SLEEPING)
        launched.interrupt(number)
        ended = launched.finish(AT_ONCE_S)
    assert ended.exit_code == 130
    assert ended.folder is None
    assert "Traceback" not in ended.stderr
    assert list(launched.sockets.iterdir()) == []


def test_two_runs_at_once_of_one_configuration_do_not_meet(
    launch: Launcher, configure: Configure, example: Ended, tmp_path: Path, short_tmp: Path
) -> None:
    config = configure({"backtest_config": {"speed_multiplier": 20_000}})
    shared = {"TMPDIR": tempfile.mkdtemp(dir=short_tmp, prefix="")}
    both = [launch(config, "--runs", str(tmp_path / "shared"), env=shared) for _ in range(2)]
    for launched in both:
        launched.wait_until("run was there", lambda: len(list((tmp_path / "shared").glob("2*"))) == 2)
    for launched in both:
        assert launched.finish().exit_code == 0
    folders = sorted((tmp_path / "shared").glob("2*"))
    assert len(folders) == 2
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_bytes())
        assert (summary["run"], summary["digest"]) == (folder.name, example.summary["digest"])
    assert (tmp_path / "shared" / "latest").resolve() in folders
    assert list(Path(shared["TMPDIR"]).iterdir()) == []


def test_the_folder_of_a_run_is_held_by_its_supervisor_as_long_as_it_runs(
    launch: Launcher, configure: Configure
) -> None:
    launched = launch(configure(SLOW))
    launched.wait_streaming()
    lock = launched.runs / "latest" / "lock"
    with pytest.raises(LockHeld, match=f"process {launched.process.pid} holds it"):
        take_lock(lock)
    launched.process.kill()
    launched.wait_gone()
    os.close(take_lock(lock))


def test_the_sockets_of_a_killed_supervisor_are_gone_with_the_next_launch(
    launch: Launcher, configure: Configure, short_tmp: Path
) -> None:
    shared = {"TMPDIR": tempfile.mkdtemp(dir=short_tmp, prefix="")}
    killed = launch(configure(SLOW), env=shared)
    killed.wait_streaming()
    killed.process.kill()
    killed.wait_gone()
    assert list(killed.sockets.glob("sessionflow-*"))
    assert launch(configure(), env=shared).finish().exit_code == 0
    assert not list(killed.sockets.glob("sessionflow*"))


ABANDONS: Final = """
import signal
from actors.supervisor.processes import Processes

processes = Processes()
child = processes._context.Process(target=signal.pause)
child.start()
processes._processes["stuck"] = child
print(child.pid, flush=True)
processes.abandon()
"""


def test_a_process_that_no_kill_ends_does_not_keep_the_supervisor_from_ending(tmp_path: Path) -> None:
    output = tmp_path / "pid"
    with output.open("w") as file:
        ended = subprocess.run([sys.executable, "-c", ABANDONS], stdout=file, check=True, timeout=30)
    assert ended.returncode == 0
    stuck = psutil.Process(int(output.read_text()))
    assert stuck.is_running()
    stuck.kill()
