"""The page's time axis: seconds that read as the exchange's clock where a chart takes them for UTC.

A session has one offset, that of its open, so that its bars stay in order when the clocks change.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from actors.domain.local_time import NS_PER_S
from actors.domain.trading.equity_curve import Integers
from actors.results.columns import Column

Json = dict[str, Any]


def local_text(instant_ns: int, zone: ZoneInfo) -> str:
    """Write an instant in the exchange's time, as 2025-07-02 10:31, with seconds where there are any."""
    local = datetime.fromtimestamp(instant_ns // NS_PER_S, zone)
    return f"{local:%Y-%m-%d %H:%M}" + (f":{local:%S}" if local.second else "")


class LocalAxis:
    """Exchange-local time of the sessions of a run."""

    def __init__(self, timezone: str, sessions: Sequence[Json]) -> None:
        """Look up the offset of each session; `sessions` as plan.json has them."""
        self.zone = ZoneInfo(timezone)
        opens = np.array([session["open_ns"] for session in sessions], dtype=np.int64)
        offsets = np.array([self._offset_s(instant) for instant in opens.tolist()], dtype=np.int64)
        shifted = opens // NS_PER_S + offsets
        if np.any(np.diff(shifted) <= 0):
            offsets[:] = offsets[:1]
        self._offsets: Mapping[str, int] = {
            session["date"]: offset for session, offset in zip(sessions, offsets.tolist(), strict=True)
        }

    def seconds(self, sessions: Column, instants: Integers) -> Integers:
        """Give the axis' seconds of instants in ns UTC, each of the session named."""
        names, places = np.unique(sessions.astype(np.str_), return_inverse=True)
        offsets = np.array([self._offset_of(name) for name in names.tolist()], dtype=np.int64)
        shifted = instants // NS_PER_S
        return shifted + offsets[places] if len(names) else shifted

    def _offset_of(self, session: str) -> int:
        known = self._offsets.get(session)
        if known is not None:
            return known
        midnight = datetime.fromisoformat(session).replace(tzinfo=UTC)
        return self._offset_s(int(midnight.timestamp()) * NS_PER_S)

    def _offset_s(self, instant_ns: int) -> int:
        offset = datetime.fromtimestamp(instant_ns // NS_PER_S, self.zone).utcoffset()
        return int(offset.total_seconds()) if offset else 0
