"""The coordinator: owns the clock and the six phases, merges, cuts windows, keeps the barrier.

1. Time comes in by `on_time`, called before every message and at every wake-up; there is no other clock.
2. Windows are numbered from 0 over the whole run, history first. How they are cut changes no result.
3. After every input it advances as far as it can: seals, lands, completes phases, cuts, ends. What strategies
   wait for comes first; what may be sealed only later is joined while they are busy.
4. A stop is obeyed between windows: nothing new is cut, what is in flight lands, then the run ends. Where
   some of that is of the next session already, this session ends and that one begins.
5. A member that the supervisor has given up is dropped: it is neither waited for nor heard any more.
6. How it is steered is said at once; what may be cut while it is paused or steps, `Steering` decides.
7. The loader is at most `prefetch_sessions` sessions ahead of the one that is streaming.
8. It may take over a run from its journal; and at any time an actor may be let in, for the first time or in a
   new process. Both change nothing that is published but when.
9. An actor that the plan does not know is attached: it may be waited for, but its signals are its own affair.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from actors.domain.account import Account
from actors.domain.barrier import Barrier
from actors.domain.ending import Step
from actors.domain.feed import Feed
from actors.domain.lobby import Guest
from actors.domain.membership import LOADER, Membership
from actors.domain.phase_machine import PhaseMachine
from actors.domain.publication import Publication
from actors.domain.recollection import Recollection
from actors.domain.roles import Done, Effect, Log, RoleError, Send
from actors.domain.sealing import seal
from actors.domain.session_flow import TAG, StepLines, flow
from actors.domain.session_plan import SessionPlan
from actors.domain.steering import Steering
from actors.domain.supply import Supply
from actors.domain.window_cutter import WindowCutter
from protocol import topics
from protocol.lifecycle import Phase
from protocol.messages import (
    Ack,
    Derived,
    Drop,
    Leave,
    LoadFailed,
    LoadReport,
    Message,
    Progress,
    Quality,
    SessionBars,
    Signal,
    Signals,
    Steer,
    Stop,
    StreamClosed,
)

PROGRESS_NS: Final = 200_000_000
"""How often progress is told while no phase ends."""
NEWS_NS: Final = 50_000_000
"""How often it is told at most: short sessions are over a hundred times a second."""
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
        self._step_lines = StepLines(plan)
        self._publication = Publication()
        self._feed = Feed(self._supply, self._cutter, self._step_lines)
        self._phases = PhaseMachine(plan, self._account, self._supply, self._feed, self._publication)
        self._membership = Membership(plan, self._account, self._barrier)
        self._now_ns, self._progress_ns = 0, -PROGRESS_NS
        self._signalled: dict[str, int] = {}
        """The last window for which an actor's signals were taken."""
        self._begun = self._has_news = False
        self._stopped = self._interrupted = False
        self._is_half = False
        """Whether a window's other part must come before anything can go on."""
        self._handlers: dict[type[Message], Callable[[Any], Iterable[Effect]]] = {
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

    def recall(self, messages: Iterable[Message]) -> None:
        """Take over from an earlier life that left these messages in the journal, before `begin`."""
        found = Recollection(self._plan, self._account, messages)
        if found.phase is None:
            return
        self._publication.records, self._signalled = found.records, found.signalled
        self._phases.restore(found)
        self._barrier.restore(found.unhandled, self.windows)
        self._feed.restore(found)

    def begin(self) -> Iterator[Effect]:
        """Start the first session, or go on where the journal ends. Everyone has joined."""
        self._begun = self._has_news = True
        yield flow("3: SessionCoordinator.run() - Started")
        if self._phases.phase is None:
            yield from self._phases.begin(self._now_ns)
        else:
            yield from self._take_over()
        yield from self._advance()

    def admit(self, guest: Guest) -> Iterator[Effect]:
        """Welcome an actor whose paths are open, and send it what it has to do before anything new."""
        yield from self._membership.admit(guest, self._publication.records)
        if guest.actor == LOADER and self._begun:
            yield from self._supply.ask_again()

    def on_time(self, now_ns: int) -> Iterable[Effect]:
        """Learn what time it is on the monotonic clock, ns."""
        self._now_ns = now_ns
        return self._progress() if now_ns - self._progress_ns >= PROGRESS_NS else ()

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
        if not self._membership.is_heard(message):
            return
        self._is_half = False
        try:
            yield from handler(message)
        except RoleError as error:
            yield from self._membership.expel(message, error)
        if self._begun and not self._is_half:
            yield from self._advance()

    def _take_over(self) -> Iterator[Effect]:
        """Go on in the phase that an earlier life had entered last."""
        self._phases.go_on(self._now_ns)
        phase, date = self._phases.phase, self._phases.session.date
        words = f"{self.windows} windows from the journal, phase {phase} of {date}"
        yield Log("WARNING", f"Taking over a run: {words}")
        yield from self._supply.ask_again()

    @property
    def _is_at_its_end(self) -> bool:
        """Whether nothing is cut any more."""
        return self._stopped or self._phases.is_over

    @property
    def _is_over(self) -> bool:
        """Whether the run ends once the last window has landed."""
        is_stopped = self._stopped and not self._barrier.is_ahead(self._phases.published)
        return is_stopped or self._phases.is_over

    def _on_bars(self, message: SessionBars) -> Iterator[Effect]:
        self._supply.on_bars(message)
        yield from ()

    def _on_report(self, message: LoadReport) -> Iterator[Effect]:
        self._supply.on_report(message)
        yield from ()

    def _on_load_failed(self, message: LoadFailed) -> Iterator[Effect]:
        """Say it here too; the loader itself reports to the supervisor and ends the run."""
        yield Log("ERROR", f"{TAG}PHASE_3.2.ERROR: {message.reason}")

    def _on_derived(self, message: Derived) -> Iterable[Effect]:
        self._is_half = not self._barrier.on_derived(message)
        return ()

    def _on_quality(self, message: Quality) -> Iterable[Effect]:
        self._is_half = not self._barrier.on_quality(message)
        return ()

    def _on_ack(self, message: Ack) -> Iterable[Effect]:
        self._barrier.on_ack(message.actor, message.seq)
        return self._take_signals(message.actor, message.seq, message.signals) if message.signals else ()

    def _on_leave(self, message: Leave) -> Iterator[Effect]:
        actor = message.actor
        if self._membership.is_attached(actor):
            yield from self._membership.let_go(actor, "it has left")
            return
        self._membership.ending.on_leave(actor)
        yield from self._take_signals(actor, self.windows, message.signals)
        self._account.add_verdict(message)
        self._account.check(message, raw=self._membership.handles_raw(actor))

    def _on_stop(self, message: Stop) -> Iterator[Effect]:
        self._interrupted = self._interrupted or not self._is_over
        self._stopped = True
        yield Log("WARNING", f"Stopping after the windows in flight: {message.reason}")

    def _on_drop(self, message: Drop) -> Iterator[Effect]:
        yield from self._membership.drop(message, self._phases.clock_ts)

    def _on_steer(self, message: Steer) -> Iterator[Effect]:
        answer = self._steering.on_steer(message, self._now_ns, over=self._is_at_its_end)
        what = "Steered" if answer.accepted else "Not steered"
        yield Log("INFO", f"{what}: {answer.text}", self._phases.clock_ts)
        yield Send(topics.command(self.name), answer)

    def _take_signals(self, actor: str, seq: int, signals: tuple[Signal, ...]) -> Iterator[Effect]:
        """Publish signals, unless they were published before their actor's process was replaced."""
        if signals and self._membership.is_planned(actor) and seq > self._signalled.get(actor, -1):
            self._signalled[actor] = seq
            message = Signals(actor, seq, signals)
            self._account.add_signals(message)
            yield self._publication.publish(topics.SIGNAL, message)

    def _advance(self) -> Iterator[Effect]:
        self._feed.take_up(self._now_ns)
        yield from self._move()
        while not self._is_over and self._phases.is_complete(self._barrier):
            yield from self._phases.complete(self._now_ns, self._cutter.lag_ns)
            yield from self._move()
            self._has_news = True
        yield from self._supply.ask()  # after what strategies wait for
        is_due = self._has_news and self._now_ns - self._progress_ns >= NEWS_NS
        if self._steering.has_news(self._barrier.in_flight) or is_due:
            yield from self._progress()
        if self._is_over and not self._barrier.in_flight:
            yield from self._end()

    def _move(self) -> Iterator[Effect]:
        yield from self._seal()
        yield from self._land()
        yield from self._cut()

    def _cut(self) -> Iterator[Effect]:
        while self._barrier.has_credit and not self._is_at_its_end:
            if self._cutter.is_empty and not self._take_next():
                return
            window = self._steering.cut(self.windows, self._now_ns)
            if window is None:
                yield from self._steering.wake()
                return
            self._barrier.launch(window)
            yield Send(topics.RAW, window)
            self._account.add_raw(window)  # after it is out: others work on it meanwhile

    def _take_next(self) -> bool:
        """Cut the next session of history, or the one after that which streams, if it is there."""
        phases = self._phases
        if phases.phase is Phase.HISTORICAL_MANAGEMENT:
            return self._feed.take_history(self._now_ns)
        may_go_ahead = phases.phase is Phase.STREAMING and not self._steering.is_paused
        return may_go_ahead and self._feed.take_ahead(phases.session.index + 1, self._now_ns)

    def _seal(self) -> Iterator[Effect]:
        for flight in self._barrier.take_sealable(self._phases.published):
            sealed, flight.joined = flight.joined or seal(flight), None
            yield self._publication.publish(topics.SEALED, sealed)
            self._account.add_sealed(sealed)  # after it is out: the engines work on it meanwhile
            if self._plan.log_steps and sealed.session >= 0:
                flight.lines = self._step_lines.lines(flight.window)
        for flight in self._barrier.ready_ahead():  # while the engines are busy
            flight.joined = flight.joined or seal(flight)

    def _land(self) -> Iterator[Effect]:
        for flight in self._barrier.take_landed():
            if flight.window.session >= 0:
                self._phases.count.add(flight.window)
                if flight.lines is not None:
                    yield flight.lines

    def _end(self) -> Iterator[Effect]:
        """See everyone out: the last window has landed."""
        while (step := self._membership.ending.advance()) is not None:
            yield from self._ending_steps[step]()

    def _ask_to_leave(self) -> Iterator[Effect]:
        yield from self._progress()
        yield flow("3.b: Complete - Coordinator loop exited")
        yield self._publication.publish(topics.CONTROL, self._account.run_end())

    def _close_stream(self) -> Iterator[Effect]:
        yield self._publication.publish(topics.CONTROL, StreamClosed())

    def _conclude(self) -> Iterator[Effect]:
        lag_ns = self._cutter.worst_lag_ns
        finished = self._account.finished(interrupted=self._interrupted, lag_ns=lag_ns)
        yield Send(topics.command(self.name), finished)
        yield Done()

    def _progress(self) -> Iterator[Effect]:
        phases = self._phases
        if phases.phase is None:
            return
        self._progress_ns, self._has_news = self._now_ns, False
        progress = Progress(
            session=phases.session.index,
            phase=phases.phase.value,
            sim_ts=phases.clock_ts,
            bars=phases.bars,
            windows_in_flight=self._barrier.in_flight,
            waiting_for=self._barrier.waiting_for(),
            paused=self._steering.is_paused,
            until_ts=self._steering.until_ts,
            speed=self._steering.speed,
            credit=self._barrier.credit,
            owed=self._barrier.owed(),
        )
        yield Send(topics.command(self.name), progress)
