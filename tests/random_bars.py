"""Random base bars on a session's grid."""

import numpy as np

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session, Stream
from protocol.blocks import BAR_DTYPE, BarFlag, Bars


def random_bars(session: Session, stream: Stream, rng: np.random.Generator, filled: float) -> Bars:
    """Make every bar of a stream in a session; a share `filled` of them is flagged as rebuilt."""
    interval = Interval.parse(stream.interval)
    opens = expected_opens(session, interval)
    bars = np.zeros(len(opens), BAR_DTYPE)
    bars["stream"], bars["n_base"], bars["n_expected"] = stream.id, 1, 1
    bars["open_ts"], bars["close_ts"] = opens, expected_closes(session, interval)
    prices = np.sort(rng.uniform(10, 11, (len(opens), 4)).round(2), axis=1)
    bars["low"], bars["open"], bars["close"], bars["high"] = prices.T
    bars["volume"] = rng.random(len(opens)) * 10.0 ** rng.integers(-3, 7, len(opens))
    bars["flags"] = np.where(rng.random(len(opens)) < filled, BarFlag.FILLED, 0)
    return bars
