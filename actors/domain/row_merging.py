"""Merge base bars into one row per stream, early or late: the same row, bit by bit.

1. A row is a bar of `BAR_DTYPE`. Merging rows of one stream gives a row again: open of the first, close of
   the last, and the stamps `open_ts` and `close_ts` of the first and the last row merged. What is pending can
   be merged early, to bound memory, and merged again when the bin closes. Rows are packed records: `take`,
   `compress` and joined bytes move them 6 to 20 times as fast as indexing and `concatenate`.
2. Volume is added row after row in time order, starting from 0.0. A sum from the left can stop anywhere and
   go on without a change of a single bit, which sums by halves (`np.add.reduceat`) cannot; so neither the cut
   into windows nor rule 1 shows in a result, and a program in another language can compute the same.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.blocks import BAR_DTYPE, Bars, join_bars

MAX_STREAMS: Final = 65_536
"""Stream ids are 16 bits wide."""
NO_ROWS: Final = np.empty(0, BAR_DTYPE)


def merge_rows(rows: Bars, bin_of: npt.NDArray[np.int64]) -> Bars:
    """Merge the rows of each (bin, stream) into one, by (bin, stream).

    Args:
        rows: At least one row; those of one stream in time order.
        bin_of: The bin of each row.
    """
    keys = bin_of * MAX_STREAMS + rows["stream"]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    sizes = np.diff(starts, append=len(rows))
    merged = rows.take(order[starts])
    last = order[starts + sizes - 1]
    merged["close_ts"], merged["close"] = rows["close_ts"][last], rows["close"][last]
    merged["high"] = np.maximum.reduceat(rows["high"].take(order), starts)
    merged["low"] = np.minimum.reduceat(rows["low"].take(order), starts)
    groups = np.repeat(np.arange(len(starts)), sizes)
    merged["volume"] = np.bincount(groups, weights=rows["volume"].take(order))
    merged["n_base"] = np.add.reduceat(rows["n_base"].take(order), starts)
    merged["flags"] = np.bitwise_or.reduceat(rows["flags"].take(order), starts)
    return merged


class PendingRows:
    """Rows of bins that are still open, in time order."""

    def __init__(self, limit: int) -> None:
        """Merge early what grows above `limit` rows."""
        self._limit = limit
        self._parts: list[Bars] = []
        self._count = 0

    def add(self, rows: Bars) -> None:
        """Append rows that are later than all others."""
        if len(rows):
            self._parts.append(rows)
            self._count += len(rows)

    def take(self) -> Bars:
        """Give all rows and keep none."""
        parts, self._parts, self._count = self._parts, [], 0
        return join_bars(parts)

    def bound(self) -> None:
        """Merge early if there are too many; to be called when only one bin is open."""
        if self._count > self._limit:
            rows = self.take()
            self.add(merge_rows(rows, np.zeros(len(rows), dtype=np.int64)))
