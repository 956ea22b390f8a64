"""How far a stream is behind the clock: MARKET_RULES §8.

A stream lags by the time that the bars cover which have fallen due since its newest one. That is event time:
it is the same at every speed, and one stream's lag says nothing of another's.
"""

import numpy as np

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session


def lag_ns(session: Session, interval: Interval, newest_close: int | None, now: int) -> int:
    """Give the lag of a stream at `now`, in ns; 0 where its newest bar is the last that was due.

    Args:
        session: The current one.
        interval: Of the stream. One that spans sessions never lags.
        newest_close: The close of its newest bar in this session; None before the first.
        now: The clock.
    """
    if interval.spans_sessions:
        return 0
    closes = expected_closes(session, interval)
    due = int(np.searchsorted(closes, now, side="right"))
    there = 0 if newest_close is None else int(np.searchsorted(closes, newest_close, side="right"))
    return int((closes[there:due] - expected_opens(session, interval)[there:due]).sum())
