"""The sessions of one exchange calendar as columns, and the questions a plan asks of them.

A session is named by its date on the exchange, even where it opens the evening before. A calendar knows
nothing of days outside its years, so a question that reaches beyond them is an error, never a guess.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt

from actors.domain.session_plan import Hours, Session

Days = npt.NDArray[np.datetime64]
Instants = npt.NDArray[np.int64]


class CalendarError(ValueError):
    """A question that a calendar cannot answer."""


class OutsideCalendar(CalendarError):
    """A day before the calendar's first or after its last."""

    def __init__(self, calendar: str, first: date, last: date, asked: str) -> None:
        """Keep the calendar, the days it covers and what was asked for."""
        super().__init__(f"calendar {calendar} covers {first} to {last}, not {asked}")
        self.calendar = calendar
        self.first = first
        self.last = last
        self.asked = asked


class NoSession(CalendarError):
    """Days that hold no session."""

    def __init__(self, calendar: str, first: date, last: date) -> None:
        """Keep the calendar and the days."""
        super().__init__(f"calendar {calendar} has no session from {first} to {last}")
        self.calendar = calendar
        self.first = first
        self.last = last


@dataclass(frozen=True, eq=False)
class CalendarTable:
    """One calendar: a row per session, earliest first; all columns of shape (n,), instants in ns UTC.

    A session without a break has its break at its close, from close to close.
    """

    name: str
    timezone: str
    first: date
    """The first day covered, session or not."""
    last: date
    """The last day covered."""
    weekmask: str
    """Seven of 0 and 1, Monday first: the days on which the exchange is as a rule open."""
    days: Days
    opens: Instants
    break_starts: Instants
    break_ends: Instants
    closes: Instants
    halves: npt.NDArray[np.bool_]
    """Whether it opens later or closes earlier than the regular session."""

    def __len__(self) -> int:
        return len(self.days)

    def covers(self, day: date) -> bool:
        """Tell whether the calendar knows a day."""
        return self.first <= day <= self.last


class CalendarSource(Protocol):
    """Where calendars come from; `actors.runtime.calendars` has the real one."""

    def table(self, name: str, last: date) -> CalendarTable:
        """Give a calendar that reaches `last`, or as far as it can be worked out.

        Raises CalendarError where there is no such calendar.
        """
        ...


def sessions_between(table: CalendarTable, first: date, last: date) -> tuple[Session, ...]:
    """Give the sessions from `first`, rolled forward, to `last`, rolled back, indexed from 0.

    Raises OutsideCalendar, and NoSession where there is none.
    """
    rows = _rows_between(table, first, last)
    if not rows:
        raise NoSession(table.name, first, last)
    return tuple(_session(table, row, row - rows.start) for row in rows)


def sessions_before(table: CalendarTable, day: date, count: int) -> tuple[Session, ...]:
    """Give the last `count` sessions before a day, earliest first, indexed from `-count` to -1.

    Raises OutsideCalendar where the calendar has fewer.
    """
    _check_covered(table, day)
    stop = _row_from(table, day)
    if count > stop:
        raise OutsideCalendar(table.name, table.first, table.last, f"{count} sessions before {day}")
    return tuple(_session(table, row, row - stop) for row in range(stop - count, stop))


def trailing_depth(table: CalendarTable, day: date, count: int, *, skip_halves: bool) -> int:
    """Count how many sessions back from a day the last `count` reach; half days may be passed over.

    Where the calendar has fewer, back to its first. Raises OutsideCalendar.
    """
    _check_covered(table, day)
    stop = _row_from(table, day)
    rows = np.flatnonzero(~table.halves[:stop]) if skip_halves else np.arange(stop)
    return stop - int(rows[-count]) if count <= len(rows) else stop


def session_preceding(table: CalendarTable, session: Session) -> Session | None:
    """Give the session before one; None for the calendar's first."""
    row = _row_from(table, date.fromisoformat(session.date)) - 1
    return _session(table, row, session.index - 1) if row >= 0 else None


def sessions_spanning(table: CalendarTable, first_ns: int, last_ns: int) -> tuple[Session, ...]:
    """Give the sessions that close after one instant and open at another or before, indexed from 0.

    There may be none. Raises OutsideCalendar.
    """
    for instant_ns in (first_ns, last_ns):
        _check_covered(table, np.datetime64(instant_ns, "ns").astype("datetime64[D]").item())
    start = int(np.searchsorted(table.closes, first_ns, side="right"))
    stop = int(np.searchsorted(table.opens, last_ns, side="right"))
    return tuple(_session(table, row, row - start) for row in range(start, stop))


def holidays_between(table: CalendarTable, first: date, last: date) -> tuple[date, ...]:
    """Give the days of the exchange's week without a session, both ends included.

    Raises OutsideCalendar.
    """
    rows = _rows_between(table, first, last)
    days = np.arange(np.datetime64(first, "D"), np.datetime64(last + timedelta(days=1), "D"))
    open_as_a_rule = days[np.is_busday(days, weekmask=table.weekmask)]
    held = table.days[rows.start : rows.stop]
    return tuple(np.setdiff1d(open_as_a_rule, held, assume_unique=True).tolist())


def _rows_between(table: CalendarTable, first: date, last: date) -> range:
    _check_covered(table, first)
    _check_covered(table, last)
    return range(_row_from(table, first), _row_from(table, last + timedelta(days=1)))


def _check_covered(table: CalendarTable, day: date) -> None:
    if not table.covers(day):
        raise OutsideCalendar(table.name, table.first, table.last, str(day))


def _row_from(table: CalendarTable, day: date) -> int:
    return int(np.searchsorted(table.days, np.datetime64(day, "D")))


def _session(table: CalendarTable, row: int, index: int) -> Session:
    return Session(
        index=index,
        date=str(table.days[row]),
        kind="half" if table.halves[row] else "full",
        open_ns=int(table.opens[row]),
        close_ns=int(table.closes[row]),
        parts=_parts(table, row),
        previous_close_ns=_previous_close_ns(table, row),
        ordinal=row,
        next_date=str(table.days[row + 1]) if row + 1 < len(table) else "",
    )


def _parts(table: CalendarTable, row: int) -> tuple[Hours, ...]:
    before = Hours(int(table.opens[row]), int(table.break_starts[row]))
    after = Hours(int(table.break_ends[row]), int(table.closes[row]))
    return tuple(part for part in (before, after) if part.open_ns < part.close_ns)


def _previous_close_ns(table: CalendarTable, row: int) -> int:
    """Give the close before a session; for the very first one, of which none is known, its own open."""
    return int(table.closes[row - 1]) if row else int(table.opens[0])
