"""Turn a calendar's sessions into those of a run: with extended hours, and with bins on the clock's marks.

Only regular hours come from the calendar. The extended ones are those of the US equity exchanges: from 04:00
to the open, and four hours from the close on, so to 20:00, or to 17:00 on a day that closes at 13:00.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from actors.domain.intervals import NS_PER_S, UNIT_NS
from actors.domain.session_plan import Hours, Session

US_EQUITY_CALENDARS: Final = frozenset(("XNYS", "NYSE", "NASDAQ", "XNAS", "ARCX", "BATS", "XASE", "OOTC"))
"""XNYS and the other names that exchange_calendars has for it."""
PRE_OPEN: Final = time(4)
"""Exchange-local."""
POST_NS: Final = 4 * UNIT_NS["h"]


def has_extended_hours(calendar: str) -> bool:
    """Tell whether a calendar's extended hours are known."""
    return calendar in US_EQUITY_CALENDARS


def no_extended_hours(calendar: str) -> str:
    """Say why a calendar has none."""
    return f"calendar {calendar}: extended hours are known for US equities only"


def shape(sessions: Iterable[Session], timezone: str, *, extended: bool, clock: bool) -> tuple[Session, ...]:
    """Shape sessions as they are in the calendar.

    Args:
        sessions: Of regular hours, each with the regular close before it.
        timezone: The exchange's.
        extended: Add the hours before and after; the calendar must have them.
        clock: Count bins from local midnight, and not from each part's open.
    """
    zone = ZoneInfo(timezone)
    lengthened = (_with_extended_hours(each, zone) if extended else each for each in sessions)
    return tuple(_on_the_clock(each, zone) if clock else each for each in lengthened)


def _with_extended_hours(session: Session, zone: ZoneInfo) -> Session:
    """Add a part before and one after; of a calendar's first session the one before stays unknown."""
    moment = datetime.combine(date.fromisoformat(session.date), PRE_OPEN, zone)
    pre = Hours(int(moment.timestamp()) * NS_PER_S, session.open_ns, "pre")
    post = Hours(session.close_ns, session.close_ns + POST_NS, "post")
    return msgspec.structs.replace(
        session,
        open_ns=pre.open_ns,
        close_ns=post.close_ns,
        parts=(pre, *session.parts, post),
        previous_close_ns=min(session.previous_close_ns + POST_NS, pre.open_ns),
    )


def _on_the_clock(session: Session, zone: ZoneInfo) -> Session:
    parts = (
        msgspec.structs.replace(part, anchor_ns=_midnight_ns(part.open_ns, zone)) for part in session.parts
    )
    return msgspec.structs.replace(session, parts=tuple(parts))


def _midnight_ns(instant_ns: int, zone: ZoneInfo) -> int:
    """Give the midnight before an instant, by the offset from UTC that is in force at the instant."""
    offset = datetime.fromtimestamp(instant_ns // NS_PER_S, zone).utcoffset() or timedelta()
    offset_ns = offset // timedelta(seconds=1) * NS_PER_S
    return instant_ns - (instant_ns + offset_ns) % UNIT_NS["d"]
