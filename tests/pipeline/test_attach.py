"""Real runs to which others attach from terminals of their own: they see what the run's own strategy sees.

SESSIONFLOW_LATE_JOINERS=50 lets so many join at random moments instead of three.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from actors.runtime.journal_files import JournalReader
from protocol.messages import SealedWindow, Signals
from tests.pipeline.attaching import (
    Attached,
    Attaching,
    late_joiners,
    of_strategy,
    own_digest,
)
from tests.pipeline.conftest import (
    CATALOG,
    ROOT,
    Configure,
    Ended,
    Json,
    Launch,
    Launcher,
    read_rows,
)
from tests.pipeline.test_steering import OPEN, steer, wait_paused_at

JOINERS: Final = int(os.environ.get("SESSIONFLOW_LATE_JOINERS", "3"))
SEED: Final = int(os.environ.get("SESSIONFLOW_SEED", "7"))
AT_ONCE: Final = 5
"""How many join one run."""
PACED: Final = {"backtest_config": {"speed_multiplier": 4000}, "pipeline": {"heartbeat_seconds": 0.1}}
"""Fifteen seconds, a window per step."""
SLOWER: Final = {"backtest_config": {"speed_multiplier": 1500}}
NEAR_THE_END: Final = "2025-07-07T15:55"
"""Where a run waits until everyone has joined."""
IMPATIENT: Final = {"pipeline": {"stall_seconds": 2.0}}
NOON: Final = "2025-07-02T12:00:00-04:00"

Attach = Callable[..., Attaching]


@pytest.fixture
def attach(tmp_path: Path) -> Iterator[Attach]:
    started: list[Attaching] = []

    def begin(launched: Launch, *arguments: str) -> Attaching:
        started.append(Attaching(launched, list(arguments), tmp_path / f"attach-{len(started)}"))
        return started[-1]

    yield begin
    for attaching in started:
        attaching.end()


def launch_paused(launch: Launcher, config: Path, until: str = NOON) -> Launch:
    """Start a run that stands still at noon of its first day."""
    launched = launch(config, "--paused")
    wait_paused_at(launched, OPEN)
    steer(launched, "speed", "0")
    steer(launched, "until", until[:16])
    wait_paused_at(launched, until)
    return launched


def go_on(launched: Launch, speed: str = "0") -> None:
    steer(launched, "speed", speed)
    steer(launched, "resume")


def replay(folder: Path, *arguments: str) -> Attached:
    command = [sys.executable, "-m", "actors", "replay", str(folder), "--json", *of_strategy(), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    return Attached(done.returncode, done.stdout, done.stderr)


def assert_undisturbed(ended: Ended, example: Ended) -> None:
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.summary["digest"] == example.summary["digest"]
    assert ended.summary["results"] == example.summary["results"]


def supervisor_says(launched: Launch) -> str:
    assert launched.folder is not None
    return (launched.folder / "logs" / "supervisor.log").read_text()


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * JOINERS)
def test_late_joiners_at_random_moments_signal_exactly_what_the_runs_own_strategy_does(
    launch: Launcher, configure: Configure, example: Ended, tmp_path: Path
) -> None:
    found = []
    for turn in range(-(-JOINERS // AT_ONCE)):
        count = min(AT_ONCE, JOINERS - turn * AT_ONCE)
        launched = launch(configure(PACED, SLOWER if JOINERS > AT_ONCE else {}), "--paused")
        wait_paused_at(launched, OPEN)
        steer(launched, "until", NEAR_THE_END)
        found += late_joiners(launched, tmp_path / f"joiners-{turn}", SEED + turn, count)
        assert_undisturbed(launched.finish(), example)
    for joiner in found:
        assert joiner.attached.exit_code == 0, joiner
        summary = joiner.attached.summary
        assert joiner.attached.digest == own_digest(example), f"seed {SEED}: {joiner}"
        assert (summary["signals"], summary["complete"]) == (21, True)
        assert summary["as"] == ("observer" if joiner.observes else "member")
        assert summary["results"] == example.summary["results"]["sma_crossover"]
    windows = sorted(joiner.attached.summary["joined"]["window"] for joiner in found)
    sys.stdout.write(f"seed {SEED}: {len(found)} late joiners at windows {windows}: all equal\n")


def test_one_that_is_killed_and_one_that_hangs_do_no_harm_and_the_run_says_so(
    launch: Launcher, configure: Configure, example: Ended, attach: Attach
) -> None:
    launched = launch_paused(launch, configure(PACED, IMPATIENT))
    killed = attach(launched, *of_strategy(), "--name", "killed")
    hanging = attach(launched, *of_strategy(), "--name", "hanging")
    for name, attaching in (("killed", killed), ("hanging", hanging)):
        attaching.wait_joined()
        attaching.wait_state(name, "running")
    killed.process.send_signal(signal.SIGKILL)
    hanging.process.send_signal(signal.SIGSTOP)
    killed.wait_state("killed", "failed")
    hanging.wait_state("hanging", "failed")
    hanging.process.send_signal(signal.SIGCONT)
    woken = hanging.finish()
    assert woken.exit_code == 3
    assert "dropped by the run: it hung (no heartbeat for 2." in woken.stderr
    assert woken.summary["status"] == "failed"
    go_on(launched)
    assert_undisturbed(launched.finish(), example)
    log = supervisor_says(launched)
    assert "attached killed crashed: its process has ended; the run goes on without it" in log
    assert "attached hanging hung: no heartbeat for 2." in log


def test_whoever_is_attached_joins_the_coordinator_that_takes_the_place_of_one_that_died(
    launch: Launcher, configure: Configure, example: Ended, attach: Attach
) -> None:
    launched = launch_paused(launch, configure(PACED))
    member, observer = attach(launched, *of_strategy()), attach(launched, *of_strategy(), "--observe")
    for attaching in (member, observer):
        attaching.wait_joined()
    os.kill(launched.pid("coordinator"), signal.SIGKILL)
    for attaching in (member, observer):
        attaching.wait_said("joined again at window")
    wait_paused_at(launched, NOON)
    go_on(launched)
    for attaching in (member, observer):
        attached = attaching.finish()
        assert (attached.exit_code, attached.digest) == (0, own_digest(example)), attached
        assert attached.summary["joined"]["sim_time"] == NOON
    assert_undisturbed(launched.finish(), example)


def test_an_observer_that_is_too_slow_is_told_what_it_missed_and_reads_it_from_the_journal(
    launch: Launcher, configure: Configure, example: Ended, attach: Attach, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    strategy = tmp_path / "slow.py"
    strategy.write_text(GATED.format(gate=str(gate)))
    launched = launch(configure(PACED, {"pipeline": {"window_steps": 1}}), "--paused")
    wait_paused_at(launched, OPEN)
    steer(launched, "speed", "0")
    slow = attach(launched, *of_strategy(f"{strategy}:Gated"), "--observe", "--name", "slow")
    slow.wait_joined()
    steer(launched, "until", "2025-07-07T15:50")
    wait_paused_at(launched, "2025-07-07T15:50:00-04:00")
    launched.wait_reader(gate)
    go_on(launched, "60")
    slow.wait_said("live; reading them from the journal")
    attached = slow.finish()
    assert (attached.exit_code, attached.digest) == (0, own_digest(example))
    assert attached.summary["holes"], attached.stderr
    assert_undisturbed(launched.finish(), example)


GATED: Final = """
import os

from actors.strategies.sma_crossover import SmaCrossover


class Gated(SmaCrossover):
    def on_session_start(self, ctx):
        if os.path.exists({gate!r}):
            os.close(os.open({gate!r}, os.O_RDONLY))
            os.unlink({gate!r})
"""


def test_a_strategy_that_raises_ends_its_own_process_alone(
    launch: Launcher, configure: Configure, example: Ended, attach: Attach, tmp_path: Path
) -> None:
    strategy = tmp_path / "clumsy.py"
    strategy.write_text(CLUMSY)
    launched = launch_paused(launch, configure(PACED))
    clumsy = attach(launched, "--strategy", f"{strategy}:Clumsy")
    clumsy.wait_joined()
    go_on(launched)
    failed = clumsy.finish()
    assert failed.exit_code == 3
    assert "strategy clumsy raised in on_session_end at 2025-07-02 16:00:00 EDT" in failed.stderr
    assert "ZeroDivisionError: oh" in failed.summary["reason"]
    assert_undisturbed(launched.finish(), example)
    assert "attached clumsy failed: strategy clumsy raised" in supervisor_says(launched)


CLUMSY: Final = """
from actors.domain.strategy import Strategy


class Clumsy(Strategy):
    def on_session_end(self, ctx):
        raise ZeroDivisionError("oh")
"""


def test_from_now_on_what_was_before_is_history(
    launch: Launcher, configure: Configure, example: Ended, attach: Attach, tmp_path: Path
) -> None:
    strategy = tmp_path / "diary.py"
    strategy.write_text(DIARY)
    launched = launch_paused(launch, configure(PACED))
    diary = attach(launched, "--strategy", f"{strategy}:Diary", "--from", "now")
    diary.wait_joined()
    go_on(launched)
    attached = diary.finish()
    assert (attached.exit_code, attached.summary["from"]) == (0, "now")
    assert attached.summary["joined"]["sim_time"] == NOON
    assert_undisturbed(launched.finish(), example)
    assert launched.folder is not None
    rows = read_rows(launched.folder / "attached" / "diary" / "tables" / "signals.parquet")
    assert [row["reason"] for row in rows] == [
        "start with 2 hours 12:00", "session 12:00", "bar 12:01", "session 09:30", "session 09:30",
    ]  # fmt: skip


DIARY: Final = """
from datetime import datetime
from zoneinfo import ZoneInfo

from actors.domain.strategy import Strategy


class Diary(Strategy):
    bars = 0

    def say(self, ctx, text):
        time = datetime.fromtimestamp(ctx.now / 1e9, ZoneInfo("America/New_York"))
        ctx.signal("AAPL", "CLOSE", reason=f"{text} {time:%H:%M}")

    def on_start(self, ctx):
        self.say(ctx, f"start with {len(ctx.bars('RIVN', '1h'))} hours")

    def on_session_start(self, ctx):
        self.say(ctx, "session")

    def on_bar(self, ctx, bar):
        if not self.bars:
            self.say(ctx, "bar")
        self.bars += 1
"""


def test_one_that_is_interrupted_leaves_in_order_and_the_run_goes_on(
    launch: Launcher, configure: Configure, example: Ended, attach: Attach
) -> None:
    launched = launch_paused(launch, configure(PACED))
    leaving = attach(launched, *of_strategy())
    leaving.wait_joined()
    leaving.process.send_signal(signal.SIGINT)
    left = leaving.finish()
    assert (left.exit_code, left.summary["status"]) == (130, "interrupted")
    leaving.wait_state("sma-crossover", "exited")
    go_on(launched)
    assert_undisturbed(launched.finish(), example)
    assert "attached sma-crossover has left" in supervisor_says(launched)


def test_a_run_that_is_over_is_replayed_without_its_catalog(
    launch: Launcher, configure: Configure, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog"
    shutil.copytree(CATALOG, catalog)
    ended = launch(configure({"catalog": {"path": str(catalog)}})).finish()
    shutil.rmtree(catalog)
    replayed = replay(ended.run_folder)
    assert (replayed.exit_code, replayed.digest) == (0, own_digest(ended)), replayed
    assert replayed.summary["results"] == ended.summary["results"]["sma_crossover"]
    own, theirs = (
        read_rows(folder / "tables" / "signals.parquet")
        for folder in (ended.run_folder, ended.run_folder / "attached" / "sma-crossover")
    )
    assert [_without_names(row) for row in theirs] == [_without_names(row) for row in own]
    again = replay(ended.run_folder)
    assert (again.summary["name"], again.digest) == ("sma-crossover-2", replayed.digest)


def _without_names(row: Json) -> Json:
    return {key: value for key, value in row.items() if key not in ("strategy", "actor")}


def test_a_run_that_was_killed_is_replayed_to_its_last_whole_record(
    launch: Launcher, configure: Configure
) -> None:
    launched = launch_paused(launch, configure(PACED))
    launched.process.kill()
    launched.wait_gone()
    folder = launched.folder
    assert folder is not None
    newest = folder / "journal" / "000000.sfj"
    whole = newest.read_bytes()
    newest.write_bytes(whole + whole[16:60])
    found = [envelope.message for envelope in JournalReader(folder / "journal").all_envelopes()]
    windows = sum(isinstance(message, SealedWindow) for message in found)
    signals = sum(len(message.signals) for message in found if isinstance(message, Signals))
    replayed = replay(folder)
    assert replayed.exit_code == 0
    assert (replayed.summary["windows"], replayed.summary["signals"]) == (windows, signals)
    assert not replayed.summary["complete"]
    assert "44 bytes behind it are half a record" in replayed.summary["reason"]
    assert newest.read_bytes() == whole + whole[16:60]
