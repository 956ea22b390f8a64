"""The bars that a calendar leads one to expect: where each would open and close."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from actors.domain.intervals import Interval
from actors.domain.session_plan import Session

Instants = npt.NDArray[np.int64]


@lru_cache(maxsize=256)
def expected_opens(session: Session, interval: Interval) -> Instants:
    """Give the open stamps of a session's bars, int64 ns of shape (n,), ascending.

    Bins start anew with every part of the session; `1d` is one bar, the session. A last bin that a part's
    close cuts short is expected too.
    """
    if not interval.is_intraday:
        return np.array([session.open_ns], dtype=np.int64)
    opens = [
        np.arange(part.open_ns, part.close_ns, interval.length_ns, dtype=np.int64) for part in session.parts
    ]
    return np.concatenate(opens)


@lru_cache(maxsize=256)
def expected_closes(session: Session, interval: Interval) -> Instants:
    """Give the close stamps that belong to `expected_opens`, clipped at the close of their part."""
    if not interval.is_intraday:
        return np.array([session.close_ns], dtype=np.int64)
    closes = [
        np.minimum(
            np.arange(part.open_ns, part.close_ns, interval.length_ns, dtype=np.int64) + interval.length_ns,
            part.close_ns,
        )
        for part in session.parts
    ]
    return np.concatenate(closes)


def event_times(session: Session, intervals: tuple[Interval, ...]) -> Instants:
    """Give every instant at which a bar of one of these intervals is due, ascending, each once."""
    closes = [expected_closes(session, interval) for interval in intervals]
    return np.unique(np.concatenate(closes))
