"""Give the operating system back what was freed.

The GNU C library keeps freed memory that lies between what stays, and gives it out again; a process that
decodes and writes for hours holds more and more of it. Other C libraries are left alone.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Final

PERIOD_NS: Final = 5_000_000_000
"""How often it is given back. It takes 0.5 ms, and as much again to get what is needed after all."""


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
        """Keep it for a period."""
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
