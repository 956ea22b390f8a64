"""Plans built by hand, for tests of those who are told one."""

from collections.abc import Sequence
from typing import Any, Final

from actors.domain.session_plan import PLAN_VERSION, Flow, Hours, Rules, Session, SessionPlan, Stream, Trading
from protocol.messages import Finished

MINUTE: Final = 60_000_000_000
DAY: Final = 1440 * MINUTE
OPEN: Final = 1_751_463_000_000_000_000
"""2025-07-02, half past nine in New York: the open of session 0."""


def make_session(index: int, minutes: int = 390, date: str = "2025-07-02") -> Session:
    """Make a session without a break; they follow each other day by day."""
    hours = Hours(OPEN + index * DAY, OPEN + index * DAY + minutes * MINUTE)
    return Session(index, date, "full", hours.open_ns, hours.close_ns, (hours,), 0)


def make_finished(**changes: Any) -> Finished:  # noqa: ANN401
    """Make the verdict on a run that went to its end and delivered nothing; `changes` name any field."""
    fields = {
        "interrupted": False,
        "bars": 0,
        "data_digest": "",
        "stream_digest": "",
        "signals_digest": "",
        "signals": {},
        "phase_wall_ns": {},
        "streams": (),
        "suppressed": 0,
        "lag_ns": 0,
    }
    return Finished(**fields | changes)


def make_plan(days: Sequence[Session], streams: Sequence[Stream], **changes: Any) -> SessionPlan:  # noqa: ANN401
    """Make a plan of history and sessions in one row; `changes` name any other field."""
    sessions = tuple(day for day in days if day.index >= 0)
    fields = {
        "version": PLAN_VERSION,
        "name": "test",
        "calendar": "XNYS",
        "timezone": "America/New_York",
        "first_date": sessions[0].date,
        "last_date": sessions[-1].date,
        "catalog": "/catalog",
        "symbols": tuple(dict.fromkeys(stream.symbol for stream in streams)),
        "sessions": sessions,
        "history": tuple(day for day in days if day.index < 0),
        "holidays": (),
        "streams": tuple(streams),
        "stored": (),
        "warmups": (),
        "strategies": (),
        "warnings": (),
        "flow": Flow(),
        "rules": Rules(),
        "trading": Trading(1.0, 1.0, 1.0, 1),
    }
    return SessionPlan(**fields | changes)
