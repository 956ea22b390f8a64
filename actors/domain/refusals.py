"""What is said of frames that are refused: a few lines each period, and then how many more there were.

Whoever floods a socket with nonsense does not fill a log with it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

PERIOD_NS: Final = 10_000_000_000
PER_PERIOD: Final = 20
"""How many frames are described within a period."""
MAX_NAMES: Final = 8
"""How many senders are named among those that are only counted."""
UNKNOWN: Final = "an unknown sender"


class Refusals:
    """A bounded account of refused frames."""

    def __init__(self) -> None:
        """Have refused nothing."""
        self.count = 0
        """All that were ever refused."""
        self._ends_ns = 0
        self._said = 0
        self._held: Counter[str] = Counter()
        """By sender, those that were not described."""

    def on_refused(self, now_ns: int, reason: str, sender: str = "") -> Iterator[str]:
        """Take note of a frame; give the lines to write."""
        yield from self.on_time(now_ns)
        self.count += 1
        if self._said < PER_PERIOD:
            self._said += 1
            yield f"Dropped: {reason}"
        else:
            self._hold(sender or UNKNOWN)

    def on_time(self, now_ns: int) -> Iterator[str]:
        """Give the line on a period that is over, if there is one."""
        if now_ns < self._ends_ns:
            return
        self._ends_ns, self._said = now_ns + PERIOD_NS, 0
        yield from self.on_end()

    def on_end(self) -> Iterator[str]:
        """Give the line on what was only counted until now."""
        if self._held:
            named = ", ".join(f"{name} ({count:,})" for name, count in self._held.most_common())
            yield f"Dropped: {self._held.total():,} more frames, suppressed here, from {named}"
            self._held.clear()

    def _hold(self, sender: str) -> None:
        """Count a frame; beyond a few senders all others count as one."""
        known = sender in self._held or len(self._held) < MAX_NAMES
        self._held[sender if known else "others"] += 1
