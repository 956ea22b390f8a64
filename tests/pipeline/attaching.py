"""Attach to a launch as a user would, from a process of its own; late joiners in any number."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from actors.supervisor.control import ask, order
from actors.supervisor.control_file import read_control
from tests.pipeline.conftest import DEADLINE_S, POLL_S, ROOT, Ended, Json, Launch

ATTACH: Final = ROOT / "scripts" / "attach.py"
SMA: Final = "actors.strategies.sma_crossover:SmaCrossover"
PARAMS: Final = {"interval": "5m", "fast": 10, "slow": 20, "quantity": 40}
"""Those of the example."""
EXAMPLE_BARS: Final = 1971


@dataclass(frozen=True)
class Attached:
    """What an attached process came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def summary(self) -> Json:
        assert self.stdout, self.stderr
        content: Json = json.loads(self.stdout)
        return content

    @property
    def digest(self) -> str:
        return str(self.summary["signals_digest"])


class Attaching:
    """An attached process at work."""

    def __init__(self, launched: Launch, arguments: list[str], scratch: Path) -> None:
        self._launched = launched
        self._scratch = scratch
        scratch.mkdir(parents=True)
        command = [sys.executable, str(ATTACH), str(launched.folder), "--json", *arguments]
        with (scratch / "out").open("wb") as stdout, (scratch / "err").open("wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=scratch
            )

    def said(self) -> str:
        return (self._scratch / "err").read_text()

    def wait_said(self, words: str) -> None:
        """Wait until it has told its user something."""
        deadline = time.monotonic() + DEADLINE_S
        while words not in self.said():
            assert self.process.poll() is None, f"it ended before it said {words!r}: {self.said()}"
            assert time.monotonic() < deadline, f"it never said {words!r}: {self.said()}"
            time.sleep(POLL_S)

    def wait_joined(self) -> None:
        self.wait_said("joined at window")

    def wait_state(self, name: str, state: str) -> None:
        """Wait until the run's status says so of an attached actor."""

        def is_in_state() -> bool:
            status = self._launched.status()
            return status is not None and status["actors"].get(name, {}).get("state") == state

        self._launched.wait_until(f"{name} was {state}", is_in_state)

    def finish(self) -> Attached:
        code = self.process.wait(DEADLINE_S)
        return Attached(code, (self._scratch / "out").read_text(), self.said())

    def end(self) -> None:
        """Kill what a failed test has left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def of_strategy(target: str = SMA, params: Mapping[str, Any] | None = None) -> list[str]:
    return ["--strategy", target, "--params", json.dumps(PARAMS if params is None else params)]


class Joiner(NamedTuple):
    """A late joiner: from how many delivered bars on it was started, and what it came to."""

    bars: int
    observes: bool
    attached: Attached


def late_joiners(launched: Launch, scratch: Path, seed: int, count: int) -> Iterator[Joiner]:
    """Start joiners at random moments of a run, members and observers, and give what they came to."""
    chance = random.Random(seed)
    moments = sorted(chance.randrange(EXAMPLE_BARS * 9 // 10) for _ in range(count))
    started: list[tuple[int, bool, Attaching]] = []
    try:
        for number, bars in enumerate(moments):
            launched.wait_until(f"bar {bars}", lambda bars=bars: _bars(launched) >= bars)
            observes = chance.random() < 0.5
            arguments = [*of_strategy(), *(["--observe"] if observes else [])]
            started.append((bars, observes, Attaching(launched, arguments, scratch / str(number))))
        for _, _, attaching in started:
            attaching.wait_joined()
        assert launched.folder is not None
        for answer in (order("speed", speed=0.0), order("resume")):
            assert ask(read_control(launched.folder), answer).accepted
        for bars, observes, attaching in started:
            yield Joiner(bars, observes, attaching.finish())
    finally:
        for _, _, attaching in started:
            attaching.end()


def own_digest(ended: Ended, strategy: str = "sma_crossover") -> str:
    """Give the digest of a strategy of the run itself."""
    return str(ended.summary["signals"]["digests"][strategy])


def _bars(launched: Launch) -> int:
    status = launched.status()
    return -1 if status is None else int(status["bars"])
