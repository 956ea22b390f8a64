"""Which block of sessions a session belongs to: N sessions for `Nd`, N calendar weeks for `Nw`.

1. `Nd`: blocks of N consecutive sessions of the calendar, counted from its first one: `ordinal // N`.
2. `Nw`: blocks of N ISO weeks, Monday to Sunday, counted from Monday 1970-01-05; a session is in the week of
   its own date, wherever its instants lie.
3. So a block depends on neither the data nor the run, and streams that begin within one are read from its
   first session on: the lead.
"""

from collections.abc import Collection
from datetime import date
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from actors.domain.calendar_table import CalendarTable
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session, Stream

FIRST_MONDAY: Final = date(1970, 1, 5)
DAYS_PER_WEEK: Final = 7


def block_of(session: Session, interval: Interval) -> int:
    """Number the block of an interval across sessions that a session belongs to."""
    if interval.unit == "d":
        return session.ordinal // interval.count
    return _week(session.date) // interval.count


def closes_block(session: Session, interval: Interval) -> bool:
    """Tell whether the next session is in another block; a last week is open where the calendar ends."""
    if interval.unit == "d":
        return (session.ordinal + 1) % interval.count == 0
    if not session.next_date:
        return False
    return _week(session.next_date) // interval.count != block_of(session, interval)


def sessions_since_block_start(table: CalendarTable, row: int, interval: Interval) -> int:
    """Count the calendar's sessions before the one in `row` that are in its block."""
    rows = np.arange(row + 1) if interval.unit == "d" else _weeks(table.days[: row + 1])
    blocks = rows // interval.count
    return row - int(np.searchsorted(blocks, blocks[row]))


def with_lead_sessions(
    streams: tuple[Stream, ...], table: CalendarTable, first: Session
) -> tuple[Stream, ...]:
    """Have streams read from where the blocks begin that their first session is in.

    Args:
        streams: All of a plan, by id.
        table: Where the sessions come from.
        first: The run's first session.
    """
    longer: dict[int, set[Interval]] = {}
    for stream in streams:
        interval = Interval.parse(stream.interval)
        if stream.base is not None and interval.spans_sessions:
            longer.setdefault(stream.base, set()).add(interval)
    leads = {
        base: _lead(table, first.ordinal - streams[base].history_sessions, intervals)
        for base, intervals in longer.items()
    }
    return tuple(msgspec.structs.replace(stream, lead_sessions=leads.get(stream.id, 0)) for stream in streams)


def _lead(table: CalendarTable, row: int, intervals: Collection[Interval]) -> int:
    """Reach back to the earliest start of a block; not at all where the calendar begins later than `row`."""
    if row < 0:
        return 0
    return max(sessions_since_block_start(table, row, interval) for interval in intervals)


def _week(day: str) -> int:
    return (date.fromisoformat(day) - FIRST_MONDAY).days // DAYS_PER_WEEK


def _weeks(days: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    return (days - np.datetime64(FIRST_MONDAY, "D")).astype(np.int64) // DAYS_PER_WEEK
