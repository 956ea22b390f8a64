"""Advisory locks that the operating system lets go of when their holder dies, however it dies."""

import fcntl
import os
from pathlib import Path


def take_lock(path: Path) -> int:
    """Make a lock file and hold it for as long as the descriptor that is given back stays open.

    Raises BlockingIOError where somebody else holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def wait_lock(path: Path) -> int:
    """Make a lock file and hold it as `take_lock` does; wait while somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


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
