"""Bar intervals as people write them: `1s 1m 5m 15m 1h 1d 2d 1w`."""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

NS_PER_S: Final = 1_000_000_000
UNIT_NS: Final = {
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
    "w": 7 * 86_400 * NS_PER_S,
}
STORED_INTERVALS: Final = ("1s", "1m", "5m", "1h", "1d")
"""The intervals that a catalog may hold."""
_PATTERN: Final = re.compile(r"([1-9][0-9]{0,4})([smhdw])")


class UnknownInterval(ValueError):
    """A text that is not an interval."""

    def __init__(self, text: str) -> None:
        """Keep the text."""
        super().__init__(f"{text!r} is not an interval: write a number and s, m, h, d or w, as in 5m")
        self.text = text


@total_ordering
@dataclass(frozen=True)
class Interval:
    """A count of units. Intervals sort by length, days counting 24 hours."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read `5m`.

        Raises UnknownInterval.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise UnknownInterval(text)
        return cls(int(match[1]), match[2])

    @property
    def length_ns(self) -> int:
        """Nominal length in ns; a session for `1d`."""
        return self.count * UNIT_NS[self.unit]

    @property
    def is_intraday(self) -> bool:
        """Whether its bins lie within a session."""
        return self.unit in "smh"

    @property
    def spans_sessions(self) -> bool:
        """Whether its bars are made of several sessions: `2d`, `1w`."""
        return self.unit == "w" or (self.unit == "d" and self.count > 1)

    def __str__(self) -> str:
        """Write it as people do."""
        return f"{self.count}{self.unit}"

    def __lt__(self, other: "Interval") -> bool:
        """Sort by length, then by text, so that the order is total."""
        return (self.length_ns, str(self)) < (other.length_ns, str(other))
