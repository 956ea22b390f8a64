"""The practical limit: one process, whole numpy columns symbol by symbol, no events, no common clock.

Nothing is streamed and no order between symbols is kept, so it is no engine: it only says what reading and
computing cost. It relies on whole sessions, in which every 5m and 15m bar has all of its minutes.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from inputs import Columns, minutes, report, symbols

FAST, SLOW = 20, 50
SAME = 1e-9
"""Averages that are closer than this are equal: running sums leave noise."""


def folded(columns: Columns, length: int) -> Columns:
    """Fold minutes into longer bars."""
    rows = {name: column.reshape(-1, length) for name, column in columns.items()}
    return {
        "close_ts": rows["close_ts"][:, -1],
        "open": rows["open"][:, 0],
        "high": rows["high"].max(axis=1),
        "low": rows["low"].min(axis=1),
        "close": rows["close"][:, -1],
        "volume": rows["volume"].sum(axis=1),
    }


def average(closes: Any, period: int) -> Any:  # noqa: ANN401  arrays
    """Give the simple moving averages that are whole."""
    sums = np.concatenate(([0.0], np.cumsum(closes)))
    return (sums[period:] - sums[:-period]) / period


def crossings(closes: Any) -> int:  # noqa: ANN401  an array
    """Count where one average passes the other."""
    if len(closes) < SLOW:
        return 0
    slow = average(closes, SLOW)
    apart = average(closes, FAST)[-len(slow) :] - slow
    above = apart[np.abs(apart) > SAME] > 0
    return int(np.count_nonzero(above[1:] != above[:-1]))


def main() -> None:
    """Go through the folder that is named on the command line."""
    folder, bars, signals = Path(sys.argv[1]), 0, 0
    for name in symbols(folder):
        columns = minutes(folder, name)
        bars += len(columns["close"])
        folded(columns, 15)
        signals += crossings(folded(columns, 5)["close"])
    report(bars, signals)


if __name__ == "__main__":
    main()
