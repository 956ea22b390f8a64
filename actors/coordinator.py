"""The coordinator: owns the clock and the six phases, merges, cuts windows, keeps the barrier.

1. Time comes in by `on_time`, called before every message and at every wake-up; there is no other clock.
2. Windows are numbered from 0 over the whole run, history first. How they are cut changes no result.
3. After every input it advances as far as it can: seals, lands, completes phases, cuts, ends.
4. A stop is obeyed between windows: nothing new is cut, what is in flight lands, then the run ends.
5. A member that the supervisor has given up is dropped: it is neither waited for nor heard any more.
6. How it is steered is said at once; what may be cut while it is paused or steps, `Steering` decides.
7. The loader is at most `prefetch_sessions` sessions ahead of the one that is streaming.
8. It may take over a run from its journal; and at any time an actor may be let in, for the first time or in a
   new process. Both change nothing that is published but when.
9. An actor that the plan does not know is attached: it may be waited for, but its signals are its own affair.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal

import numpy as np

from actors.domain.account import Account, SessionCount
from actors.domain.barrier import Barrier
from actors.domain.ending import Ending, Step
from actors.domain.lobby import Guest
from actors.domain.phase_lines import PhaseLines
from actors.domain.recollection import Recollection
from actors.domain.roles import Done, Effect, Log, RoleError, Send
from actors.domain.sealing import seal
from actors.domain.session_flow import TAG, StepLines, flow, phase_line
from actors.domain.session_plan import SessionPlan
from actors.domain.session_tape import Tape
from actors.domain.steering import Steering
from actors.domain.supply import Supply
from actors.domain.window_cutter import WindowCutter
from protocol import topics
from protocol.lifecycle import PHASE_TRANSITIONS, Phase, PhaseEnd
from protocol.messages import (
    Ack,
    Derived,
    Drop,
    Leave,
    LoadFailed,
    LoadReport,
    Message,
    PhaseEvent,
    Progress,
    Quality,
    SessionBars,
    Signal,
    Signals,
    Steer,
    Stop,
    StreamClosed,
    Welcome,
)

PROGRESS_NS: Final = 200_000_000
"""How often progress is told, at most."""
_Hook = Callable[[], Iterator[Effect]]


class Coordinator:
    """State machine of a whole run."""

    def __init__(self, name: str, plan: SessionPlan) -> None:
        """Take the plan; nothing happens before `begin`."""
        self.name = name
        self._plan = plan
        self._account = Account(plan)
        self._barrier = Barrier(tuple(spec.actor for spec in plan.strategies), plan.flow.credit)
        self._cutter = WindowCutter(plan.flow, len(plan.base_streams))
        self._steering = Steering(plan, self._cutter)
        self._supply = Supply(plan)
        self._lines = PhaseLines(plan)
        self._step_lines = StepLines(plan)
        self._phase: Phase | None = None
        self._session = plan.sessions[0]
        self._count = SessionCount()
        self._bars_before = 0
        self._now_ns = self._began_ns = self._phase_began_ns = self._progress_ns = 0
        self._records = 0
        """Of the journal."""
        self._signalled: dict[str, int] = {}
        """The last window for which an actor's signals were taken."""
        self._planned = frozenset(spec.actor for spec in plan.strategies)
        self._recalled: Recollection | None = None
        """What is known of an earlier life, until the session that it ended in goes on."""
        self._begun = False
        self._over = False
        """No window will be cut any more."""
        self._interrupted = False
        barrier = self._barrier
        self._ending = Ending((*barrier.members, barrier.processor, barrier.quality), recorder="recorder")
        self._handlers: dict[type[Message], Callable[[Any], Iterator[Effect]]] = {
            SessionBars: self._on_bars,
            LoadReport: self._on_report,
            LoadFailed: self._on_load_failed,
            Derived: self._on_derived,
            Quality: self._on_quality,
            Ack: self._on_ack,
            Leave: self._on_leave,
            Stop: self._on_stop,
            Drop: self._on_drop,
            Steer: self._on_steer,
        }
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
        self._ending_steps: dict[Step, _Hook] = {
            Step.LEAVING: self._ask_to_leave,
            Step.RECORDING: self._close_stream,
            Step.OVER: self._conclude,
        }

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """It publishes; it subscribes to nothing."""
        return ()

    @property
    def windows(self) -> int:
        """Windows cut so far."""
        return self._account.windows

    @property
    def bars(self) -> int:
        """Base bars cut so far, history included."""
        return self._account.base_bars

    @property
    def _clock_ts(self) -> int:
        """The step that everyone has handled; before the first, the session's open."""
        return self._count.last_ts or self._session.open_ns

    def recall(self, messages: Iterable[Message]) -> None:
        """Take over from an earlier life that left these messages in the journal, before `begin`."""
        found = Recollection(self._plan, self._account, messages)
        if found.phase is None:
            return
        self._recalled = found
        self._phase, self._session = found.phase, self._plan.sessions[found.session]
        self._count, self._bars_before = found.count, found.bars_before
        self._records, self._signalled = found.records, found.signalled
        self._cutter.worst_lag_ns = found.worst_lag_ns
        self._barrier.restore(found.unhandled, self.windows)
        self._supply.restore(found.first_needed, found.asked, found.delivered)

    def begin(self) -> Iterator[Effect]:
        """Start the first session, or go on where the journal ends. Everyone has joined."""
        self._begun = True
        self._began_ns = self._now_ns
        yield flow("3: SessionCoordinator.run() - Started")
        if self._recalled is None:
            yield from self._enter(Phase.INITIALIZATION)
        else:
            yield from self._take_over(self._recalled)
        yield from self._advance()

    def admit(self, guest: Guest) -> Iterator[Effect]:
        """Welcome an actor whose paths are open, and send it what it has to do before anything new."""
        actor = guest.actor
        again: list[Message] = []
        next_ack = 0
        if actor in (self._barrier.processor, self._barrier.quality):
            again += self._barrier.readmit(actor)
            self._ending.admit(actor)
        elif actor == "recorder":
            self._ending.admit(actor)
        elif actor != "loader" and guest.member and actor not in self._account.dropped:
            next_ack = self._barrier.admit(actor)
            self._ending.admit(actor)
        welcome = Welcome(actor, guest.nonce, self._barrier.next_seq, next_ack, self._records)
        for message in (welcome, *again):
            yield Send(topics.to(actor), message)
        if actor == "loader" and self._begun:
            yield from self._supply.ask_again()

    def on_time(self, now_ns: int) -> Iterator[Effect]:
        """Learn what time it is on the monotonic clock, ns."""
        self._now_ns = now_ns
        if now_ns - self._progress_ns >= PROGRESS_NS:
            yield from self._progress()

    def on_wake(self) -> Iterator[Effect]:
        """A deadline has come."""
        yield from self._advance()

    def on_message(self, message: Message) -> Iterator[Effect]:
        """Handle one message and, once the run has begun, go on as far as that allows.

        Raises RoleError where an actor says what cannot be.
        """
        handler = self._handlers.get(type(message))
        if handler is None:
            raise RoleError(f"the coordinator does not take {type(message).__name__}")
        if not self._is_heard(message):
            return
        yield from handler(message)
        if self._begun:
            yield from self._advance()

    def _is_heard(self, message: Message) -> bool:
        """Whether the sender was not given up; one that was dropped may still have words on the way."""
        if not isinstance(message, Ack | Leave):
            return True
        barrier = self._barrier
        return message.actor in (*barrier.members, barrier.processor, barrier.quality, "recorder")

    def _take_over(self, found: Recollection) -> Iterator[Effect]:
        """Go on in the phase that an earlier life had entered last."""
        self._began_ns -= found.elapsed_ns
        self._phase_began_ns = self._now_ns
        words = f"{self.windows} windows from the journal, phase {found.phase} of {self._session.date}"
        yield Log("WARNING", f"Taking over a run: {words}")
        yield from self._supply.ask_again()
        yield from self._progress()

    def _on_bars(self, message: SessionBars) -> Iterator[Effect]:
        self._supply.on_bars(message)
        yield from ()

    def _on_report(self, message: LoadReport) -> Iterator[Effect]:
        self._supply.on_report(message)
        yield from ()

    def _on_load_failed(self, message: LoadFailed) -> Iterator[Effect]:
        """Say it here too; the loader itself reports to the supervisor and ends the run."""
        yield Log("ERROR", f"{TAG}PHASE_3.2.ERROR: {message.reason}")

    def _on_derived(self, message: Derived) -> Iterator[Effect]:
        self._barrier.on_derived(message)
        yield from ()

    def _on_quality(self, message: Quality) -> Iterator[Effect]:
        self._barrier.on_quality(message)
        yield from ()

    def _on_ack(self, message: Ack) -> Iterator[Effect]:
        self._barrier.on_ack(message.actor, message.seq)
        yield from self._take_signals(message.actor, message.seq, message.signals)

    def _on_leave(self, message: Leave) -> Iterator[Effect]:
        if message.actor in self._barrier.members and message.actor not in self._planned:
            yield from self._let_go(message.actor)
            return
        self._ending.on_leave(message.actor)
        yield from self._take_signals(message.actor, self.windows, message.signals)
        self._account.add_verdict(message)
        raw = message.actor in (self._barrier.processor, self._barrier.quality)
        self._account.check(message, raw=raw)

    def _on_stop(self, message: Stop) -> Iterator[Effect]:
        self._interrupted = self._interrupted or not self._over
        self._over = True
        yield Log("WARNING", f"Stopping after the windows in flight: {message.reason}")

    def _on_drop(self, message: Drop) -> Iterator[Effect]:
        if message.actor not in self._barrier.members:
            return
        yield Log("ERROR", f"{message.actor} is dropped, the run goes on without it: {message.reason}")
        if message.actor in self._planned:
            self._account.dropped[message.actor] = self._clock_ts
        self._barrier.drop(message.actor)
        self._ending.drop(message.actor)

    def _let_go(self, actor: str) -> Iterator[Effect]:
        """Wait no more for an attached member that has left."""
        self._barrier.drop(actor)
        self._ending.drop(actor)
        yield Log("INFO", f"{actor} has left")

    def _on_steer(self, message: Steer) -> Iterator[Effect]:
        answer = self._steering.on_steer(message, self._now_ns, over=self._over)
        yield Log("INFO", f"{'Steered' if answer.accepted else 'Not steered'}: {answer.text}", self._clock_ts)
        yield Send(topics.command(self.name), answer)

    def _take_signals(self, actor: str, seq: int, signals: tuple[Signal, ...]) -> Iterator[Effect]:
        """Publish signals, unless they were published before their actor's process was replaced."""
        if signals and actor in self._planned and seq > self._signalled.get(actor, -1):
            self._signalled[actor] = seq
            message = Signals(actor, seq, signals)
            self._account.add_signals(message)
            yield self._publish(topics.SIGNAL, message)

    def _publish(self, topic: str, message: Message) -> Send:
        """Send to everyone what the journal keeps too."""
        self._records += 1
        return Send(topic, message)

    def _advance(self) -> Iterator[Effect]:
        self._take_up()
        yield from self._seal()
        yield from self._land()
        yield from self._cut()
        while not self._over and self._is_complete():
            yield from self._complete()
            yield from self._cut()
        if self._steering.has_news(self._barrier.in_flight):
            yield from self._progress()
        yield from self._end()

    def _is_complete(self) -> bool:
        """Whether the phase has nothing left to wait for."""
        idle = self._cutter.is_empty and not self._barrier.in_flight and not self._awaits_session
        if self._phase is Phase.HISTORICAL_MANAGEMENT:
            return idle and self._supply.history_is_taken
        if self._phase in (Phase.QUEUE_LOADING, Phase.SESSION_ACTIVATION):
            return self._supply.is_ready_for(self._session.index)
        if self._phase is Phase.STREAMING:
            return idle
        return True

    def _enter(self, phase: Phase) -> Iterator[Effect]:
        self._phase = phase
        self._phase_began_ns = self._now_ns
        self._recalled = None
        yield self._phase_event(phase, "started")
        yield phase_line(phase, started=True)
        if phase in self._entering:
            yield from self._entering[phase]()
        yield from self._progress()

    def _complete(self) -> Iterator[Effect]:
        phase = self._phase or Phase.INITIALIZATION
        yield from self._leaving[phase]()
        yield phase_line(phase, started=False)
        yield self._phase_event(phase, "complete")
        self._account.add_phase(phase.name.lower(), self._now_ns - self._phase_began_ns)
        if phase is not Phase.END_OF_SESSION:
            yield from self._enter(PHASE_TRANSITIONS[phase, PhaseEnd.DONE])
        else:
            yield from self._next_session()

    def _next_session(self) -> Iterator[Effect]:
        following = self._session.index + 1
        self._over = following == len(self._plan.sessions)
        if self._over:
            yield flow("3.b.2.CHECK: Termination condition met")
            return
        yield flow("3.b.2.CHECK: Continuing to next session")
        self._session = self._plan.sessions[following]
        yield from self._enter(PHASE_TRANSITIONS[Phase.END_OF_SESSION, PhaseEnd.NEXT_SESSION])

    def _leave_initialization(self) -> Iterator[Effect]:
        yield from self._lines.initialization(self._session)

    def _enter_history(self) -> Iterator[Effect]:
        if self._session.index == 0:
            yield from self._supply.ask_for_history()

    def _leave_history(self) -> Iterator[Effect]:
        elapsed_s = (self._now_ns - self._phase_began_ns) / 1e9
        score = self._account.history_score(self._session.index)
        yield from self._lines.history(self._session, self._supply.delivered, score, elapsed_s)

    def _enter_loading(self) -> Iterator[Effect]:
        yield flow("PHASE_3.2: Loading backtest queues")
        if self._session.index == 0:
            yield from self._supply.ask_ahead(self._supply.queued(0)[-1])

    def _leave_loading(self) -> Iterator[Effect]:
        queued = self._supply.queued(self._session.index)
        yield from self._lines.loading(queued, self._supply.delivered)

    def _leave_activation(self) -> Iterator[Effect]:
        yield flow("PHASE_4.1: Complete - Session active")

    def _enter_streaming(self) -> Iterator[Effect]:
        yield from self._supply.ask_ahead(self._supply.queued(self._session.index)[-1] + 1)
        yield from self._lines.streaming_starts(self._session)
        self._bars_before += self._count.bars
        self._count = SessionCount()
        self._load(self._supply.take(self._session.index))

    def _leave_streaming(self) -> Iterator[Effect]:
        yield from self._lines.streaming_ends(self._session, self._count)

    def _leave_session(self) -> Iterator[Effect]:
        yield self._publish(topics.CONTROL, self._count.report(self._session.index, self._cutter.lag_ns))
        self._supply.forget(self._session.index)

    def _cut(self) -> Iterator[Effect]:
        while self._barrier.has_credit and not self._over:
            if self._cutter.is_empty and not self._take_history():
                return
            window = self._steering.cut(self.windows, self._now_ns)
            if window is None:
                yield from self._steering.wake()
                return
            self._account.add_raw(window)
            self._barrier.launch(window)
            yield Send(topics.RAW, window)

    @property
    def _awaits_session(self) -> bool:
        """Whether the session that an earlier life was streaming has yet to be loaded again."""
        found = self._recalled
        return found is not None and found.phase is Phase.STREAMING and found.session >= found.first_needed

    def _take_up(self) -> None:
        """Go on with the session that an earlier life was streaming, once it is there."""
        if self._awaits_session and self._supply.has(self._session.index):
            self._load(self._supply.take(self._session.index))
            self._recalled = None

    def _take_history(self) -> bool:
        """Load the next history session into the cutter, if this is the time and it is there."""
        tape = self._supply.take_history() if self._phase is Phase.HISTORICAL_MANAGEMENT else None
        if tape is not None:
            self._load(tape)
        return tape is not None

    def _load(self, tape: Tape) -> None:
        """Cut a session next, from behind the last step that an earlier life has sealed."""
        self._step_lines.start_session(tape)
        sealed = self._recalled.steps_sealed(tape.session) if self._recalled else None
        start = 0 if sealed is None else int(np.searchsorted(tape.steps, sealed, side="right"))
        self._cutter.load(tape, self._now_ns, start)

    def _seal(self) -> Iterator[Effect]:
        for flight in self._barrier.take_sealable():
            sealed = seal(flight)
            self._account.add_sealed(sealed)
            yield self._publish(topics.SEALED, sealed)

    def _land(self) -> Iterator[Effect]:
        for flight in self._barrier.take_landed():
            if flight.window.session >= 0:
                self._count.add(flight.window)
                if self._plan.log_steps and not flight.restored:
                    yield self._step_lines.lines(flight.window)

    def _end(self) -> Iterator[Effect]:
        """Once the last window has landed, see everyone out."""
        if not self._over or self._barrier.in_flight:
            return
        while (step := self._ending.advance()) is not None:
            yield from self._ending_steps[step]()

    def _ask_to_leave(self) -> Iterator[Effect]:
        yield flow("3.b: Complete - Coordinator loop exited")
        yield self._publish(topics.CONTROL, self._account.run_end())

    def _close_stream(self) -> Iterator[Effect]:
        yield self._publish(topics.CONTROL, StreamClosed())

    def _conclude(self) -> Iterator[Effect]:
        lag_ns = self._cutter.worst_lag_ns
        finished = self._account.finished(interrupted=self._interrupted, lag_ns=lag_ns)
        yield Send(topics.command(self.name), finished)
        yield Done()

    def _phase_event(self, phase: Phase, state: Literal["started", "complete"]) -> Send:
        elapsed_ns = self._now_ns - self._began_ns
        return self._publish(topics.CONTROL, PhaseEvent(self._session.index, phase.value, state, elapsed_ns))

    def _progress(self) -> Iterator[Effect]:
        self._progress_ns = self._now_ns
        if self._phase is None:
            return
        progress = Progress(
            session=self._session.index,
            phase=self._phase.value,
            sim_ts=self._clock_ts,
            bars=self._bars_before + self._count.bars,
            windows_in_flight=self._barrier.in_flight,
            waiting_for=self._barrier.waiting_for(),
            paused=self._steering.is_paused,
            until_ts=self._steering.until_ts,
            speed=self._steering.speed,
            credit=self._barrier.credit,
            owed=self._barrier.owed(),
        )
        yield Send(topics.command(self.name), progress)
