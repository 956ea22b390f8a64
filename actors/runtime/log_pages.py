"""Many lines of a log at once, of which the like was written before.

The lines about a session's steps are mostly those about the next one's too, but for the date and for when
they are written. So their bytes are kept, with a mark in the place of each: 0.3 µs a line instead of 1.5.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from actors.domain.local_time import NS_PER_S, clock, within_a_day
from actors.runtime.log_files import Bulk

KNOWN_PAGES: Final = 8
_WRITTEN: Final = "\0"
_OFFSET: Final = "+00:00"
_DATE: Final = "\1" * len("2026-11-22")


class Page(NamedTuple):
    """The same lines for both files, encoded."""

    text: bytes
    jsonl: bytes


def page(t: str, actor: str, texts: Sequence[str], sim_ts: Sequence[int], timezone: str) -> Page | None:
    """Write INFO messages as `Bulk` does, each with its simulated instant, ns UTC.

    Gives None where one has a character that had to be escaped, or instants are of several days or have
    fractions of a second. Raises ValueError where texts and instants are not as many.
    """
    instants = np.array(sim_ts, dtype=np.int64)
    day = within_a_day(instants, timezone)
    if day is None or (instants % NS_PER_S).any():
        return None
    known = _marked(actor, tuple(texts), day.seconds(instants).tobytes(), day.offset)
    if known is None:
        return None
    date, written = day.date.encode(), t.removesuffix(_OFFSET)
    return Page(_fill(known.text, written.replace("T", " "), date), _fill(known.jsonl, written, date))


@lru_cache(maxsize=KNOWN_PAGES)
def _marked(actor: str, texts: tuple[str, ...], seconds: bytes, offset: str) -> Page | None:
    clocks = map(clock, np.frombuffer(seconds, dtype=np.int64).tolist())
    bulk = Bulk(_WRITTEN + _OFFSET, actor, [f"{_DATE}T{shown}{offset}" for shown in clocks], texts)
    return Page(bulk.text(), bulk.jsonl()) if bulk.is_plain else None


def _fill(marked: bytes, written: str, date: bytes) -> bytes:
    return marked.replace(_WRITTEN.encode(), written.encode()).replace(_DATE.encode(), date)
