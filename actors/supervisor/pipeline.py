"""The supervisor's hand: runs the actors as processes and carries out what `decide` says.

One thread, one poller: commands from actors, ends of processes, signals, time. It has no ifs about policy.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from actors.assembly.places import ActorSpec, RunPlaces, actor_roles
from actors.domain.exit_codes import ExitCode
from actors.domain.refusals import Refusals
from actors.domain.session_plan import SessionPlan
from actors.runtime import clock
from actors.runtime.command_links import CLIENT_PREFIX, SupervisorLink
from actors.runtime.framing import Framing
from actors.runtime.logs import ActorLog
from actors.runtime.transport import Endpoints, Rejected
from actors.supervisor import decisions, events, guests
from actors.supervisor.events import Dump, Event, Follow, Kill, Note, Start, Tell
from actors.supervisor.guest_watch import GuestWatch
from actors.supervisor.interrupts import Interrupts
from actors.supervisor.life import FIRST_LIFE, Life
from actors.supervisor.post_mortem import stack_of
from actors.supervisor.processes import Processes
from actors.supervisor.run_state import COORDINATOR, Stage, alive, is_current, without
from actors.supervisor.status import RunState, RunStatus
from actors.supervisor.verdict import Verdict
from actors.supervisor.watch import ActorLine, Show, Watch
from protocol import topics
from protocol.codec import Envelope
from protocol.errors import SequenceGap
from protocol.messages import (
    Answer,
    Attach,
    Attached,
    Failed,
    Finished,
    Heartbeat,
    Hello,
    Leave,
    Message,
    Progress,
    Steer,
)

TICK_S: Final = 0.25
GUESTS_SAY: Final = (Attached, Heartbeat, Failed, Leave)
"""What is heard of somebody attached."""
_STATES: Final[Mapping[Stage, RunState]] = {
    Stage.STARTING: "starting",
    Stage.RUNNING: "running",
    Stage.DRAINING: "stopping",
    Stage.STOPPING: "stopping",
    Stage.KILLING: "stopping",
    Stage.OVER: "stopping",
}


class Pipeline:
    """One run by processes, from spawning to the last exit."""

    def __init__(
        self,
        plan: SessionPlan,
        places: RunPlaces,
        interrupts: Interrupts,
        log: ActorLog,
        watch: Watch,
        life: Life = FIRST_LIFE,
    ) -> None:
        """Bind the supervisor's socket; nothing is started yet."""
        self._places = places
        self._roles = actor_roles(plan)
        self._processes = Processes()
        self._interrupts = interrupts
        self._log = log
        self._watch = watch
        self._link = SupervisorLink(Endpoints(places.sockets), Framing(places.run), self._refusal)
        self._refusals = Refusals()
        now_ns = clock.monotonic_ns()
        flow = plan.flow
        state = decisions.begin(
            self._roles, now_ns, flow.stall_s, flow.restarts, epoch=life.epoch, paused=flow.paused
        )
        self._state = without(state, life.lost)
        self._next_tick_ns = now_ns
        self._asked: set[str] = set()
        self._guests = GuestWatch()
        self._hands: dict[type[Any], Callable[[Any], None]] = {
            Tell: self._tell,
            Kill: self._kill,
            Start: self._start,
            Dump: self._dump,
            Follow: self._follow,
            Note: self._note,
        }

    @property
    def coordinator_epoch(self) -> int:
        """That of the newest coordinator's process."""
        return self._state.actors[COORDINATOR].epoch

    def start(self) -> None:
        """Start every actor that is not lost."""
        self._link.watch(self._interrupts.descriptor)
        lost = frozenset(self._state.lost)
        engines_first = sorted(self._roles, key=lambda name: self._roles[name] != "analysis")
        for name in engines_first:  # they have strategies to import
            if name not in lost:
                self._start(Start(name, self._state.epoch, lost))

    def run(self, show: Show) -> Verdict:
        """Run until every process has ended; `show` gets snapshots, a few a second."""
        while self._state.stage is not Stage.OVER:
            self._turn()
            show(self._snapshot())
        self._receive(wait_s=0)
        self._warn(self._refusals.on_end())
        return self._verdict()

    def close(self) -> None:
        """Close the socket; an actor that is left, because `run` never came to its end, is killed."""
        for name in alive(self._state):
            self._processes.kill(name)
        if self._state.stage is Stage.OVER:
            self._processes.abandon()
        self._link.close()
        self._guests.close()

    def _turn(self) -> None:
        self._receive((self._next_tick_ns - clock.monotonic_ns()) / 1e9)
        for _ in range(self._interrupts.take()):
            self._apply(events.Interrupted())
        for name, code, descriptor in self._processes.reap():
            self._link.unwatch(descriptor)
            self._receive(wait_s=0)  # its last words, which may change what its end means
            self._log_stack(name)
            self._apply(events.Exited(name, code))
        for name, descriptor in self._guests.ended():
            self._link.unwatch(descriptor)
            self._apply(events.Vanished(name))
        self._tick()

    def _receive(self, wait_s: float) -> None:
        try:
            for arrival in self._link.poll(wait_s):
                if isinstance(arrival, Rejected):
                    self._refuse(arrival.reason, arrival.sender)
                elif isinstance(arrival.message, Attach):
                    self._on_attach(arrival.sender, arrival.message)
                else:
                    self._take(arrival.message)
        except SequenceGap as gap:
            self._on_gap(gap)

    def _on_attach(self, process: str, attach: Attach) -> None:
        if process.partition("#")[0] == attach.actor:
            self._apply(events.Asked(attach.actor, process, attach.pid, attach.member))
        else:
            self._log.write("WARNING", f"Dropped: {process} asks for the name {attach.actor}")

    def _on_gap(self, gap: SequenceGap) -> None:
        """Blame one of our actors for what it lost; a stranger's numbers are nobody's trouble."""
        actor = topics.sender_of(gap.channel)
        if actor in self._roles:
            self._apply(events.Complained(actor, ExitCode.ACTOR_FAILED, str(gap)))
        else:
            self._refuse(str(gap), actor)

    def _refuse(self, reason: str, sender: str) -> None:
        """Say that a frame was dropped; a flood of them is summed up."""
        self._warn(self._refusals.on_refused(clock.monotonic_ns(), reason, sender))

    def _warn(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._log.write("WARNING", line)

    def _refusal(self, envelope: Envelope) -> str | None:
        """Say why a message is not heard: it must be from one of our actors or from who may steer."""
        sender = envelope.sender
        if isinstance(envelope.message, Steer):
            known = sender.startswith(CLIENT_PREFIX) and envelope.message.client == sender
        elif sender in self._state.guests:
            known = isinstance(envelope.message, GUESTS_SAY) and envelope.message.actor == sender
        else:
            known = getattr(envelope.message, "actor", sender) == sender
            known = known and is_current(self._state, sender, envelope.stamp.epoch)
        return None if known else f"{type(envelope.message).__name__} from {sender}"

    def _take(self, message: Message) -> None:
        """Translate an actor's message into an event."""
        match message:
            case Hello():
                self._apply(events.Greeted(message.actor, message.pid))
            case Attached():
                self._apply(events.Joined(message.actor))
            case Heartbeat():
                self._watch.on_heartbeat(message, clock.monotonic_ns())
                self._apply(events.Seen(message.actor))
            case Progress():
                self._watch.on_progress(message)
            case Finished():
                self._apply(events.Concluded(message))
            case Steer():
                self._apply(events.Steered(message))
            case Answer():
                self._apply(events.Answered(message))
            case Leave():
                self._apply(events.Departed(message.actor))
            case Failed():
                known = message.exit_code in tuple(ExitCode)
                code = message.exit_code if known else ExitCode.ACTOR_FAILED
                self._apply(events.Complained(message.actor, code, message.reason))
            case _:
                self._log.write("WARNING", f"Unexpected {type(message).__name__}")

    def _tick(self) -> None:
        now_ns = clock.monotonic_ns()
        if now_ns >= self._next_tick_ns:
            self._next_tick_ns = now_ns + round(TICK_S * 1e9)
            self._warn(self._refusals.on_time(now_ns))
            self._apply(events.Ticked(now_ns, self._processes.cpu_ns()))

    def _apply(self, event: Event) -> None:
        self._state, actions = decisions.decide(self._state, event)
        for action in actions:
            self._hands[type(action)](action)

    def _tell(self, action: Tell) -> None:
        if not self._link.send(action.actor, action.message):
            self._log.write("WARNING", f"{action.actor} is not connected")

    def _start(self, action: Start) -> None:
        spec = ActorSpec(
            name=action.actor,
            role=self._roles[action.actor],
            places=self._places,
            epoch=action.epoch,
            without=action.without,
            paused=action.paused,
        )
        self._link.watch(self._processes.start(spec))

    def _kill(self, action: Kill) -> None:
        self._processes.kill(action.actor)

    def _dump(self, action: Dump) -> None:
        self._asked.add(action.actor)
        self._apply(events.Examined(action.actor, self._processes.dump(action.actor)))

    def _follow(self, action: Follow) -> None:
        descriptor = self._guests.follow(action.actor, action.pid)
        if descriptor is not None:
            self._link.watch(descriptor)

    def _log_stack(self, actor: str) -> None:
        """Write down where an actor was that has ended after it was asked."""
        if actor in self._asked and (stack := stack_of(self._places, actor)):
            self._log.write("WARNING", "\n".join((f"Where {actor} was:", *stack)))

    def _note(self, action: Note) -> None:
        self._log.write(action.level, action.text)

    def _snapshot(self) -> RunStatus:
        lines = {
            name: ActorLine(actor.role, actor.pid, actor.state, len(actor.ends_ns))
            for name, actor in self._state.actors.items()
        }
        lines |= {
            name: ActorLine(guest.role, guest.pid, guest.state) for name, guest in self._state.guests.items()
        }
        trouble, lost = self._state.trouble, self._state.lost
        told = (*lost.values(), *guests.describe(self._state))
        message = trouble.reason if trouble else "; ".join(told) or None
        return self._watch.snapshot(lines, _STATES[self._state.stage], clock.monotonic_ns(), message, lost)

    def _verdict(self) -> Verdict:
        state = self._state
        return Verdict(
            ExitCode(state.exit_code),
            state.finished,
            state.trouble,
            self._snapshot(),
            state.lost,
            state.restarted,
        )
