"""Where a check for look-ahead cuts a run, and what it puts in place of the rows after the cut.

What a strategy does up to a cut must follow from what is known by then. So the rows that become known later
may be replaced by any others, and nothing up to the cut may change.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Instants = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Rows = Mapping[str, npt.NDArray[Any]]
"""`open_ts close_ts` (int64 ns UTC) and `open high low close volume` (float64), shape (n,)."""
_MIRRORED: Final = {"open": "open", "high": "low", "low": "high", "close": "close"}
_VOLUME_SHIFT: Final = 1.5


class Cut(NamedTuple):
    """An instant of a run; what becomes known after it is altered."""

    session: str
    at_ns: int
    """A step."""
    next_ns: int
    """The step after it: what has a stamp before that step must stay as it was."""
    is_session_end: bool


def choose_cuts(
    sessions: npt.NDArray[Any], steps: Instants, signals: Instants, count: int
) -> tuple[Cut, ...]:
    """Spread cuts evenly over the steps of a run; `sessions` has the date of each.

    Every second one moves to the nearest end of a session, the others to the nearest step with a signal: what
    a strategy knew too early shows where it acted on it. Fewer come back where there are fewer steps.
    """
    ends = np.append(sessions[1:] != sessions[:-1], True)
    taken = np.zeros(len(steps), dtype=np.bool_)
    taken[-1:] = True
    acted = np.isin(steps, signals)
    for number in range(count):
        wanted = (number + 1) * len(steps) // (count + 1)
        preferred = (ends, acted) if number % 2 else (acted, ends)
        place = _nearest(wanted, *(marked & ~taken for marked in preferred), ~taken)
        taken[place] = True
    places = np.flatnonzero(taken)[:-1]
    return tuple(
        Cut(str(sessions[place]), int(steps[place]), int(steps[place + 1]), bool(ends[place]))
        for place in places.tolist()
    )


def _nearest(wanted: int, *choices: npt.NDArray[np.bool_]) -> Places:
    """Find the marked place nearest to `wanted`, of the first choice that marks any; or none."""
    for marked in choices:
        places = np.flatnonzero(marked)
        if len(places):
            return places[[np.argmin(np.abs(places - wanted))]]
    return np.empty(0, dtype=np.intp)


def altered(rows: Rows, after_ns: int, pivot: float) -> dict[str, npt.NDArray[Any]]:
    """Turn what becomes known after an instant upside down; all other rows, and all stamps, stay.

    A price p becomes pivot * (pivot / p)^2: what rose above the pivot, the last price that was known, falls
    below it, twice as far. Whether a row is valid does not change.
    """
    later = rows["close_ts"] > after_ns
    mirrored = {name: _mirrored(rows[source], pivot) for name, source in _MIRRORED.items()}
    for name in _MIRRORED:
        later &= _is_price(rows[name]) & _is_price(mirrored[name])
    prices = {name: np.where(later, mirrored[name], rows[name]) for name in _MIRRORED}
    return {**rows, **prices, "volume": _altered_volume(rows, after_ns)}


def _mirrored(prices: Floats, pivot: float) -> Floats:
    with np.errstate(all="ignore"):
        ratio = pivot / prices
        return np.asarray(pivot * (ratio * ratio))


def _altered_volume(rows: Rows, after_ns: int) -> Floats:
    """Make large volumes small and small ones large; 0 stays 0."""
    volume: Floats = rows["volume"]
    traded = (volume > 0) & np.isfinite(volume)
    later = traded & (rows["close_ts"] > after_ns)
    middle = float(np.median(volume[traded])) if traded.any() else 1.0
    changed = volume.copy()
    changed[later] = np.ceil(middle / volume[later] * middle * _VOLUME_SHIFT)
    return changed


def _is_price(values: Floats) -> npt.NDArray[np.bool_]:
    return np.isfinite(values) & (values > 0)


def last_price(rows: Rows, until_ns: int) -> tuple[int, float] | None:
    """Give the newest close that is known at an instant, behind when it became so; None for no close."""
    known = np.flatnonzero((rows["close_ts"] <= until_ns) & _is_price(rows["close"]))
    if not len(known):
        return None
    newest = known[np.argmax(rows["close_ts"][known])]
    return int(rows["close_ts"][newest]), float(rows["close"][newest])
