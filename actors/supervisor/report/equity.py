"""The equity and the drawdown of all strategies on one axis of steps, thinned out where there are many.

Of each strategy the lowest and the highest equity of a stretch of steps are kept, and its deepest drawdown,
so that a chart shows the same line.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from actors.domain.trading.equity_curve import Floats, Integers
from actors.results.traded import Traded
from actors.supervisor.report.local_axis import LocalAxis
from actors.supervisor.report.packing import packed_series, packed_times

Json = dict[str, Any]
POINTS_SHOWN: Final = 4000
"""Of all strategies together, about."""
MONEY_DECIMALS: Final = 2
SHARE_DECIMALS: Final = 6


class _Line(NamedTuple):
    """A strategy's levels at the steps of the run; NaN where it has none."""

    name: str
    equity: Floats
    drawdown: Floats


def build_equity(strategies: Sequence[Traded], axis: LocalAxis) -> Json | None:
    """Pack the curves; None where no strategy has one."""
    tables = [(traded, traded.equity) for traded in strategies if traded.equity is not None]
    if not tables:
        return None
    every = [table["event_ts"] for _, table in tables]
    steps, first = np.unique(np.concatenate(every), return_index=True)
    sessions = np.concatenate([table["session"] for _, table in tables])[first].astype(np.str_)
    lines = [_line(traded, steps) for traded, _ in tables]
    kept = _kept(lines, len(steps))
    return {
        "steps": len(steps),
        "kept": len(kept),
        "place": packed_times(kept),
        "time": packed_times(axis.seconds(sessions[kept], steps[kept])),
        "sessions": _session_starts(sessions),
        "lines": [
            {
                "strategy": line.name,
                "equity": packed_series(line.equity[kept], MONEY_DECIMALS),
                "drawdown": packed_series(line.drawdown[kept], SHARE_DECIMALS),
            }
            for line in lines
        ],
    }


def _line(traded: Traded, steps: Integers) -> _Line:
    table = traded.equity or {}
    equity = np.full(len(steps), np.nan)
    equity[np.searchsorted(steps, table["event_ts"])] = table["equity"]
    high = np.maximum(np.fmax.accumulate(equity), traded.start)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawdown = np.where(high > 0, equity / high - 1, np.nan)
    return _Line(traded.name, equity, drawdown)


def _kept(lines: Sequence[_Line], steps: int) -> Integers:
    if steps <= POINTS_SHOWN:
        return np.arange(steps, dtype=np.int64)
    stretches = np.array_split(np.arange(steps), max(POINTS_SHOWN // (2 * len(lines)), 1))
    chosen = {0, steps - 1, *(place for line in lines for place in _extremes(line, stretches))}
    return np.array(sorted(chosen), dtype=np.int64)


def _extremes(line: _Line, stretches: Sequence[Integers]) -> Iterator[int]:
    low, high = (np.where(np.isnan(line.equity), worst, line.equity) for worst in (np.inf, -np.inf))
    for stretch in stretches:
        yield int(stretch[low[stretch].argmin()])
        yield int(stretch[high[stretch].argmax()])
    yield int(np.where(np.isnan(line.drawdown), 0.0, line.drawdown).argmin())


def _session_starts(sessions: np.ndarray[Any, Any]) -> list[list[Any]]:
    """Give the first step of each session and its date."""
    begins = np.flatnonzero(np.append(True, sessions[1:] != sessions[:-1]))[: len(sessions)]
    return [[int(place), str(sessions[place])] for place in begins]
