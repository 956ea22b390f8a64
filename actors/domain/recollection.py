"""What the journal tells a coordinator that takes over: counts, digests, and where to go on.

1. The journal ends with the last thing that was published since a phase was entered; what only says that
   something is complete comes after that and has been cut off, so that it is said again.
2. Windows that were sealed since then may not have been handled by everyone: at most `credit` of them.
3. A session of which not every step was sealed is loaded again and goes on after the last step.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

import numpy as np

from actors.domain.account import Account, SessionCount
from actors.domain.sealing import base_ids, unseal
from actors.domain.session_plan import SessionPlan
from protocol.blocks import as_bars, as_times
from protocol.lifecycle import Phase
from protocol.messages import Message, PhaseEvent, RawWindow, SealedWindow, SessionReport, Signals

_STARTED: Final = (Phase.STREAMING, Phase.END_OF_SESSION)
"""The phases of a session that has started: one more was asked for then."""


class Recollection:
    """A run as far as its journal knows it."""

    def __init__(self, plan: SessionPlan, account: Account, messages: Iterable[Message]) -> None:
        """Go through the journal's messages in their order."""
        self._plan = plan
        self._account = account
        self._base = base_ids(plan)
        self._unhandled: deque[RawWindow] = deque()
        self._last: RawWindow | None = None
        self.phase: Phase | None = None
        """None where the journal is empty."""
        self.session = 0
        self.count = SessionCount()
        """The windows of the session that everyone has handled for sure."""
        self.bars_before = 0
        self.records = 0
        self.elapsed_ns = 0
        """Wall time of the run when the last phase began or was complete."""
        self.worst_lag_ns = 0
        self.signalled: dict[str, int] = {}
        """The last window for which an actor's signals are known."""
        self.delivered: dict[int, dict[int, int]] = {}
        """Bars per session and stream."""
        for message in messages:
            self.records += 1
            self._take(message)

    @property
    def unhandled(self) -> tuple[RawWindow, ...]:
        """The windows that perhaps not everyone has handled, in order."""
        return tuple(self._unhandled)

    @property
    def first_needed(self) -> int:
        """The first session of which not every step was sealed."""
        if self._last is None:
            return -len(self._plan.history)
        return self._last.session + self._last.last

    @property
    def asked(self) -> int:
        """The last session that the loader was asked for."""
        if self.session == 0 and self.phase in (None, Phase.INITIALIZATION):
            return -len(self._plan.history) - 1
        if self.session == 0 and self.phase is Phase.HISTORICAL_MANAGEMENT:
            return -1
        ahead = self._plan.flow.prefetch_sessions - (self.phase not in _STARTED)
        return min(self.session + ahead, len(self._plan.sessions) - 1)

    def steps_sealed(self, session: int) -> int | None:
        """Give the last step of a session that was sealed; None where none was."""
        if self._last is None or self._last.session != session:
            return None
        return int(as_times(self._last.steps)[-1])

    def _take(self, message: Message) -> None:
        match message:
            case PhaseEvent(state="started"):
                self._enter(message)
            case PhaseEvent():
                wall_ns = message.elapsed_ns - self.elapsed_ns
                self._account.add_phase(Phase(message.phase).name.lower(), wall_ns)
                self.elapsed_ns = message.elapsed_ns
            case SealedWindow():
                self._add(message)
            case Signals():
                self._account.add_signals(message)
                self.signalled[message.actor] = message.seq
            case SessionReport():
                self.worst_lag_ns = max(self.worst_lag_ns, message.lag_ns)
            case _:
                pass

    def _enter(self, event: PhaseEvent) -> None:
        self._handle(len(self._unhandled))
        self.phase, self.session, self.elapsed_ns = Phase(event.phase), event.session, event.elapsed_ns
        if self.phase is Phase.STREAMING:
            self.bars_before += self.count.bars
            self.count = SessionCount()

    def _add(self, window: SealedWindow) -> None:
        raw = unseal(window, self._base)
        self._account.add_raw(raw)
        self._account.add_sealed(window)
        self._count_delivered(raw)
        self._unhandled.append(raw)
        self._handle(len(self._unhandled) - self._plan.flow.credit)
        self._last = raw

    def _handle(self, windows: int) -> None:
        """Count the oldest windows as handled by everyone."""
        for _ in range(windows):
            window = self._unhandled.popleft()
            if window.session >= 0:
                self.count.add(window)

    def _count_delivered(self, window: RawWindow) -> None:
        counts = self.delivered.setdefault(window.session, {})
        streams, bars = np.unique(as_bars(window.block)["stream"], return_counts=True)
        for stream, n in zip(streams.tolist(), bars.tolist(), strict=True):
            counts[stream] = counts.get(stream, 0) + n
