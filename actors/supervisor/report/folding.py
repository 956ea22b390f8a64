"""Bars joined to fewer, for a page that has no room for all of them. Each session is folded by itself."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from actors.domain.trading.equity_curve import Integers
from actors.results.columns import Column

FACTORS: Final = (5, 15, 60)
"""How many nominal lengths are joined; beyond, all of a session's bars are."""


def fold(columns: Mapping[str, Column], length_ns: int | None) -> dict[str, Column]:
    """Join the bars of each session that lie in one bin of `length_ns` from its first bar; all for None."""
    starts = _starts(columns["session"], columns["open_ts"], length_ns)
    if len(starts) == 0:
        return dict(columns)
    ends = np.append(starts[1:], len(columns["open_ts"])) - 1
    summed = {
        name: np.add.reduceat(columns[name].astype(kind), starts)
        for name, kind in (("volume", np.float64), ("n_base", np.int64), ("n_expected", np.int64))
    }
    return {
        "session": columns["session"][starts],
        "open_ts": columns["open_ts"][starts],
        "close_ts": columns["close_ts"][ends],
        "open": columns["open"][starts],
        "high": np.maximum.reduceat(columns["high"], starts),
        "low": np.minimum.reduceat(columns["low"], starts),
        "close": columns["close"][ends],
        "flags": np.bitwise_or.reduceat(columns["flags"], starts),
        **summed,
    }


def _starts(sessions: Column, opens: Integers, length_ns: int | None) -> np.ndarray[Any, Any]:
    names = sessions.astype(np.str_)
    begins = np.flatnonzero(np.append(True, names[1:] != names[:-1])) if len(names) else np.empty(0, np.int64)
    if length_ns is None or len(begins) == 0:
        return begins
    first = np.repeat(opens[begins], np.diff(np.append(begins, len(opens))))
    bins = (opens - first) // length_ns
    changes = np.append(True, (names[1:] != names[:-1]) | (bins[1:] != bins[:-1]))
    return np.flatnonzero(changes)
