"""The words of the `[SESSION_FLOW]` lines, which people grep for: ids and wording do not change."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from actors.domain.roles import Log, LogLines
from actors.domain.session_plan import SessionPlan
from actors.domain.session_tape import Tape
from protocol.blocks import as_bars, as_times
from protocol.lifecycle import Phase
from protocol.messages import RawWindow

TAG: Final = "[SESSION_FLOW] "
NAMED_SYMBOLS: Final = 20
"""How many symbols a line about a step names."""


def flow(text: str, sim_ts: int | None = None) -> Log:
    """Make a `[SESSION_FLOW]` line."""
    return Log("INFO", TAG + text, sim_ts)


def clock_text(instant_ns: int, zone: ZoneInfo) -> str:
    """Write an instant as `09:31:00` in the exchange's time."""
    return f"{datetime.fromtimestamp(instant_ns // 1_000_000_000, zone):%H:%M:%S}"


def phase_line(phase: Phase, *, started: bool) -> Log:
    """Write that a phase begins or is complete."""
    words = f"{phase.title} phase starting" if started else "Complete"
    return flow(f"3.b.2.PHASE_{phase.value}: {words}")


class StepLines:
    """The two lines of every step at which a base bar was processed, made for a whole window at once."""

    def __init__(self, plan: SessionPlan) -> None:
        """Know the streams' symbols and the exchange's time zone."""
        self._streams = plan.base_streams
        self._symbol = {stream.id: stream.symbol for stream in plan.base_streams}
        self._zone = ZoneInfo(plan.timezone)
        self._ends = np.empty(0, dtype=np.int64)
        self._processed = lru_cache(maxsize=64)(self._processed_text)

    def start_session(self, tape: Tape) -> None:
        """Note when each stream has its last bar."""
        _, places = np.unique(tape.bars["stream"][::-1], return_index=True)
        self._ends = np.sort(tape.bars["close_ts"][::-1][places])

    def lines(self, window: RawWindow) -> LogLines:
        """Write the lines of a window; steps without a base bar have none."""
        texts: list[str] = []
        instants: list[int] = []
        for instant, streams in self._steps(window):
            texts += (self._next_text(instant), self._processed(streams))
            instants += (instant, instant)
        return LogLines(texts, instants)

    def _steps(self, window: RawWindow) -> Iterator[tuple[int, bytes]]:
        bars = as_bars(window.block)
        closes, streams = bars["close_ts"], np.ascontiguousarray(bars["stream"])
        steps = as_times(window.steps)
        edges = np.searchsorted(closes, steps, side="left").tolist()
        for place, instant in enumerate(steps.tolist()):
            start = edges[place]
            stop = edges[place + 1] if place + 1 < len(edges) else len(streams)
            if stop > start:
                yield instant, streams[start:stop].tobytes()

    def _next_text(self, instant: int) -> str:
        active = len(self._ends) - int(np.searchsorted(self._ends, instant, side="left"))
        queues = f"{active}/{len(self._streams)} queues active"
        return f"{TAG}PHASE_5.2: Next timestamp: {clock_text(instant, self._zone)} ({queues})"

    def _processed_text(self, streams: bytes) -> str:
        counts = Counter(self._symbol[stream] for stream in np.frombuffer(streams, dtype="<u2").tolist())
        named = [f"{symbol}: {count}" for symbol, count in islice(counts.items(), NAMED_SYMBOLS)]
        if len(counts) > len(named):
            named.append(f"{len(counts) - len(named)} more")
        return f"{TAG}PHASE_5.3: Processed {counts.total()} bars ({', '.join(named)})"
