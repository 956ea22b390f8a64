"""Rebuild missing base bars from a finer interval that is stored too: MARKET_RULES §6, last rule.

1. Only a slot without a valid row is rebuilt, and only where every finer bar of it is there and valid.
   Finer rows go through the same screening as any; what is wrong with them is no defect of the stream.
2. They are folded by the code that folds derived bars. A rebuilt bar is flagged FILLED and still counts as
   missing.
3. It closes with its slot, as the stored bar would have; nothing finer than the slot is looked at.
4. Jumps are judged on stored bars alone, before anything is rebuilt: a rebuilt bar is none, and no bar is
   measured against it. So `data check`, which rebuilds nothing, finds what a run finds.
"""

import math
from collections.abc import Collection

import numpy as np

from actors.domain.adjustments import UNADJUSTED, PriceScale
from actors.domain.aggregation import PENDING_ROWS, IntervalFold
from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.ports import BarSource
from actors.domain.screening import Mask, screen
from actors.domain.session_plan import Session, Stream
from actors.domain.stream_decision import is_computable
from protocol.blocks import BarFlag, Bars, join_bars


def gap_source(interval: Interval, stored: Collection[Interval]) -> Interval | None:
    """Choose the largest stored interval that is finer than this one and that it can be computed from."""
    return max(
        (finer for finer in stored if finer < interval and is_computable(interval, finer)), default=None
    )


class GapFiller:
    """Rebuild what is missing of one stream that is `filled_from` a finer interval."""

    def __init__(self, source: BarSource, stream: Stream, scale: PriceScale = UNADJUSTED) -> None:
        """Read nothing yet; bars are put on the scale that the stream's stored bars are put on."""
        self._source = source
        self._scale = scale
        self._stream = stream
        self._interval, self._finer = Interval.parse(stream.interval), Interval.parse(stream.filled_from)
        self._fold = IntervalFold(self._interval, self._finer, {stream.id: stream.id})

    def fill(self, session: Session, bars: Bars) -> Bars:
        """Add to a session's stored bars those that can be rebuilt; storage is read where some are missing.

        Raises DataError where the finer bars are unreadable.
        """
        missing = ~np.isin(expected_opens(session, self._interval), bars["open_ts"], assume_unique=True)
        if not missing.any():
            return bars
        filled = self._rebuilt(session, missing)
        return _in_order(bars, filled) if len(filled) else bars

    def _rebuilt(self, session: Session, missing: Mask) -> Bars:
        """Fold the finer bars from the first missing slot to the last, and keep what is whole and missing."""
        opens = expected_opens(session, self._interval)[missing]
        end_ns = int(expected_closes(session, self._interval)[missing][-1])
        rows = self._source.read(self._stream.symbol, str(self._finer), int(opens[0]), end_ns)
        finer = screen(rows, self._stream.id, session, self._finer, jump_ratio=math.inf).bars
        self._fold.start_session(session, PENDING_ROWS)
        folded = self._fold.fold(finer, end_ns)
        whole = (folded["n_base"] == folded["n_expected"]) & np.isin(folded["open_ts"], opens)
        return self._scale.adjusted(_as_base(folded.compress(whole)), session.date)


def _as_base(rebuilt: Bars) -> Bars:
    rebuilt["n_base"] = rebuilt["n_expected"] = 1
    rebuilt["flags"] |= BarFlag.FILLED.value
    return rebuilt


def _in_order(stored: Bars, filled: Bars) -> Bars:
    bars = join_bars([stored, filled])
    return bars.take(np.argsort(bars["open_ts"], kind="stable"))
