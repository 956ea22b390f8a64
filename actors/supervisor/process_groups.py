"""End what an actor has started: every actor leads a process group of its own, and its children are in it."""

import os
import signal
from contextlib import suppress


def kill_group(pid: int | None) -> None:
    """Kill a process with its group, where it leads one."""
    with suppress(ProcessLookupError, PermissionError):
        if pid is not None and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)


def kill_orphans(pid: int | None) -> None:
    """Kill what is left of the group of a process that has ended and was reaped.

    While anybody is in the group, the system gives its number to no new process: one that has the number now
    has nothing to do with it.
    """
    if pid is None:
        return
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    except PermissionError:
        return
