"""Go through the six phases of every session: what each begins with, waits for and ends with.

A phase that an earlier life had entered last is not entered again; everything after it is.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from actors.domain.account import Account, SessionCount
from actors.domain.barrier import Barrier
from actors.domain.feed import Feed
from actors.domain.phase_lines import PhaseLines
from actors.domain.publication import Publication
from actors.domain.recollection import Recollection
from actors.domain.roles import Effect, Send
from actors.domain.session_flow import flow, phase_line
from actors.domain.session_plan import SessionPlan
from actors.domain.supply import Supply
from protocol import topics
from protocol.lifecycle import PHASE_TRANSITIONS, Phase, PhaseEnd
from protocol.messages import PhaseEvent

_Hook = Callable[[], Iterable[Effect]]


class PhaseMachine:
    """Which phase of which session it is."""

    def __init__(
        self, plan: SessionPlan, account: Account, supply: Supply, feed: Feed, publication: Publication
    ) -> None:
        """Be in no phase before the first is entered."""
        self._plan = plan
        self._account = account
        self._supply = supply
        self._feed = feed
        self._publication = publication
        self._lines = PhaseLines(plan)
        self.phase: Phase | None = None
        self.session = plan.sessions[0]
        self.count = SessionCount()
        """What everyone has handled of the session."""
        self._bars_before = 0
        self.is_over = False
        """No window will be cut any more."""
        self._now_ns = self._began_ns = self._phase_began_ns = 0
        self._elapsed_ns = 0
        """Wall time of the run in an earlier life."""
        self._lag_ns = 0
        self._entering: dict[Phase, _Hook] = {
            Phase.HISTORICAL_MANAGEMENT: self._enter_history,
            Phase.QUEUE_LOADING: self._enter_loading,
            Phase.STREAMING: self._enter_streaming,
        }
        self._leaving: dict[Phase, _Hook] = {
            Phase.INITIALIZATION: self._leave_initialization,
            Phase.HISTORICAL_MANAGEMENT: self._leave_history,
            Phase.QUEUE_LOADING: self._leave_loading,
            Phase.SESSION_ACTIVATION: self._leave_activation,
            Phase.STREAMING: self._leave_streaming,
            Phase.END_OF_SESSION: self._leave_session,
        }

    @property
    def bars(self) -> int:
        """Base bars of the run that everyone has handled, history not counted."""
        return self._bars_before + self.count.bars

    @property
    def clock_ts(self) -> int:
        """The step that everyone has handled; before the first, the session's open."""
        return self.count.last_ts or self.session.open_ns

    def restore(self, found: Recollection) -> None:
        """Be in the phase that an earlier life had entered last."""
        self.phase, self.session = found.phase, self._plan.sessions[found.session]
        self.count, self._bars_before = found.count, found.bars_before
        self._elapsed_ns = found.elapsed_ns

    def begin(self, now_ns: int) -> Iterator[Effect]:
        """Enter the first phase of the first session."""
        self._now_ns = self._began_ns = now_ns
        yield from self._enter(Phase.INITIALIZATION)

    def go_on(self, now_ns: int) -> None:
        """Count time from here, on top of what passed in an earlier life."""
        self._began_ns, self._phase_began_ns = now_ns - self._elapsed_ns, now_ns

    @property
    def published(self) -> int:
        """The last session whose windows may be sealed."""
        return self.session.index - (self.phase is not Phase.STREAMING)

    def is_complete(self, barrier: Barrier) -> bool:
        """Whether the phase has nothing left to wait for, with those windows in flight."""
        is_idle = self._feed.is_empty and barrier.has_landed(self.published)
        if self.phase is Phase.HISTORICAL_MANAGEMENT:
            return is_idle and self._supply.history_is_taken
        if self.phase is Phase.QUEUE_LOADING:
            return self._supply.is_ready_for(self.session.index)
        if self.phase is Phase.SESSION_ACTIVATION:
            return self._supply.has_loaded(self.session.index)
        if self.phase is Phase.STREAMING:
            return is_idle
        return True

    def complete(self, now_ns: int, lag_ns: int) -> Iterator[Effect]:
        """Leave the phase and enter the next, or be over; `lag_ns` is how late the session was at worst."""
        self._now_ns, self._lag_ns = now_ns, lag_ns
        phase = self.phase or Phase.INITIALIZATION
        yield from self._leaving[phase]()
        yield phase_line(phase, started=False)
        yield self._event(phase, "complete")
        self._account.add_phase(phase.name.lower(), now_ns - self._phase_began_ns)
        if phase is not Phase.END_OF_SESSION:
            yield from self._enter(PHASE_TRANSITIONS[phase, PhaseEnd.DONE])
        else:
            yield from self._next_session()

    def _enter(self, phase: Phase) -> Iterator[Effect]:
        self.phase = phase
        self._phase_began_ns = self._now_ns
        self._feed.forget()
        yield self._event(phase, "started")
        yield phase_line(phase, started=True)
        if phase in self._entering:
            yield from self._entering[phase]()

    def _next_session(self) -> Iterator[Effect]:
        following = self.session.index + 1
        self.is_over = following == len(self._plan.sessions)
        if self.is_over:
            yield flow("3.b.2.CHECK: Termination condition met")
            return
        yield flow("3.b.2.CHECK: Continuing to next session")
        self.session = self._plan.sessions[following]
        yield from self._enter(PHASE_TRANSITIONS[Phase.END_OF_SESSION, PhaseEnd.NEXT_SESSION])

    def _leave_initialization(self) -> Iterator[Effect]:
        yield from self._lines.initialization(self.session)

    def _enter_history(self) -> Iterable[Effect]:
        if self.session.index == 0:
            self._supply.want(-1)
        return ()

    def _leave_history(self) -> Iterator[Effect]:
        elapsed_s = (self._now_ns - self._phase_began_ns) / 1e9
        score = self._account.history_score(self.session.index)
        yield from self._lines.history(self.session, self._supply.delivered, score, elapsed_s)

    def _enter_loading(self) -> Iterator[Effect]:
        yield flow("PHASE_3.2: Loading backtest queues")
        if self.session.index == 0:
            self._supply.want(self._supply.queued(0)[-1])

    def _leave_loading(self) -> Iterator[Effect]:
        queued = self._supply.queued(self.session.index)
        yield from self._lines.loading(queued, self._supply.delivered)

    def _leave_activation(self) -> Iterator[Effect]:
        yield flow("PHASE_4.1: Complete - Session active")

    def _enter_streaming(self) -> Iterator[Effect]:
        self._supply.want(self._supply.queued(self.session.index)[-1] + 1)
        yield from self._lines.streaming_starts(self.session)
        if self._plan.flow.speed > 0:
            yield flow(f"PHASE_5.1: First step due at {self._now_ns} ns on the monotonic clock")
        self._bars_before += self.count.bars
        self.count = SessionCount()
        self._feed.stream(self.session.index, self._now_ns)

    def _leave_streaming(self) -> Iterator[Effect]:
        yield from self._lines.streaming_ends(self.session, self.count)

    def _leave_session(self) -> Iterator[Effect]:
        report = self.count.report(self.session.index, self._lag_ns)
        yield self._publication.publish(topics.SESSION, report)
        self._supply.forget(self.session.index)

    def _event(self, phase: Phase, state: Literal["started", "complete"]) -> Send:
        elapsed_ns = self._now_ns - self._began_ns
        event = PhaseEvent(self.session.index, phase.value, state, elapsed_ns)
        return self._publication.publish(topics.PHASE, event)
