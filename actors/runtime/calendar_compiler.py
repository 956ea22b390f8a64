"""The only importer of exchange_calendars, and so of pandas, which costs most of a second.

`actors.runtime.calendars` loads this module when its cache has no answer, and only then.
"""

import difflib
import warnings
from datetime import date
from typing import Final

import exchange_calendars
import numpy as np
import numpy.typing as npt
from exchange_calendars.errors import InvalidCalendarName

from actors.domain.calendar_table import CalendarError, CalendarTable

FIRST_DAY: Final = date(1990, 1, 1)
_NO_TIME: Final = np.iinfo(np.int64).min
"""How a missing instant looks as an integer."""


class UnknownCalendar(CalendarError):
    """A name that exchange_calendars does not know."""

    def __init__(self, name: str, nearest: tuple[str, ...]) -> None:
        """Keep the name and the known ones that are most like it."""
        known = f"; did you mean {' or '.join(nearest)}?" if nearest else "; XNYS and 24/7 are two of them"
        super().__init__(f"{name!r} is no calendar that exchange_calendars knows{known}")
        self.name = name
        self.nearest = nearest


class BrokenCalendar(CalendarError):
    """A calendar that exchange_calendars knows and fails to work out."""

    def __init__(self, name: str, cause: str) -> None:
        """Keep the name and what exchange_calendars said."""
        version = exchange_calendars.__version__
        super().__init__(
            f"exchange_calendars {version} cannot work out calendar {name} ({cause}); "
            "another version of exchange_calendars or pandas may, or choose another calendar"
        )
        self.name = name


def compile_calendar(name: str) -> CalendarTable:
    """Work a calendar out, from 1990 or its own first day to as far ahead as exchange_calendars goes.

    Raises UnknownCalendar and BrokenCalendar.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _compile(name)
        except InvalidCalendarName as unknown:
            raise UnknownCalendar(name, _nearest(name)) from unknown
        except (ValueError, NotImplementedError, TypeError, AttributeError) as broken:
            raise BrokenCalendar(name, str(broken)[:120]) from broken


def _compile(name: str) -> CalendarTable:
    bound = exchange_calendars.get_calendar(name).bound_min()
    first = max(FIRST_DAY, bound.date()) if bound is not None else FIRST_DAY
    calendar = exchange_calendars.get_calendar(name, start=first.isoformat())
    closes = calendar.closes_nanos
    return CalendarTable(
        name=name,
        timezone=calendar.tz.key,
        first=first,
        last=calendar.last_session.date(),
        weekmask=calendar.weekmask,
        days=calendar.sessions.to_numpy().astype("datetime64[D]"),
        opens=calendar.opens_nanos,
        break_starts=_instants_or(closes, calendar.break_starts_nanos),
        break_ends=_instants_or(closes, calendar.break_ends_nanos),
        closes=closes,
        halves=calendar.sessions.isin(calendar.early_closes.union(calendar.late_opens)),
    )


def _instants_or(other: npt.NDArray[np.int64], instants: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.where(instants == _NO_TIME, other, instants)


def _nearest(name: str) -> tuple[str, ...]:
    known = exchange_calendars.get_calendar_names()
    return tuple(difflib.get_close_matches(name.upper(), known, n=3, cutoff=0.5))
