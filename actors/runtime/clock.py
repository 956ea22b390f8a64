"""Read the wall clock and the monotonic clock, and let time pass; no other module does.

The wall clock gives names and labels. It may jump: whatever waits or measures takes the monotonic one.
"""

import time
from datetime import UTC, datetime


def now_utc() -> datetime:
    """Read the wall clock, aware, UTC."""
    return datetime.now(UTC)


def monotonic_ns() -> int:
    """Read the clock that never jumps, ns from an arbitrary start."""
    return time.monotonic_ns()


def pause(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)
