"""The supervisor of one life of a run: the real decisions, carried out on simulated processes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from actors.domain.exit_codes import ExitCode
from actors.runtime.framing import Framing
from actors.supervisor import decisions, events
from actors.supervisor.events import Dump, Event, Kill, Note, Start, Tell
from actors.supervisor.run_state import COORDINATOR, is_current, without
from actors.supervisor.run_state import Stage as RunStage
from protocol import topics
from protocol.errors import ForeignFrame, MalformedFrame, SequenceGap
from protocol.lifecycle import ActorState
from protocol.messages import Answer, Attached, Failed, Finished, Heartbeat, Hello, Message, Progress, Steer
from tests.simulator.clockwork import MS, Act, Link
from tests.simulator.processes import BOOT_NS, RUN, ActorProcess, CoordinatorProcess, Process, Stage

TICK_NS: Final = 250 * MS
REAP_NS: Final = 20 * MS
"""How long after a death the supervisor learns of it at most."""
KINDS: Final = {name: name for name in (COORDINATOR, "loader", "processor", "quality", "recorder")}


class Overseer:
    """Start, watch and replace the processes of a run."""

    name = "supervisor"

    def __init__(
        self,
        stage: Stage,
        epoch: int,
        lost: Mapping[str, str],
        on_tick: Act,
        on_coordinator_gone: Act,
    ) -> None:
        """Start everyone whom an earlier life has not lost, in an epoch above all that the journal knows."""
        self.stage = stage
        self.clock = stage.clock
        self.processes: dict[str, Process] = {}
        self.progress: Progress | None = None
        self.is_gone = False
        self._kinds = KINDS | dict.fromkeys(stage.market.actors, "analysis")
        self._framing = Framing(RUN)
        self._down: dict[Process, Link] = {}
        self._speaking: dict[str, Link] = {}
        self._on_tick, self._on_coordinator_gone = on_tick, on_coordinator_gone
        flow = stage.plan.flow
        state = decisions.begin(
            self._kinds, self.clock.now_ns, flow.stall_s, flow.restarts, epoch=epoch, paused=flow.paused
        )
        self.state = without(state, lost)
        self._hands: dict[type[Any], Callable[[Any], None]] = {
            Tell: self._tell,
            Kill: lambda action: self.processes[action.actor].kill(),
            Start: self._start_again,
            Dump: lambda _: None,
            Note: lambda note: self.clock.say(self.name, note.level, note.text),
        }
        for name in self._kinds:
            if name not in lost:
                stage.checks.on_started(name, epoch)
                self._start(Start(name, epoch, frozenset(lost)))
        stage.checks.on_epoch(epoch)
        self.clock.at(self.clock.now_ns, self._tick, idle=True)

    @property
    def is_over(self) -> bool:
        return self.state.stage is RunStage.OVER

    @property
    def is_running(self) -> bool:
        """Whether everyone has joined and the run goes on."""
        return self.state.stage is RunStage.RUNNING

    @property
    def is_paused(self) -> bool:
        """Whether the clock waits to be told to go."""
        return self.state.wanted.paused or (self.progress is not None and self.progress.paused)

    @property
    def is_replacing(self) -> bool:
        """Whether somebody is about to be started again."""
        return any(actor.state is ActorState.RESTARTING for actor in self.state.actors.values())

    def arrive(self, link: Link, frame: bytes) -> None:
        """Take a frame of an actor, as the supervisor's socket does."""
        if self.is_gone:
            return
        sender = link.sender
        try:
            envelope = self._framing.decode(frame, sender.name)
        except (ForeignFrame, MalformedFrame) as error:
            self.stage.rejected += 1
            self.clock.say(self.name, "drops:", error)
            return
        except SequenceGap as gap:
            self.apply(events.Complained(sender.name, ExitCode.ACTOR_FAILED, str(gap)))
            return
        self._speaking[sender.name] = self._down[sender]  # type: ignore[index]
        if is_current(self.state, sender.name, envelope.stamp.epoch):
            self._take(envelope.message)

    def apply(self, event: Event) -> None:
        """Decide what follows from an event, and do it."""
        if self.is_gone or self.is_over:
            return
        if not isinstance(event, events.Ticked | events.Seen):
            self.clock.say(self.name, event)
        self.state, actions = decisions.decide(self.state, event)
        self.stage.checks.excluded |= set(self.state.lost)
        for action in actions:
            self._hands[type(action)](action)

    def tell_coordinator(self, message: Message) -> None:
        """Pass on what the supervisor knows of somebody attached."""
        self._tell(Tell(COORDINATOR, message))

    def on_exit(self, process: Process, code: int) -> None:
        """Learn, a little later, that a process has ended; who is attached notices the coordinator's.

        What one that was not killed has sent before it ended is read first.
        """
        if process.name == COORDINATOR:
            self._on_coordinator_gone()
        words = process.out["command"]
        read_ns = self.clock.now_ns if words.is_cut else words.idle_at_ns
        exited = partial(self.apply, events.Exited(process.name, code))
        self.clock.at(read_ns, partial(self.clock.within, REAP_NS, exited))

    def vanish(self) -> None:
        """Die with all processes."""
        self.is_gone = True
        for process in self.processes.values():
            process.is_alive = False

    def _take(self, message: Message) -> None:
        match message:
            case Hello():
                self.apply(events.Greeted(message.actor, message.pid))
            case Attached():
                self.apply(events.Joined(message.actor))
            case Heartbeat():
                self.apply(events.Seen(message.actor))
            case Progress():
                self.progress = message
            case Finished():
                self.apply(events.Concluded(message))
            case Steer():
                self.apply(events.Steered(message))
            case Answer():
                self.apply(events.Answered(message))
            case Failed():
                self.apply(events.Complained(message.actor, message.exit_code, message.reason))

    def _tell(self, action: Tell) -> None:
        link = self._speaking.get(action.actor)
        if link is not None:
            link.send(self._framing.encode(topics.command(action.actor), action.message))

    def _start_again(self, action: Start) -> None:
        self.stage.checks.on_started(action.actor, action.epoch)
        self.stage.checks.on_epoch(action.epoch)
        self._start(action)

    def _start(self, action: Start) -> None:
        name, kind = action.actor, self._kinds[action.actor]
        common = (name, action.epoch, self.stage, self.on_exit)
        process: CoordinatorProcess | ActorProcess
        if kind == COORDINATOR:
            self.progress = None
            process = CoordinatorProcess(*common, without=action.without, waits=action.paused)
        else:
            process = ActorProcess(*common, kind=kind, member=kind == "analysis")
        process.out["command"] = Link(self.clock, "command", process, self)
        self._down[process] = Link(self.clock, "command", self, process)
        self.processes[name] = process
        self.clock.within(BOOT_NS, lambda: process.do(process.boot))

    def _tick(self) -> None:
        if self.is_gone or self.is_over:
            return
        self.clock.at(self.clock.now_ns + TICK_NS, self._tick, idle=True)
        self._on_tick()
        self.apply(events.Ticked(self.clock.now_ns, {}))
