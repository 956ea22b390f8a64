"""Figures of whole sessions, as they stood before the current one: they move once, at the session's start.

Sessions are put together from the bars of one stream, whatever its interval. One without a bar is not
counted.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import add
from statistics import fmean
from typing import Final, NamedTuple, TypeAlias

from actors.domain.bar_views import BarColumns
from actors.domain.indicator_values import Factories, GapStats, HighLow, PivotPoints, Recipe, Value, Values


class SessionBar(NamedTuple):
    """One session, as one bar."""

    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def range(self) -> float:
        """High less low."""
        return self.high - self.low


Figure: TypeAlias = Callable[[SessionBar], Value | None]
"""What is taken of each session as it ends, and gives the value from then on."""
Formula: TypeAlias = Callable[[Sequence[SessionBar]], Value | None]


class SessionFigure:
    """A value that stands for a whole session."""

    def __init__(self, figure: Figure) -> None:
        """Know no session."""
        self._figure = figure
        self._so_far: SessionBar | None = None
        self._value: Value | None = None

    def start_session(self, _value: Value | None) -> Value | None:
        """Count the session that is over."""
        if self._so_far is not None:
            self._value, self._so_far = self._figure(self._so_far), None
        return self._value

    def update(self, bars: BarColumns) -> Values:
        """Take the session's next bars; the value stays."""
        if len(bars):
            part = _put_together(bars, self._so_far.volume if self._so_far else 0.0)
            self._so_far = _joined(self._so_far, part) if self._so_far else part
        return [self._value] * len(bars)


class Trailing:
    """A formula over the last sessions, once there are enough."""

    def __init__(self, formula: Formula, count: int) -> None:
        """Keep `count` sessions."""
        self._formula = formula
        self._sessions: deque[SessionBar] = deque(maxlen=count)

    def __call__(self, session: SessionBar) -> Value | None:
        """Take the session that is over."""
        self._sessions.append(session)
        full = len(self._sessions) == self._sessions.maxlen
        return self._formula(self._sessions) if full else None


def _put_together(bars: BarColumns, volume: float) -> SessionBar:
    """Make one bar of some; volumes are added from the left to `volume`, whatever the cut into windows."""
    return SessionBar(
        float(bars.open[0]),
        float(bars.high.max()),
        float(bars.low.min()),
        float(bars.close[-1]),
        reduce(add, bars.volume.tolist(), volume),
    )


def _joined(first: SessionBar, last: SessionBar) -> SessionBar:
    high, low = max(first.high, last.high), min(first.low, last.low)
    return SessionBar(first.open, high, low, last.close, last.volume)


def _pivot_points(sessions: Sequence[SessionBar]) -> PivotPoints:
    _, high, low, close, _ = sessions[-1]
    pp = (high + low + close) / 3
    return PivotPoints(
        pp=pp,
        r1=2 * pp - low,
        r2=pp + (high - low),
        r3=high + 2 * (pp - low),
        s1=2 * pp - high,
        s2=pp - (high - low),
        s3=low - 2 * (high - pp),
    )


def _high_low(sessions: Sequence[SessionBar]) -> HighLow:
    return HighLow(max(session.high for session in sessions), min(session.low for session in sessions))


def _avg_volume(sessions: Sequence[SessionBar]) -> float:
    return fmean(session.volume for session in sessions)


def _avg_range(sessions: Sequence[SessionBar]) -> float:
    return fmean(session.range for session in sessions)


def _range_ratio(sessions: Sequence[SessionBar]) -> float | None:
    average = _avg_range(sessions)
    return sessions[-1].range / average if average else None


def _gap_stats(sessions: Sequence[SessionBar]) -> GapStats:
    gaps = [session.open - before.close for before, session in pairwise(sessions)]
    ups, downs = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    return GapStats(fmean(gaps), ups + downs, ups, downs)


def _trailing(formula: Formula) -> Callable[[Recipe], SessionFigure]:
    """Describe a formula over as many sessions as it needs."""
    return lambda recipe: SessionFigure(Trailing(formula, recipe.bars_needed))


FORMULAS: Final[Mapping[str, Formula]] = {
    "pivot_points": _pivot_points,
    "high_low": _high_low,
    "avg_volume": _avg_volume,
    "avg_range": _avg_range,
    "gap_stats": _gap_stats,
    "range_ratio": _range_ratio,
}
FACTORIES: Final[Factories] = {name: _trailing(formula) for name, formula in FORMULAS.items()}
