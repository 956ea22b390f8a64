"""Keep some of what was freed for the next time, and give the operating system back the rest.

The GNU C library keeps freed memory that lies between what stays, and gives it out again; a process that
decodes and writes for hours holds more and more of it. What lies at the end, and large pieces, it gives back
at once, to ask for as much again with the next frame. Other C libraries are left alone.
"""

import ctypes
import os
from collections.abc import Callable
from functools import cache
from typing import Final

PERIOD_NS: Final = 5_000_000_000
"""How often it is given back. It takes 0.5 ms, and as much again to get what is needed after all."""
KEPT: Final = {
    "MALLOC_MMAP_THRESHOLD_": (-3, 4 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": (-1, 16 * 2**20),
}
"""What is set by mallopt(3) unless the user has, by these names: the parameter, and bytes. The room of one
frame is kept for the next, which saves the loader a third of its time."""


def keep_room() -> None:
    """Have the C library keep what a frame takes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, (parameter, size) in KEPT.items():
        if mallopt is not None and name not in os.environ:
            mallopt(parameter, size)


@cache
def _trim() -> Callable[[int], int] | None:
    """Find malloc_trim(3), where there is one."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Give back all that is not in use, at once."""
    trim = _trim()
    if trim is not None:
        trim(0)


class FreedMemory:
    """Freed memory of this process, given back now and then."""

    def __init__(self) -> None:
        """Keep it for a period, and some of it for longer."""
        keep_room()
        self._due_ns: int | None = None

    def on_time(self, now_ns: int) -> None:
        """Give it back if it is time, by the monotonic clock."""
        if self._due_ns is None or now_ns >= self._due_ns:
            if self._due_ns is not None:
                self.give_back()
            self._due_ns = now_ns + PERIOD_NS

    def give_back(self) -> None:
        """Give it back now."""
        give_back()
