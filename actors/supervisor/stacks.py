"""Ask a process where it is, and find its answer.

Every actor has `faulthandler` answer SIGUSR1 with the stacks of all its threads, whatever it is doing, as
long as it runs. One that is stopped, or held by the kernel, cannot answer: `/proc` says so.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from actors.runtime.logs import STACK_SIGNAL

FRAMES: Final = 12
"""Of each thread, the innermost."""
_THREAD: Final = re.compile(r"(Current thread|Thread) 0x[0-9a-f]+.*\(most recent call first\):")
_FRAME: Final = re.compile(r'  File ".*", line \d+ in .*|  \.\.\.|  <no Python frame>')
_STATES: Final = {
    "T": "its process is stopped (state T)",
    "t": "its process is stopped by a debugger (state t)",
    "D": "its process is held by the kernel (state D), as by a disk that does not answer",
}


def ask_for_stack(pid: int) -> str:
    """Have a process write its stack; say what it is doing where it cannot, else nothing."""
    status = _status(pid)
    finding = _STATES.get(status.get("State", "")[:1], "")
    if not finding and _answers(status):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, STACK_SIGNAL)
    return finding


def _status(pid: int) -> dict[str, str]:
    """Read `/proc/<pid>/status`; empty where there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _answers(status: dict[str, str]) -> bool:
    """Whether the process catches the signal, which would end it otherwise; where it cannot be known, yes."""
    return not status or bool(int(status.get("SigCgt", "0"), 16) >> (STACK_SIGNAL - 1) & 1)


def last_stack(lines: Sequence[str]) -> tuple[str, ...]:
    """Find the last stack among lines of output, innermost frames first; empty where there is none."""
    end = max((number for number, line in enumerate(lines) if _FRAME.fullmatch(line)), default=-1) + 1
    start = end
    threads: set[str] = set()
    for number in range(end - 1, -1, -1):
        line = lines[number]
        if not _is_stack(line) or line in threads:
            break
        if _THREAD.fullmatch(line):
            threads.add(line)
            start = number
    return tuple(_shortened(line for line in lines[start:end] if line))


def without_stacks(lines: Sequence[str]) -> tuple[str, ...]:
    """Give the lines of output that are no part of a stack."""
    return tuple(line for line in lines if line and not _is_stack(line))


def _is_stack(line: str) -> bool:
    return not line or _FRAME.fullmatch(line) is not None or _THREAD.fullmatch(line) is not None


def _shortened(lines: Iterator[str]) -> Iterator[str]:
    frames = 0
    for line in lines:
        frames = 0 if _THREAD.fullmatch(line) else frames + 1
        if frames <= FRAMES:
            yield line
