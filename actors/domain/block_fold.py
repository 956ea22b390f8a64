"""Fold base bars into bars across sessions, `Nd` and `Nw`: MARKET_RULES §5, for history and stream alike.

1. A block (`session_blocks`) is one bin over the regular hours of its sessions. What is pending crosses from
   session to session as one merged row per stream (`row_merging`), so memory does not grow with the block.
2. The bar is made at the regular close of the block's last session, complete or not. Whether a session is the
   last one the calendar says, never the data.
3. Expected base bars of a block are numbered through all its sessions; a gap is one missing between two that
   are there, over night too. What is expected is counted over the sessions of the plan, whether or not a
   stream was read in them.
4. A block that ends before a base's history begins gives no bar: its sessions were read for a later one, and
   perhaps not from its start.
"""

from collections.abc import Mapping

import numpy as np

from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.regular_hours import in_regular_hours
from actors.domain.row_merging import MAX_STREAMS, NO_ROWS, PendingRows, merge_rows
from actors.domain.session_blocks import block_of, closes_block
from actors.domain.session_plan import Session
from protocol.blocks import BarFlag, Bars


class BlockFold:
    """Fold the base bars of one interval into the bars of an interval across sessions."""

    def __init__(
        self, interval: Interval, base: Interval, targets: Mapping[int, int], kept: Mapping[int, int]
    ) -> None:
        """Compute the streams that are the values of `targets`, each from the base stream that is its key.

        `kept` has the sessions of history that each base stream keeps.
        """
        self._interval, self._base = interval, base
        self._n_streams = len(targets)
        self._target = np.full(MAX_STREAMS, -1, dtype=np.int64)
        self._target[list(targets.keys())] = list(targets.values())
        self._oldest = np.zeros(max(targets) + 1, dtype=np.int64)
        self._oldest[list(kept.keys())] = [-sessions for sessions in kept.values()]
        self._first_slot, self._last_slot = np.zeros_like(self._oldest), np.zeros_like(self._oldest)
        self._block: int | None = None

    def start_session(self, session: Session, pending_rows: int) -> None:
        """Begin a session, and a block with nothing pending where it is the block's first in the plan."""
        block = block_of(session, self._interval)
        if block != self._block:
            self._block = block
            self._open_ns = session.regular[0].open_ns
            self._n_expected = 0
            self._pending = PendingRows(pending_rows + self._n_streams)
        self._session = session
        self._close_ns = session.regular[-1].close_ns
        self._is_over = False
        self._slots_before = self._n_expected
        slots = expected_opens(session, self._base)
        self._slots = slots[in_regular_hours((session,), self._base, slots)]
        self._n_expected += len(self._slots)

    def fold(self, bars: Bars, now_ns: int) -> Bars:
        """Take the base bars up to `now_ns`; give those of the block, by stream, if it has just closed."""
        self._pending.add(self._own(bars))
        if self._is_over or now_ns < self._close_ns:
            self._pending.bound()
            return NO_ROWS
        self._is_over = True
        rows = self._pending.take()
        return self._end_session(merge_rows(rows, np.zeros(len(rows), dtype=np.int64))) if len(rows) else rows

    def _own(self, bars: Bars) -> Bars:
        own = self._target[bars["stream"]] >= 0
        own &= in_regular_hours((self._session,), self._base, bars["open_ts"])
        return bars if own.all() else bars.compress(own)

    def _end_session(self, merged: Bars) -> Bars:
        self._note_slots(merged)
        if not closes_block(self._session, self._interval):
            self._pending.add(merged)
            return NO_ROWS
        return self._finish(merged.compress(self._oldest[merged["stream"]] <= self._session.index))

    def _note_slots(self, merged: Bars) -> None:
        """Note of the rows that begin, and of those that end in this session, which slots these are."""
        begins, ends = merged["open_ts"] >= self._slots[0], merged["close_ts"] > self._slots[0]
        first = np.searchsorted(self._slots, merged["open_ts"][begins])
        last = np.searchsorted(self._slots, merged["close_ts"][ends]) - 1
        self._first_slot[merged["stream"][begins]] = self._slots_before + first
        self._last_slot[merged["stream"][ends]] = self._slots_before + last

    def _finish(self, merged: Bars) -> Bars:
        """Turn merged rows into bars of the block: ids, bounds, counts and flags."""
        stream, n_base = merged["stream"], merged["n_base"]
        slots = self._last_slot[stream] - self._first_slot[stream] + 1
        flags = merged["flags"] & BarFlag.FILLED.value
        flags |= np.where(n_base < self._n_expected, BarFlag.PARTIAL.value, 0).astype(flags.dtype)
        flags |= np.where(n_base < slots, BarFlag.GAP.value, 0).astype(flags.dtype)
        merged["stream"] = self._target[stream]
        merged["flags"], merged["n_expected"] = flags, self._n_expected
        merged["open_ts"], merged["close_ts"] = self._open_ns, self._close_ns
        return merged
