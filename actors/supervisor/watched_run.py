"""Do a run in a process of its own that notes who reads stored bars."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from actors.domain.exit_codes import ExitCode
from actors.results import Run

LONGEST_S: Final = 86_400.0
"""How long one run of a check may take."""
PROGRAM: Final = "actors.supervisor.watched_process"


class WatchedRun(msgspec.Struct, frozen=True):
    """What the new process is told; paths are absolute."""

    config: str
    runs: str
    """An empty folder: no two runs share one."""
    catalog: str
    """That the configuration names."""
    copy: str
    """That the run reads."""
    report: str
    """Where readings are noted."""
    start: str | None = None
    end: str | None = None
    window_steps: int | None = None
    credit: int | None = None


class RunFailed(Exception):
    """A run of the check did not come to its end, for a reason that is not the check's."""

    def __init__(self, reason: str, code: ExitCode) -> None:
        """Keep what the run said, and the exit code."""
        super().__init__(reason)
        self.code = code


def start(order: WatchedRun) -> Run:
    """Do a run in a new process, to its end.

    Raises RunFailed.
    """
    command = [sys.executable, "-P", "-m", PROGRAM, msgspec.json.encode(order).decode()]
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    try:
        ended = subprocess.run(  # noqa: S603  this very program
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired as error:
        raise RunFailed(
            f"a run of the check took longer than {LONGEST_S:g} s", ExitCode.ACTOR_FAILED
        ) from error
    if ended.returncode == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if ended.returncode != ExitCode.DONE:
        said = ended.stderr.decode(errors="replace").replace(order.copy, order.catalog)
        raise RunFailed(_reason(order, said), _known_code(ended.returncode))
    return Run(Path(order.runs) / "latest")


def _reason(order: WatchedRun, said: str) -> str:
    """Give the reason of the run's summary, or what the process said last."""
    latest = Path(order.runs) / "latest"
    if (latest / "summary.json").is_file():
        failure = Run(latest).summary["failure"]
        return str(failure["reason"] if failure else said)
    return said.strip() or "the process ended without a word"


def _known_code(code: int) -> ExitCode:
    return ExitCode(code) if code in [*ExitCode] else ExitCode.ACTOR_FAILED
