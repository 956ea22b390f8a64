"""The words of the `[SESSION_FLOW]` lines, which people grep for: ids and wording do not change."""

from collections import Counter
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final

import numpy as np

from actors.domain.equal_runs import run_starts
from actors.domain.local_time import clock, clock_seconds, clock_text
from actors.domain.roles import Log, LogLines
from actors.domain.session_plan import SessionPlan
from actors.domain.session_tape import Tape
from protocol.blocks import as_bars, only_time
from protocol.lifecycle import Phase
from protocol.messages import RawWindow

TAG: Final = "[SESSION_FLOW] "
NAMED_SYMBOLS: Final = 20
"""How many symbols a line about a step names."""
NEXT: Final = f"{TAG}PHASE_5.2: Next timestamp: "
KNOWN_WINDOWS: Final = 8
"""Of how many windows the lines are kept: those of one session are mostly those of the next, too."""
_ID_BYTES: Final = 2


def flow(text: str, sim_ts: int | None = None) -> Log:
    """Make a `[SESSION_FLOW]` line."""
    return Log("INFO", TAG + text, sim_ts)


def phase_line(phase: Phase, *, started: bool) -> Log:
    """Write that a phase begins or is complete."""
    words = f"{phase.title} phase starting" if started else "Complete"
    return flow(f"3.b.2.PHASE_{phase.value}: {words}")


class StepLines:
    """The two lines of every step at which a base bar was processed, made for a whole window at once."""

    def __init__(self, plan: SessionPlan) -> None:
        """Know the streams' symbols and the exchange's time zone."""
        self._streams = plan.base_streams
        self._queues = 0
        self._symbol = {stream.id: stream.symbol for stream in plan.base_streams}
        self._timezone = plan.timezone
        self._ends = np.empty(0, dtype=np.int64)
        self._processed = lru_cache(maxsize=64)(self._processed_text)
        self._texts = lru_cache(maxsize=KNOWN_WINDOWS)(self._texts_of)

    def start_session(self, tape: Tape) -> None:
        """Note how many streams are read, and when each has its last bar."""
        self._queues = sum(stream.is_read_in(tape.session) for stream in self._streams)
        _, places = np.unique(tape.bars["stream"][::-1], return_index=True)
        self._ends = np.sort(tape.bars["close_ts"][::-1][places])

    def lines(self, window: RawWindow) -> LogLines:
        """Write the lines of a window; steps without a base bar have none."""
        if window.steps.n == 1:
            return self._lines_of_step(window)
        bars = as_bars(window.block)
        starts = run_starts(bars["close_ts"])
        instants = bars["close_ts"][starts]
        active = len(self._ends) - np.searchsorted(self._ends, instants, side="left")
        seconds = clock_seconds(instants, self._timezone)
        parts = (seconds, active, starts, bars["stream"])
        texts = self._texts(self._queues, *(part.tobytes() for part in parts))
        return LogLines(texts, np.repeat(instants, 2).tolist())

    def _lines_of_step(self, window: RawWindow) -> LogLines:
        """Write the lines of a window of one step: 5 µs instead of 60."""
        if not window.block.n:
            return LogLines((), ())
        instant = only_time(window.steps)
        active = len(self._ends) - int(self._ends.searchsorted(instant))
        clock = clock_text(instant, self._timezone)
        streams = as_bars(window.block)["stream"].tobytes()
        texts = (f"{NEXT}{clock} ({active}/{self._queues} queues active)", self._processed(streams))
        return LogLines(texts, (instant, instant))

    def _texts_of(
        self, queues: int, seconds: bytes, active: bytes, starts: bytes, streams: bytes
    ) -> tuple[str, ...]:
        """Write the lines of steps: local seconds, how many streams go on, where in `streams` each begins."""
        edges = [*(np.frombuffer(starts, np.int64) * _ID_BYTES).tolist(), len(streams)]
        clocks = (clock(second) for second in np.frombuffer(seconds, np.int64).tolist())
        texts: list[str] = []
        for shown, going, (start, stop) in zip(
            clocks, np.frombuffer(active, np.int64).tolist(), pairwise(edges), strict=True
        ):
            next_one = f"{NEXT}{shown} ({going}/{queues} queues active)"
            texts += (next_one, self._processed(streams[start:stop]))
        return tuple(texts)

    def _processed_text(self, streams: bytes) -> str:
        counts = Counter(self._symbol[stream] for stream in np.frombuffer(streams, dtype="<u2").tolist())
        named = [f"{symbol}: {count}" for symbol, count in islice(counts.items(), NAMED_SYMBOLS)]
        if len(counts) > len(named):
            named.append(f"{len(counts) - len(named)} more")
        return f"{TAG}PHASE_5.3: Processed {counts.total()} bars ({', '.join(named)})"
