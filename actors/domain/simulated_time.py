"""Read the simulated times that people write on a command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
TIME_OF_DAY: Final = re.compile(r"\d{1,2}:\d\d.*")
LAST_YEAR: Final = 2261
FIRST_YEAR: Final = 1678
"""Beyond these, ns since 1970 do not fit into 64 bits."""


def instant_of(text: str, date: str, timezone: str) -> int:
    """Read `2025-07-03T10:30`, or `10:30` of a date, in a time zone unless an offset is written; ns UTC.

    Raises ValueError for what is no time.
    """
    if TIME_OF_DAY.fullmatch(text):
        text = f"{date}T{text if text[2] == ':' else f'0{text}'}"
    local = datetime.fromisoformat(text)
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        raise ValueError(f"the year {local.year} is beyond all reckoning")
    aware = local if local.tzinfo is not None else local.replace(tzinfo=ZoneInfo(timezone))
    return (aware - EPOCH) // timedelta(microseconds=1) * 1000
