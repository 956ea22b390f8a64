"""Start actors as processes of their own, watch them end, kill them. The only module that starts processes.

A forkserver that has imported what all actors need starts six of them in well under a tenth of a second; it
holds no threads of ours and no ZeroMQ context. It ends when this process ends, however that happens, and its
children with it (`PR_SET_PDEATHSIG`).
"""

import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import process
from multiprocessing.context import ForkServerProcess
from types import ModuleType
from typing import Any

import psutil

from actors.assembly.child import run_actor
from actors.assembly.places import ActorSpec
from actors.supervisor.forkserver import start_forkserver
from actors.supervisor.process_groups import kill_group, kill_orphans
from actors.supervisor.stacks import ask_for_stack


class Processes:
    """The actors' processes of one run."""

    def __init__(self) -> None:
        """Start the forkserver, unless it runs already.

        Raises ConfigError where there is no place for its socket.
        """
        start_forkserver()
        self._context = multiprocessing.get_context("forkserver")
        self._processes: dict[str, ForkServerProcess] = {}

    def start(self, spec: ActorSpec) -> int:
        """Start an actor and give a descriptor that becomes readable when it ends."""
        child = self._context.Process(target=run_actor, args=(spec,), name=spec.name)
        with _bare_main():
            child.start()
        self._processes[spec.name] = child
        return int(child.sentinel)

    def reap(self) -> Iterator[tuple[str, int, int]]:
        """Yield name, exit code and descriptor of those that have ended since the last call."""
        for name, child in list(self._processes.items()):
            code = child.exitcode
            if code is not None:
                kill_orphans(child.pid)
                del self._processes[name]  # before it is told: a new one may take the name at once
                yield name, code, int(child.sentinel)
                child.close()

    def kill(self, name: str) -> None:
        """Kill an actor, stopped or not, and what it has started; one that has ended is left alone."""
        if name in self._processes:
            kill_group(self._processes[name].pid)
            self._processes[name].kill()

    def dump(self, name: str) -> str:
        """Have an actor write its stack to its captured output; say where that cannot be, and why."""
        pid = self._processes[name].pid if name in self._processes else None
        return "" if pid is None else ask_for_stack(pid)

    def abandon(self) -> None:
        """Let go of processes that do not end: the interpreter would wait for them."""
        waited_for: set[Any] = vars(process)["_children"]
        waited_for.difference_update(self._processes.values())

    def cpu_ns(self) -> dict[str, int]:
        """Say how much processor time each has used."""
        return {name: used for name, child in self._processes.items() if (used := _cpu_ns(child.pid))}


@contextmanager
def _bare_main() -> Iterator[None]:
    """Hide the program that was started from children, which would import it again: 30 ms each."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _cpu_ns(pid: int | None) -> int:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0
    return round((times.user + times.system) * 1e9)
