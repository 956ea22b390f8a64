"""Read one stream from storage session by session, and judge each first bar by the close before it.

Rows are screened as they are stored. Then bars are put on the scale of all corporate actions, and the close
before a session on that of the session's own rows: a split that is applied is no jump.
"""

from typing import NamedTuple

from actors.domain.adjustments import UNADJUSTED, PriceScale
from actors.domain.intervals import Interval
from actors.domain.ports import BarSource
from actors.domain.screening import Screened, screen
from actors.domain.session_plan import Session, Stream


class SessionRows(NamedTuple):
    """What storage holds of one stream in one session."""

    rows: int
    """All rows, good or bad."""
    screened: Screened


class _LastClose(NamedTuple):
    """The close of the last bar that a session delivered; None where it delivered none."""

    date: str
    close: float | None


class StreamReader:
    """Read sessions, best in their order: then each is read once.

    The close before a session is that of the session before and of no earlier one. It is read from storage
    where that session was not the last one read: what is found does not depend on where the reading starts.
    """

    def __init__(
        self, source: BarSource, stream: Stream, jump_ratio: float, scale: PriceScale = UNADJUSTED
    ) -> None:
        """Read nothing yet."""
        self._source = source
        self._stream = stream
        self._interval = Interval.parse(stream.interval)
        self._jump_ratio = jump_ratio
        self._scale = scale
        self._last: _LastClose | None = None

    def read(self, session: Session, before: Session | None) -> SessionRows:
        """Screen a session's rows; `before` is the session before it, None where none is known.

        Raises DataError where storage is missing or unreadable.
        """
        stored, screened = self._read(session, self._close_before(session, before))
        return SessionRows(stored, screened._replace(bars=self._scale.adjusted(screened.bars, session.date)))

    def _close_before(self, session: Session, before: Session | None) -> float | None:
        """Give the last close of the session before, as a price that stands beside the session's own."""
        close = None if before is None else self._close_of(before)
        if before is None or close is None:
            return None
        return close * self._scale.between(before.date, session.date)

    def _close_of(self, before: Session) -> float | None:
        if self._last is None or self._last.date != before.date:
            self._last = _last_close(before, self._read(before, None).screened)
        return self._last.close

    def _read(self, session: Session, previous_close: float | None) -> SessionRows:
        stream = self._stream
        rows = self._source.read(stream.symbol, stream.interval, session.previous_close_ns, session.close_ns)
        screened = screen(rows, stream.id, session, self._interval, self._jump_ratio, previous_close)
        self._last = _last_close(session, screened)
        return SessionRows(len(rows.open_ts), screened)


def _last_close(session: Session, screened: Screened) -> _LastClose:
    closes = screened.bars["close"]
    return _LastClose(session.date, float(closes[-1]) if len(closes) else None)
