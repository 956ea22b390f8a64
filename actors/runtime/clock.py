"""Read the wall clock and the monotonic clock; no other module does."""

import time
from datetime import UTC, datetime


def now_utc() -> datetime:
    """Read the wall clock, aware, UTC."""
    return datetime.now(UTC)


def monotonic_ns() -> int:
    """Read the clock that never jumps, ns from an arbitrary start."""
    return time.monotonic_ns()
