"""Advisory locks that the operating system lets go of when their holder dies, however it dies."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from actors.runtime import clock

WAIT_S: Final = 600.0
POLL_S: Final = 0.1
_PID_BYTES: Final = 20


class LockHeld(BlockingIOError):
    """Somebody else holds a lock file."""

    def __init__(self, path: Path, pid: int | None) -> None:
        """Keep which file, and the holder's process where it is known."""
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(errno.EWOULDBLOCK, f"{who} holds it", str(path))
        self.path = path
        self.pid = pid


def take_lock(path: Path) -> int:
    """Make a lock file and hold it for as long as the descriptor that is given back stays open.

    Raises LockHeld where somebody else holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = _holder(descriptor)
        os.close(descriptor)
        raise LockHeld(path, pid) from error
    _sign(descriptor)
    return descriptor


def wait_lock(path: Path, wait_s: float = WAIT_S) -> int:
    """Make a lock file and hold it as `take_lock` does; wait while somebody else holds it, but not for ever.

    Raises LockHeld.
    """
    deadline_ns = clock.monotonic_ns() + round(wait_s * 1e9)
    while True:
        try:
            return take_lock(path)
        except LockHeld:
            if clock.monotonic_ns() >= deadline_ns:
                raise
        clock.pause(POLL_S)


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock file.

    Raises FileNotFoundError where there is none.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sign(descriptor: int) -> None:
    """Write into the file who holds it; a disk that is full keeps nobody from holding it."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, _PID_BYTES, 0).strip()
    return int(text) if text.isdigit() else None
