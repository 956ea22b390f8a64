import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from actors.domain.errors import DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.lobby import Guest, Lobby
from actors.domain.roles import Done, Effect, Log, LogLines, Role, RoleError, Send, Wake
from actors.runtime.command_links import SupervisorLink
from actors.runtime.coordinator_shell import CoordinatorShell
from actors.runtime.framing import Framing
from actors.runtime.journal_files import JournalReader, JournalWriter
from actors.runtime.logs import ActorLog
from actors.runtime.shell import Shell, Surroundings
from actors.runtime.transport import Arrival, Endpoints, Link, Subscription
from protocol import topics
from protocol.codec import Envelope
from protocol.messages import (
    Ack,
    Attached,
    Connect,
    Failed,
    Heartbeat,
    Hello,
    Invite,
    Join,
    Message,
    PhaseEvent,
    Ready,
    RunEnd,
    Stop,
    Welcome,
)

RUN = 4711
COORDINATED = 2
"""The coordinator's epoch."""
DEADLINE_S = 20.0
HEARTBEAT_S = 0.02
END = RunEnd(0, "", "")
SIM_TS = 1_751_463_000_000_000_000


def event(number: int) -> PhaseEvent:
    return PhaseEvent(number, 1, "complete", 0)


@dataclass
class Echo:
    """Acknowledge every phase event; do what a test wants at the end of the run."""

    at_end: Callable[[], Iterable[Effect]] = tuple
    name: str = "echo"
    subscriptions: tuple[str, ...] = (topics.CONTROL,)
    windows: int = 0
    bars: int = 7

    def on_message(self, message: Message) -> Iterator[Effect]:
        if isinstance(message, PhaseEvent):
            self.windows += 1
            yield Send(topics.report(self.name), Ack(self.name, message.session, ()))
            yield Log("INFO", f"echo {message.session}", SIM_TS)
            yield LogLines((f"line {message.session}",), (SIM_TS,))
        if isinstance(message, RunEnd):
            yield from self.at_end()


def fail_with(error: Exception) -> Callable[[], Iterable[Effect]]:
    def fail() -> Iterable[Effect]:
        raise error

    return fail


@dataclass
class Timer:
    """A coordinator that wakes itself once and is done with the first message it hears."""

    name: str = "coordinator"
    subscriptions: tuple[str, ...] = ()
    windows: int = 0
    bars: int = 0
    heard: list[Message] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    admitted: list[Guest] = field(default_factory=list)
    woken_ns: int | None = None
    wake_ns: int = 0

    def begin(self) -> Iterator[Effect]:
        self.wake_ns = self.times[-1] + 30_000_000
        yield Send(topics.CONTROL, PhaseEvent(0, 1, "started", 0))
        yield Wake(self.wake_ns)

    def on_time(self, now_ns: int) -> tuple[Effect, ...]:
        self.times.append(now_ns)
        return ()

    def admit(self, guest: Guest) -> Iterator[Effect]:
        self.admitted.append(guest)
        yield Send(topics.to(guest.actor), Welcome(guest.actor, guest.nonce, 0))

    def on_wake(self) -> Iterator[Effect]:
        self.woken_ns = self.times[-1]
        yield Send(topics.SIGNAL, event(1))  # not what the topic carries: only the journal sees it
        yield Send(topics.CONTROL, END)

    def on_message(self, message: Message) -> Iterator[Effect]:
        self.heard.append(message)
        yield Done()


@dataclass
class Pages:
    """A journal in memory."""

    segments: list[int] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)

    def start_segment(self, index: int) -> None:
        self.segments.append(index)

    def append(self, frame: bytes) -> None:
        self.frames.append(frame)


class Stage:
    """The rest of a run, played by the test; the shell under test has a thread of its own."""

    def __init__(self, stack: ExitStack, endpoints: Endpoints, logs: Path) -> None:
        self.endpoints = endpoints
        self.logs = logs
        self._stack = stack
        self.journal = logs / "journal"
        self._pool = stack.enter_context(ThreadPoolExecutor(1))
        self.supervisor = stack.enter_context(closing(SupervisorLink(endpoints, Framing(RUN))))

    def link(self, name: str, epoch: int = 0) -> Link:
        return self._stack.enter_context(closing(Link(self.endpoints, name, Framing(RUN, epoch), None)))

    def play(
        self, role: Role, greeting_s: float = DEADLINE_S, lifeline: int | None = None
    ) -> "Future[ExitCode]":
        def live(around: Surroundings) -> ExitCode:
            return Shell(role, around).run()

        return self._pool.submit(self._live, role.name, 0, live, greeting_s, lifeline)

    def play_coordinator(
        self, role: Timer, journal: Pages, expected: Iterable[str], greeting_s: float = DEADLINE_S
    ) -> "Future[ExitCode]":
        def live(around: Surroundings) -> ExitCode:
            around.link.bind(credit=1)
            return CoordinatorShell(role, around, journal, Lobby(expected, nonce=3)).run()

        return self._pool.submit(self._live, role.name, COORDINATED, live, greeting_s, None)

    def _live(
        self,
        name: str,
        epoch: int,
        live: Callable[[Surroundings], ExitCode],
        greeting_s: float,
        lifeline: int | None,
    ) -> ExitCode:
        base, journal = np.array([0], np.uint16), JournalReader(self.journal)
        with (
            ActorLog(self.logs, name, "INFO", "America/New_York") as log,
            closing(Link(self.endpoints, name, Framing(RUN, epoch), lifeline)) as link,
        ):
            return live(Surroundings(link, log, "analysis", True, HEARTBEAT_S, journal, base, greeting_s))

    def log_of(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="sf-") as folder, ExitStack() as stack:
        yield Stage(stack, Endpoints(Path(folder)), tmp_path)


T = TypeVar("T", bound=Message)


def hear(link: Link | SupervisorLink, kind: type[T]) -> T:
    """Poll until a message of this kind comes."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for arrival in link.poll(0.5):
            if isinstance(arrival, Envelope) and isinstance(arrival.message, kind):
                return arrival.message
    raise AssertionError(f"no {kind.__name__} came")


def say(link: Link, topic: str, message: Message) -> None:
    link.send(topic, link.encode(topic, message))


def let_in(stage: Stage, name: str = "echo", records: int = 0, next_ack: int = 0) -> Link:
    """Greet an actor as supervisor and coordinator do, and give the coordinator's sockets."""
    hello = hear(stage.supervisor, Hello)
    assert (hello.actor, hello.pid) == (name, os.getpid())
    coordinator = stage.link("coordinator", COORDINATED)
    coordinator.bind(credit=1)
    assert stage.supervisor.send(name, Connect(COORDINATED))
    lobby = Lobby((name,), nonce=5)
    while not lobby.is_complete:
        for arrival in coordinator.poll(DEADLINE_S):
            for guest in knock(lobby, arrival):
                assert guest == Guest(name, member=True, epoch=0, nonce=5)
                say(coordinator, topics.to(name), Welcome(name, 5, 0, next_ack, records))
            if lobby.is_complete:
                break
    assert hear(stage.supervisor, Attached) == Attached(name)
    return coordinator


def knock(lobby: Lobby, arrival: Arrival) -> list[Guest | Log]:
    if isinstance(arrival, Subscription):
        return list(lobby.on_subscription(arrival.topic))
    assert isinstance(arrival, Envelope)
    if isinstance(arrival.message, Ready):
        return list(lobby.on_ready(arrival.message))
    assert isinstance(arrival.message, Join)
    return list(lobby.on_join(arrival.message))


def test_an_actor_greets_serves_and_stops(stage: Stage) -> None:
    ending = stage.play(Echo())
    coordinator = let_in(stage)
    for number in range(200):
        say(coordinator, topics.CONTROL, event(number))
    assert [hear(coordinator, Ack).seq for _ in range(200)] == list(range(200))
    assert stage.supervisor.send("echo", Stop("done"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE
    beats = [found.message for found in stage.supervisor.poll(1) if isinstance(found, Envelope)]
    last = beats[-1]
    assert isinstance(last, Heartbeat)
    assert (last.actor, last.windows, last.messages, last.bars) == ("echo", 200, 200, 7)
    assert 0 < last.handle_p50_ns <= last.handle_p99_ns
    log = stage.log_of("echo")
    assert "echo has joined the pipeline" in log
    assert "echo 199" in log
    assert "line 199" in log
    assert "Stopped after 200 windows and 7 bars" in log


def test_an_idle_actor_goes_on_to_give_signs_of_life(stage: Stage) -> None:
    ending = stage.play(Echo())
    let_in(stage)
    for _ in range(5):
        assert hear(stage.supervisor, Heartbeat).actor == "echo"
    stage.supervisor.send("echo", Stop("done"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE


@pytest.mark.parametrize(
    ("error", "code", "reason", "has_traceback"),
    [
        (RoleError("window 5 came twice"), ExitCode.ACTOR_FAILED, "window 5 came twice", False),
        (DataError("a.parquet is torn"), ExitCode.DATA_MISSING, "a.parquet is torn", False),
        (ZeroDivisionError("oh"), ExitCode.ACTOR_FAILED, "ZeroDivisionError: oh", True),
        (ValueError("x" * 10_000), ExitCode.ACTOR_FAILED, "ValueError: xxx", True),
    ],
)
def test_an_actor_that_cannot_go_on_says_so_and_ends_with_a_code(
    stage: Stage,
    error: Exception,
    code: ExitCode,
    reason: str,
    has_traceback: bool,  # noqa: FBT001
) -> None:
    ending = stage.play(Echo(fail_with(error)))
    say(let_in(stage), topics.CONTROL, END)
    failed = hear(stage.supervisor, Failed)
    assert (failed.actor, failed.exit_code) == ("echo", code)
    assert failed.reason.startswith(reason)
    assert len(failed.reason) <= 4096
    assert ending.result(DEADLINE_S) is code
    log = stage.log_of("echo")
    assert reason in log
    assert ("Traceback" in log) is has_traceback


def test_what_an_actor_did_before_it_failed_is_done(stage: Stage) -> None:
    ending = stage.play(Echo(fail_with(RoleError("no"))))
    coordinator = let_in(stage)
    say(coordinator, topics.CONTROL, event(3))
    assert hear(coordinator, Ack).seq == 3
    say(coordinator, topics.CONTROL, END)
    assert ending.result(DEADLINE_S) is ExitCode.ACTOR_FAILED


def test_a_lost_message_ends_the_actor(stage: Stage) -> None:
    ending = stage.play(Echo())
    coordinator = let_in(stage)
    say(coordinator, topics.CONTROL, event(0))
    coordinator.encode(topics.CONTROL, event(1))
    say(coordinator, topics.CONTROL, event(2))
    assert "control: sequence 2 where 1 was due (messages were lost)" in hear(stage.supervisor, Failed).reason
    assert ending.result(DEADLINE_S) is ExitCode.ACTOR_FAILED


def test_a_foreign_frame_is_logged_and_dropped(stage: Stage) -> None:
    ending = stage.play(Echo())
    coordinator = let_in(stage)
    coordinator.send(topics.CONTROL, Framing(RUN + 1).encode(topics.CONTROL, END))
    say(coordinator, topics.CONTROL, event(0))
    assert hear(coordinator, Ack).seq == 0
    stage.supervisor.send("echo", Stop("done"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE
    assert f"Dropped: foreign frame from coordinator: run is {RUN + 1}" in stage.log_of("echo")


def test_who_is_not_let_in_by_the_supervisor_says_whom_it_waited_for(stage: Stage) -> None:
    ending = stage.play(Echo(), greeting_s=0.05)
    failed = hear(stage.supervisor, Failed)
    assert failed.reason == "echo waited 0.05 s for the supervisor's Connect; it never came"
    assert ending.result(DEADLINE_S) is ExitCode.ACTOR_FAILED


def test_who_is_not_welcomed_by_the_coordinator_says_whom_it_waited_for(stage: Stage) -> None:
    coordinator = stage.link("coordinator", COORDINATED)
    coordinator.bind(credit=1)
    ending = stage.play(Echo(), greeting_s=0.1)
    hear(stage.supervisor, Hello)
    stage.supervisor.send("echo", Connect(COORDINATED))
    assert "for the coordinator's Welcome" in hear(stage.supervisor, Failed).reason
    assert ending.result(DEADLINE_S) is ExitCode.ACTOR_FAILED


@pytest.mark.parametrize("first", [(), (Connect(COORDINATED),)])
def test_a_stop_during_the_greeting_ends_the_actor_in_order(stage: Stage, first: tuple[Message, ...]) -> None:
    coordinator = stage.link("coordinator", COORDINATED)
    coordinator.bind(credit=1)
    ending = stage.play(Echo())
    hear(stage.supervisor, Hello)
    for message in (*first, Stop("never mind")):
        stage.supervisor.send("echo", message)
    assert ending.result(DEADLINE_S) is ExitCode.DONE


def test_an_actor_ends_with_its_supervisor(stage: Stage) -> None:
    lifeline, held = os.pipe()
    ending = stage.play(Echo(), lifeline=lifeline)
    let_in(stage)
    os.close(held)
    assert ending.result(DEADLINE_S) is ExitCode.ACTOR_FAILED
    assert "The supervisor is gone; stopping" in stage.log_of("echo")
    os.close(lifeline)


def attend(stage: Stage) -> Link:
    """Join a coordinator as the actor `echo`."""
    assert hear(stage.supervisor, Hello).actor == "coordinator"
    return join(stage, "echo")


def join(stage: Stage, name: str, epoch: int = 0) -> Link:
    """Let a process of an actor join."""
    link = stage.link(name, epoch)
    link.connect(name, (topics.CONTROL,), COORDINATED)
    say(link, topics.report(name), Join(name, name, member=True, epoch=epoch))
    welcome = hear(link, Welcome)
    assert welcome == Welcome(name, 3, 0)
    say(link, topics.report(name), Ready(name, welcome.nonce))
    return link


def test_a_coordinator_begins_once_all_are_in_wakes_when_it_asked_to_and_keeps_a_journal(
    stage: Stage,
) -> None:
    role, journal = Timer(), Pages()
    ending = stage.play_coordinator(role, journal, ["echo"])
    echo = attend(stage)
    assert hear(stage.supervisor, Attached) == Attached("coordinator")
    assert hear(echo, PhaseEvent) == PhaseEvent(0, 1, "started", 0)
    assert hear(echo, RunEnd) == END
    assert role.woken_ns is not None
    assert role.woken_ns - role.wake_ns >= 0
    say(echo, topics.report("echo"), Ack("echo", 0, ()))
    while not role.heard:
        hear(stage.supervisor, Heartbeat)
    stage.supervisor.send("coordinator", Stop("over"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE
    assert role.heard == [Ack("echo", 0, ())]
    assert role.times == sorted(role.times)
    assert journal.segments == [0]
    assert [frame.partition(b"\0")[0] for frame in journal.frames] == [b"control", b"signal", b"control"]


def test_a_stop_before_the_verdict_is_the_coordinators_own_affair(stage: Stage) -> None:
    role = Timer()
    ending = stage.play_coordinator(role, Pages(), ["echo"])
    attend(stage)
    hear(stage.supervisor, Attached)
    stage.supervisor.send("coordinator", Stop("interrupted"))
    while not role.heard:
        hear(stage.supervisor, Heartbeat)
    assert role.heard == [Stop("interrupted")]
    stage.supervisor.send("coordinator", Stop("over"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE


def test_a_coordinator_names_whom_it_waited_for(stage: Stage) -> None:
    ending = stage.play_coordinator(Timer(), Pages(), ["echo", "late"], greeting_s=0.1)
    reason = hear(stage.supervisor, Failed).reason
    assert reason == "coordinator waited 0.1 s for echo, late; it never came"
    assert ending.result(DEADLINE_S) is ExitCode.ACTOR_FAILED


def test_who_joins_while_the_run_goes_on_is_let_in_and_so_is_a_later_process_of_an_actor(
    stage: Stage,
) -> None:
    role = Timer()
    ending = stage.play_coordinator(role, Pages(), ["echo"])
    attend(stage)
    hear(stage.supervisor, Attached)
    stage.supervisor.send("coordinator", Invite("watcher", 9))
    join(stage, "watcher", epoch=9)
    again = join(stage, "echo", epoch=3)
    assert role.admitted == [
        Guest("echo", member=True, epoch=0, nonce=3),
        Guest("watcher", member=True, epoch=9, nonce=3),
        Guest("echo", member=True, epoch=3, nonce=3),
    ]
    say(again, topics.report("echo"), Ack("echo", 0, ()))
    while not role.heard:
        hear(stage.supervisor, Heartbeat)
    stage.supervisor.send("coordinator", Stop("over"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE


def test_who_says_it_is_ready_and_was_not_welcomed_is_said_and_the_run_goes_on(stage: Stage) -> None:
    role = Timer()
    ending = stage.play_coordinator(role, Pages(), ["echo"])
    assert hear(stage.supervisor, Hello).actor == "coordinator"
    stranger = stage.link("stranger")
    stranger.connect("stranger", (), COORDINATED)
    say(stranger, topics.report("stranger"), Ready("stranger", 3))
    echo = join(stage, "echo")
    hear(stage.supervisor, Attached)
    say(echo, topics.report("echo"), Ack("echo", 0, ()))
    while not role.heard:
        hear(stage.supervisor, Heartbeat)
    stage.supervisor.send("coordinator", Stop("over"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE
    assert "stranger says it is ready without having been welcomed" in stage.log_of("coordinator")


def test_what_an_actor_says_before_the_others_are_in_is_heard_once_the_run_begins(stage: Stage) -> None:
    role = Timer()
    ending = stage.play_coordinator(role, Pages(), ["echo", "late"])
    echo = attend(stage)
    say(echo, topics.report("echo"), Ack("echo", 4, ()))
    join(stage, "late")
    while not role.heard:
        hear(stage.supervisor, Heartbeat)
    assert role.heard == [Ack("echo", 4, ())]
    stage.supervisor.send("coordinator", Stop("over"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE


def write_journal(stage: Stage, count: int) -> None:
    framing = Framing(RUN, epoch=1)
    with JournalWriter(stage.journal, RUN) as journal:
        journal.start_segment(0)
        for number in range(count):
            journal.append(framing.encode(topics.CONTROL, event(number)))


def test_who_comes_later_reads_exactly_as_much_of_the_journal_as_it_is_told_and_goes_on_live(
    stage: Stage,
) -> None:
    write_journal(stage, 10)
    ending = stage.play(Echo())
    coordinator = let_in(stage, records=7, next_ack=5)
    say(coordinator, topics.CONTROL, event(7))
    assert [hear(coordinator, Ack).seq for _ in range(3)] == [5, 6, 7]
    stage.supervisor.send("echo", Stop("done"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE
    log = stage.log_of("echo")
    assert "Reading 7 records of the journal" in log
    assert "Up to date after 7 windows; going on live" in log
    assert "echo 4" not in log
    assert "echo 5" in log


def test_a_stop_while_the_journal_is_read_ends_the_actor_in_order(stage: Stage) -> None:
    write_journal(stage, 20_000)
    ending = stage.play(Echo())
    let_in(stage, records=20_000, next_ack=20_000)
    stage.supervisor.send("echo", Stop("never mind"))
    assert ending.result(DEADLINE_S) is ExitCode.DONE
