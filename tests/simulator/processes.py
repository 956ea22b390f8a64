"""The processes of a run: the real roles, with a shell that the scheduler drives.

A process may be killed between any two of its effects, and between the append to the journal and the
publishing. What it had sent is then partly lost, partly late. One that is frozen takes nothing and says
nothing.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final

from msgspec.structs import replace

from actors.analysis import Analysis
from actors.coordinator import Coordinator
from actors.domain.errors import DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.lobby import Guest, Lobby
from actors.domain.replay import Replay
from actors.domain.roles import Done, Effect, Log, LogLines, Role, Send, Wake
from actors.domain.sealing import base_ids
from actors.domain.session_plan import SessionPlan
from actors.loader import Loader
from actors.processor import Processor
from actors.quality import QualityManager
from actors.recorder import Recorder
from actors.runtime.framing import Framing, publish
from protocol import topics
from protocol.codec import Envelope
from protocol.errors import ForeignFrame, MalformedFrame
from protocol.messages import (
    Ack,
    Attached,
    Connect,
    Drop,
    Failed,
    Heartbeat,
    Hello,
    Invite,
    Join,
    Leave,
    Message,
    Ready,
    Stop,
    Welcome,
)
from tests.simulator.checks import Checks, Witness
from tests.simulator.clockwork import MS, SECOND, Act, Clockwork, End, Link
from tests.simulator.market import Market, make_strategy
from tests.simulator.memory import Disk, Shelf, Sink
from tests.test_whole_pipeline import Storage

RUN: Final = 7
HEARTBEAT_NS: Final = SECOND // 2
LATE_NS: Final = SECOND // 2
"""How late what a dead process had sent may arrive."""
KILLED: Final = -9


class Killed(BaseException):
    """The process ends here, in the middle of whatever it does."""


@dataclass
class Stage:
    """What the processes of a run share."""

    clock: Clockwork
    market: Market
    plan: SessionPlan
    disk: Disk
    shelf: Shelf
    checks: Checks
    storage: Storage
    rejected: int = 0
    """Frames of dead processes that were not heard."""
    coordinator: "CoordinatorProcess | None" = None


@dataclass(eq=False)
class Process:
    """A process that may die at any step."""

    name: str
    epoch: int
    stage: Stage
    on_exit: Callable[["Process", int], None]
    is_alive: bool = True
    is_frozen: bool = False
    out: dict[str, Link] = field(default_factory=dict)
    """By what comes first in a topic."""

    def __post_init__(self) -> None:
        self.clock = self.stage.clock
        self.framing = Framing(RUN, self.epoch)
        self._backlog: deque[Act] = deque()
        self._doom: tuple[int, Act] | None = None
        self._hands: dict[type[Any], Callable[[Any], None]] = {
            Send: self.send,
            Log: lambda log: self.clock.say(self.title, "logs", log.level, log.text),
            LogLines: lambda _: None,
            Wake: self.on_wake_asked,
            Done: lambda _: None,
        }

    @property
    def title(self) -> str:
        return f"{self.name}@{self.epoch}"

    def arrive(self, link: Link, frame: bytes) -> None:
        """Take a frame off a link, or leave it there while frozen."""
        self.do(partial(self.take, link, frame))

    def do(self, act: Act) -> None:
        """Do something as this process, unless it is dead; what goes wrong ends it."""
        if self.is_frozen and self.is_alive:
            self._backlog.append(act)
        elif self.is_alive:
            self._live(act)

    def _live(self, act: Act) -> None:
        try:
            act()
        except Killed:
            _, consequence = self._doom or (0, self.kill)
            consequence()
        except Exception as error:  # noqa: BLE001  (the one broad net of a process)
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self.clock.say(self.title, f"fails: {reason}")
        code = ExitCode.DATA_MISSING if isinstance(error, DataError) else ExitCode.ACTOR_FAILED
        self.tell(Failed(self.name, code, reason))
        self.exit(code)

    def doom(self, steps: int, consequence: Act) -> None:
        """Let something end this process so many steps from now."""
        self._doom = steps, consequence

    def checkpoint(self) -> None:
        """Be here, between two steps.

        Raises Killed where this is the last thing it does.
        """
        if self._doom is None:
            return
        steps, consequence = self._doom
        self._doom = steps - 1, consequence
        if steps <= 0:
            raise Killed

    def freeze(self) -> None:
        self.is_frozen = True

    def thaw(self) -> None:
        """Take up what has come meanwhile, in order."""
        self.is_frozen = False
        while self._backlog and self.is_alive:
            self._live(self._backlog.popleft())

    def kill(self) -> None:
        """Die at once: of what is on its way, the last part is lost and the rest may be late."""
        if not self.is_alive:
            return
        chance = self.clock.chance
        late_ns = self.clock.now_ns + (chance.randrange(LATE_NS) if chance.random() < 0.5 else 0)
        for link in self._links():
            link.cut(chance.randint(0, len(link.frames)), late_ns)
        self._end(KILLED)

    def exit(self, code: int) -> None:
        """End in order: what was sent arrives."""
        self._end(code)

    def _end(self, code: int) -> None:
        self.is_alive = False
        self._backlog.clear()
        self.clock.say(self.title, f"ends with code {code}")
        self.on_exit(self, code)

    def _links(self) -> Iterable[Link]:
        return self.out.values()

    def perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self.checkpoint()
            self._hands[type(effect)](effect)

    def send(self, effect: Send) -> None:
        """Send a frame where its topic leads; without a way there it is lost."""
        frame = self.framing.encode(effect.topic, effect.message)
        self.clock.say(self.title, ">", effect.topic, effect.message)
        link = self.out.get(effect.topic.partition("/")[0])
        if link is not None:
            link.send(frame, idle=isinstance(effect.message, Heartbeat))

    def tell(self, message: Message) -> None:
        """Speak to the supervisor."""
        self.send(Send(topics.command(self.name), message))

    def beat(self) -> None:
        """Give a sign of life, now and every half second."""
        if not self.is_alive:
            return
        self.clock.at(self.clock.now_ns + HEARTBEAT_NS, self.beat, idle=True)
        if not self.is_frozen:
            self._live(self.on_beat)

    def on_beat(self) -> None:
        self.tell(Heartbeat(self.name, 0, 0, 0, 0, 0, 0, 0, 0))

    def on_wake_asked(self, _: Wake) -> None:
        """Only the coordinator is woken."""

    def decode(self, frame: bytes) -> Envelope | None:
        """Read a frame; None where it is of a process that is dead."""
        try:
            envelope = self.framing.decode(frame)
        except (ForeignFrame, MalformedFrame) as error:
            self.stage.rejected += 1
            self.clock.say(self.title, "drops:", error)
            return None
        self.stage.checks.on_accepted(id(self), envelope)
        self.clock.say(self.title, "<", envelope.topic, envelope.message)
        return envelope

    def take(self, link: Link, frame: bytes) -> None:
        raise NotImplementedError


@dataclass(eq=False)
class ActorProcess(Process):
    """Everyone but the coordinator: greets, reads up, then serves."""

    kind: str = ""
    member: bool = False
    attached: bool = False

    def boot(self) -> None:
        """Begin to live."""
        speaks_as = self.name if not self.attached else self.stage.market.actors[0]
        self.role: Role = Witness(build_role(self.name, self.kind, self.stage), self.stage.checks, speaks_as)
        self._base = base_ids(self.stage.plan)
        self._waits_for: type[Message] | None = Connect
        if not self.attached:
            self.tell(Hello(self.name, 1))
        self.beat()

    def take(self, _link: Link, frame: bytes) -> None:
        envelope = self.decode(frame)
        if envelope is None:
            return
        message = envelope.message
        if isinstance(message, Stop):
            self.exit(ExitCode.DONE)
        elif self._waits_for is None:
            self.perform(self.role.on_message(message))
        elif isinstance(message, self._waits_for):
            self.greet(message)

    def greet(self, message: Message) -> None:
        if isinstance(message, Connect):
            self._waits_for = Welcome
            self._connect(message.epoch)
        elif isinstance(message, Welcome):
            self._waits_for = None
            self._on_welcome(message)

    def _connect(self, epoch: int) -> None:
        """Open the ways to the coordinator of an epoch; where it is not there, they lead nowhere."""
        coordinator = self.stage.coordinator
        if coordinator is not None and coordinator.is_alive and coordinator.epoch == epoch:
            for kind in ("report", "ingest", "stream"):
                self.out[kind] = Link(self.clock, kind, self, coordinator)
            for topic in (*self.role.subscriptions, topics.to(self.name), topics.mark(self.name, self.epoch)):
                self.checkpoint()
                self.out["stream"].send(b"\1" + topics.prefix(topic))
        self.checkpoint()
        self.send(Send(topics.report(self.name), Join(self.name, self.kind, self.member, self.epoch)))

    def _on_welcome(self, welcome: Welcome) -> None:
        self.checkpoint()
        self.send(Send(topics.report(self.name), Ready(self.name, welcome.nonce)))
        self.checkpoint()
        self.tell(Attached(self.name))
        if self.attached and self.member:
            self.stage.checks.on_attached(self.name, welcome.next_seq)
        if welcome.records:
            self._catch_up(welcome)

    def _catch_up(self, welcome: Welcome) -> None:
        replay = Replay(self.role, welcome, self._base, attached=self.attached)
        records = islice(self.stage.disk.envelopes(), welcome.records)
        for effects in replay.effects((envelope.topic, envelope.message) for envelope in records):
            self.checkpoint()
            self.perform(effects)

    def send(self, effect: Send) -> None:
        super().send(effect)
        if isinstance(effect.message, Ack) and "report" in self.out:
            self.stage.checks.on_acknowledged(effect.message.actor, effect.message.seq)

    def leave(self) -> None:
        """Go before the run's end, as only who is attached may."""
        if self._waits_for is None:
            windows, bars = self.role.windows, self.role.bars
            self.send(Send(topics.report(self.name), Leave(self.name, windows, bars, ())))
            self.exit(ExitCode.DONE)


@dataclass(eq=False)
class CoordinatorProcess(Process):
    """The coordinator: lets everyone in, keeps the journal, publishes."""

    without: frozenset[str] = frozenset()
    waits: bool = False
    """Whether the clock stands still until it is told to go."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._audience: dict[End, tuple[Link, set[str]]] = {}
        plan = self.stage.plan
        self._role = Coordinator(self.name, replace(plan, flow=replace(plan.flow, paused=self.waits)))
        self._begun = False
        self._done = False
        self._wake_ns: int | None = None

    def boot(self) -> None:
        """Take over what is in the journal, and open the door."""
        actors = ("loader", "processor", "quality", "recorder", *self.stage.market.actors)
        self._lobby = Lobby([name for name in actors if name not in self.without], nonce=self.epoch)
        found = self.stage.disk.repair()
        if found.segment is not None:
            self._role.recall(envelope.message for envelope in self.stage.disk.envelopes())
        self.stage.coordinator = self
        self.tell(Hello(self.name, 1))
        self.beat()

    def arrive(self, link: Link, frame: bytes) -> None:
        """A subscription takes effect before it is looked at."""
        if link.kind == "stream" and self.is_alive:
            down = self._audience.get(link.sender)
            if down is None:
                down = Link(self.clock, "stream", self, link.sender), set()
                self._audience[link.sender] = down
            down[1].add(frame[1:-1].decode())
        super().arrive(link, frame)

    def take(self, link: Link, frame: bytes) -> None:
        if link.kind == "stream":
            self._let_in(self._lobby.on_subscription(frame[1:-1].decode()))
            return
        envelope = self.decode(frame)
        if envelope is not None:
            self._on_message(envelope.message)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Stop) and (self._done or not self._begun):
            self.exit(ExitCode.DONE)
        elif isinstance(message, Invite):
            self._let_in(self._lobby.on_invite(message))
        elif isinstance(message, Join):
            self._let_in(self._lobby.on_join(message))
        elif isinstance(message, Ready):
            self._let_in(self._lobby.on_ready(message))
            self._begin_if_complete()
        else:
            self._handle(message)

    def _handle(self, message: Message) -> None:
        if isinstance(message, Drop | Leave):
            self.stage.checks.on_let_go(message.actor)
        self.perform(self._role.on_time(self.clock.now_ns))
        self.perform(self._role.on_message(message))

    def _let_in(self, found: Iterable[Guest | Log]) -> None:
        for item in found:
            self.perform(self._role.admit(item) if isinstance(item, Guest) else (item,))

    def _begin_if_complete(self) -> None:
        if not self._begun and self._lobby.is_complete:
            self._begun = True
            self.tell(Attached(self.name))
            self.checkpoint()
            self.perform(self._role.on_time(self.clock.now_ns))
            self.perform(self._role.begin())

    def on_beat(self) -> None:
        super().on_beat()
        if self._begun:
            self.perform(self._role.on_time(self.clock.now_ns))

    def on_wake_asked(self, effect: Wake) -> None:
        self._wake_ns = effect.at_ns
        self.clock.at(effect.at_ns, partial(self.do, self._wake))

    def _wake(self) -> None:
        if self._wake_ns is not None and self.clock.now_ns >= self._wake_ns:
            self._wake_ns = None
            self.perform(self._role.on_time(self.clock.now_ns))
            self.perform(self._role.on_wake())

    def perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self.checkpoint()
            self._done = self._done or isinstance(effect, Done)
            self._hands[type(effect)](effect)

    def send(self, effect: Send) -> None:
        """Append, then publish."""
        channel = effect.topic.partition("/")[0]
        if channel == "command":
            super().send(effect)
            return
        topic, message = effect
        frame = self.framing.encode(topic, message)
        self.clock.say(self.title, ">", topic, message)
        self.stage.checks.on_writing(message)
        publish(self, topic, message, frame, partial(self._publish, message))

    def _publish(self, message: Message, topic: str, frame: bytes) -> None:
        self.stage.checks.on_published(topic, message, frame, self.stage.disk)
        for link, subscribed in self._audience.values():
            if topic in subscribed:
                link.send(frame)

    def start_segment(self, index: int) -> None:
        """Begin a segment; it may be the last thing that is done, and half done."""
        self.stage.disk.start_segment(index)
        self._survive_writing()

    def append(self, frame: bytes) -> None:
        """Append a frame; it may be the last thing that is done, and half done."""
        self.stage.disk.append(frame)
        self._survive_writing()

    def _survive_writing(self) -> None:
        try:
            self.checkpoint()
        except Killed:
            if self.clock.chance.random() < 0.5:
                self.stage.disk.tear(self.clock.chance.random())
            raise

    def _links(self) -> Iterable[Link]:
        return (*self.out.values(), *(link for link, _ in self._audience.values()))


def build_role(name: str, kind: str, stage: Stage) -> Role:
    """Make the state machine of an actor, with ports in memory."""
    plan = stage.plan
    if kind == "loader":
        return Loader(name, plan, stage.storage, lambda: 0)
    if kind == "processor":
        return Processor(name, plan)
    if kind == "quality":
        return QualityManager(name, plan)
    tables = Sink(stage.shelf, name)
    if kind == "recorder":
        return Recorder(name, plan, stage.disk, tables)
    spec = next((spec for spec in plan.strategies if spec.actor == name), plan.strategies[0])
    return Analysis(name, plan, make_strategy(name), spec, tables)


BOOT_NS: Final = 20 * MS
"""How long a new process takes at most until it says its first word."""
