"""The bars that a calendar leads one to expect: where each would open and close."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from actors.domain.equal_runs import distinct
from actors.domain.intervals import Interval
from actors.domain.session_plan import Hours, Session

Instants = npt.NDArray[np.int64]


@lru_cache(maxsize=32)
def expected_opens(session: Session, interval: Interval) -> Instants:
    """Give the open stamps of a session's bars, int64 ns of shape (n,), ascending.

    Bins start anew with every part of the session, at its open; a part with an anchor counts them from there,
    and its open cuts the first one short. A last bin that a part's close cuts short is expected too. `1d` is
    one bar, the regular hours.
    """
    if not interval.is_intraday:
        return np.array([part.open_ns for part in session.regular[:1]], dtype=np.int64)
    return np.concatenate([np.maximum(_marks(part, interval), part.open_ns) for part in session.parts])


@lru_cache(maxsize=32)
def expected_closes(session: Session, interval: Interval) -> Instants:
    """Give the close stamps that belong to `expected_opens`, clipped at the close of their part."""
    if not interval.is_intraday:
        return np.array([part.close_ns for part in session.regular[-1:]], dtype=np.int64)
    return np.concatenate(
        [np.minimum(_marks(part, interval) + interval.length_ns, part.close_ns) for part in session.parts]
    )


def event_times(session: Session, intervals: tuple[Interval, ...]) -> Instants:
    """Give every instant at which a bar of one of these intervals is due, ascending, each once."""
    closes = [expected_closes(session, interval) for interval in intervals]
    return distinct(np.concatenate(closes))


def _marks(part: Hours, interval: Interval) -> Instants:
    """Give where the bins begin that have something of a part in them; the first may begin before it."""
    anchor_ns = part.open_ns if part.anchor_ns is None else part.anchor_ns
    first_ns = part.open_ns - (part.open_ns - anchor_ns) % interval.length_ns
    return np.arange(first_ns, part.close_ns, interval.length_ns, dtype=np.int64)
