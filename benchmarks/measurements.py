"""What was measured of each engine on each size, and what follows from it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engines import Counted
from small_run import Memory
from workload import Workload


@dataclass
class Measured:
    """One engine on one size."""

    version: str = ""
    counted: Counted | None = None
    peak: Memory | None = None
    walls_s: list[float] = field(default_factory=list)
    """One per round."""
    reason: str | None = None
    """Why it was not, or not to the end, timed."""

    @property
    def is_timed(self) -> bool:
        """Whether all rounds were run."""
        return self.reason is None and bool(self.walls_s)

    @property
    def median_s(self) -> float:
        """The middle one of the wall times."""
        return statistics.median(self.walls_s)

    def ratio(self, reference: "Measured") -> float | None:
        """Give the median of the ratios to the reference in the same round."""
        if not (self.is_timed and reference.is_timed):
            return None
        pairs = zip(self.walls_s, reference.walls_s, strict=True)
        return statistics.median(own / other for own, other in pairs)

    def as_json(self) -> dict[str, Any]:
        """Give everything."""
        return {
            "version": self.version,
            "bars": self.counted.bars if self.counted else None,
            "signals": self.counted.signals if self.counted else None,
            "walls_s": self.walls_s,
            "peak_rss_bytes": self.peak.rss if self.peak else None,
            "peak_pss_bytes": self.peak.pss if self.peak else None,
            "reason": self.reason,
        }


@dataclass
class Size:
    """All engines on one size."""

    workload: Workload
    bars: int
    engines: dict[str, Measured] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give everything."""
        engines = {name: measured.as_json() for name, measured in self.engines.items()}
        return {"workload": str(self.workload), "bars": self.bars, "engines": engines}


class Line(NamedTuple):
    """A wall time as `start_s + us_per_bar · bars`."""

    start_s: float
    us_per_bar: float


def line_through(sizes: Sequence[Size], name: str) -> Line | None:
    """Draw the line through the medians of an engine's smallest and largest size; None without two."""
    timed = sorted((size.bars, size.engines[name].median_s) for size in sizes if size.engines[name].is_timed)
    if not timed or timed[0][0] == timed[-1][0]:
        return None
    (few, short_s), (many, long_s) = timed[0], timed[-1]
    slope_s = (long_s - short_s) / (many - few)
    return Line(short_s - slope_s * few, slope_s * 1e6)
