"""From a source's stamps to where its bars open and close."""

from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from actors.domain.calendar_table import CalendarTable
from actors.domain.intervals import NS_PER_S, UNIT_NS, Interval
from actors.runtime.importing.source import Label

Instants = npt.NDArray[np.int64]
_LONG_NS: Final = UNIT_NS["h"]


class Placed(NamedTuple):
    """Where bars open and close; arrays of shape (n,)."""

    open_ts: Instants
    close_ts: Instants
    faults: dict[int, str]
    """Bars that have no place; their instants are without meaning."""


class SessionDays(NamedTuple):
    """How bars of a day find their session: by the date of their stamp in this zone, open or close."""

    table: CalendarTable
    zone: ZoneInfo

    def placed(self, stamps: Instants) -> Placed:
        """Place bars at the sessions of their dates."""
        each, place = np.unique(stamps, return_inverse=True)
        dates = np.array([_date(int(stamp), self.zone) for stamp in each], dtype="datetime64[D]")
        sessions = np.minimum(np.searchsorted(self.table.days, dates), len(self.table.days) - 1)
        strange = (self.table.days[sessions] != dates)[place]
        faults = {
            int(at): f"{dates[place[at]]} is no session of {self.table.name}"
            for at in np.flatnonzero(strange)
        }
        chosen = sessions[place]
        return Placed(self.table.opens[chosen], self.table.closes[chosen], faults)


def placed(stamps: Instants, label: Label, interval: Interval, days: SessionDays | None) -> Placed:
    """Place bars by what their stamps are; those of a day go by the calendar."""
    if days is not None and not interval.is_intraday:
        return days.placed(stamps)
    length = np.int64(interval.length_ns)
    open_ts = stamps if label == "open" else stamps - length
    return Placed(open_ts, open_ts + length, {})


def off_grid(open_ts: Instants, interval: Interval) -> int:
    """Count the bars that open at no multiple of their length.

    Bars of an hour or more open with the session, which may be at any minute.
    """
    if not interval.is_intraday:
        return 0
    step = interval.length_ns if interval.length_ns < _LONG_NS else UNIT_NS["m"]
    return int(np.count_nonzero(open_ts % step))


def _date(stamp_ns: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(stamp_ns // NS_PER_S, zone).date().isoformat()
