"""What indicators give: a float, or one of these where there are several numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from actors.domain.bar_views import BarColumns
from actors.domain.intervals import Interval


class Macd(NamedTuple):
    """Moving average convergence and divergence."""

    macd: float
    signal: float
    histogram: float


class Stochastic(NamedTuple):
    """The slow stochastic, in percent."""

    k: float
    d: float


class Bands(NamedTuple):
    """Lines above, amid and below the price: `bbands`, `keltner`, `donchian`."""

    upper: float
    middle: float
    lower: float


class PivotPoints(NamedTuple):
    """The session's levels: the pivot, resistances above and supports below it."""

    pp: float
    r1: float
    r2: float
    r3: float
    s1: float
    s2: float
    s3: float


class HighLow(NamedTuple):
    """The extremes of some sessions."""

    high: float
    low: float


class GapStats(NamedTuple):
    """The openings of some sessions against the closes before them."""

    avg_gap: float
    """Mean of open less close before, in price; falls count below 0."""
    gap_count: int
    """How many were not 0."""
    gap_up_count: int
    gap_down_count: int


Value: TypeAlias = float | Macd | Stochastic | Bands | PivotPoints | HighLow | GapStats
Values: TypeAlias = list[Value | None]
"""Bar by bar; None before an indicator is warm, and where it is not defined."""


class StreamingIndicator(Protocol):
    """A value that every bar of one stream moves on."""

    def start_session(self, value: Value | None) -> Value | None:
        """Begin a session; given the value so far, give that as of the session's start."""
        ...

    def update(self, bars: BarColumns) -> Values:
        """Take the stream's next bars, one or many, each final and once; give the value after each."""
        ...


@dataclass(frozen=True)
class Recipe:
    """What an indicator is built from."""

    params: Any
    """Valid params of its kind."""
    interval: Interval
    bars_needed: int


Factories: TypeAlias = dict[str, Callable[[Recipe], StreamingIndicator]]
