"""Run a command from before its interpreter starts to after its last process ended, within a deadline."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any, Final, NamedTuple

from environments import last_line
from small_run import Footprint, Tree

SAMPLE_S: Final = 0.02


class RunFailed(Exception):
    """A run did not do its work; the message says why."""


class TooSlow(Exception):
    """A run was not over at its deadline, and was ended."""


class Ran(NamedTuple):
    """A run that is over."""

    wall_s: float
    document: dict[str, Any]
    """What it printed as the last line of JSON."""


class Watched(NamedTuple):
    """A run that was looked at all the time, which slows it."""

    ran: Ran
    footprint: Footprint


def carry_out(command: Sequence[str], folder: Path, deadline_s: float) -> None:
    """Carry out what has to be done before; what it prints is of no interest.

    Raises RunFailed or TooSlow.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = _start(command, folder, output, errors)
        _wait(process, deadline_s)
        _check(process, errors)


def run(command: Sequence[str], folder: Path, deadline_s: float) -> Ran:
    """Carry a command out, undisturbed.

    Raises RunFailed or TooSlow.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = _start(command, folder, output, errors)
        _wait(process, deadline_s)
        wall_s = time.perf_counter() - began
        return Ran(wall_s, _document(process, output, errors))


def watch(command: Sequence[str], folder: Path, deadline_s: float) -> Watched:
    """Carry a command out and sum up, every `SAMPLE_S`, what all of its processes hold.

    Raises RunFailed or TooSlow.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = _start(command, folder, output, errors)
        tree, over = Tree(process.pid), Event()
        looking = Thread(target=_look, args=(tree, over))
        looking.start()
        try:
            _wait(process, deadline_s)
        finally:
            over.set()
            looking.join()
        ran = Ran(time.perf_counter() - began, _document(process, output, errors))
        return Watched(ran, tree.footprint())


def _look(tree: Tree, over: Event) -> None:
    while not over.is_set():
        tree.look()
        over.wait(SAMPLE_S)


def _start(
    command: Sequence[str], folder: Path, output: IO[bytes], errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start it as the head of a process group of its own, so that all of it can be ended."""
    return subprocess.Popen(command, cwd=folder, stdout=output, stderr=errors, start_new_session=True)


def _wait(process: subprocess.Popen[bytes], deadline_s: float) -> None:
    try:
        process.wait(deadline_s)
    except subprocess.TimeoutExpired:
        raise TooSlow from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _check(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    errors.seek(0)
    if process.returncode:
        said = last_line(errors.read().decode(errors="replace"))
        raise RunFailed(f"exit code {process.returncode}: {said}")


def _document(process: subprocess.Popen[bytes], output: IO[bytes], errors: IO[bytes]) -> dict[str, Any]:
    _check(process, errors)
    output.seek(0)
    try:
        document: dict[str, Any] = json.loads(last_line(output.read().decode()))
    except ValueError:
        raise RunFailed("it printed no JSON at its end") from None
    return document
