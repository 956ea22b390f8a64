"""Who has read the journal up before everyone is in may answer; the coordinator hears it when it begins."""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from actors.domain.exit_codes import ExitCode
from actors.domain.lobby import Guest, Lobby
from actors.domain.roles import Done, Effect, Send
from actors.runtime.command_links import SupervisorLink
from actors.runtime.coordinator_shell import CoordinatorShell
from actors.runtime.framing import Framing
from actors.runtime.journal_files import JournalReader, JournalWriter
from actors.runtime.logs import ActorLog
from actors.runtime.shell import Surroundings
from actors.runtime.transport import Endpoints, Link
from protocol import topics
from protocol.codec import Envelope
from protocol.messages import Ack, Attached, Heartbeat, Join, Message, Ready, Stop, Welcome

RUN = 9
DEADLINE_S = 20.0


@dataclass
class Listener:
    """A coordinator that writes down what it hears, and when it begins."""

    name: str = "coordinator"
    subscriptions: tuple[str, ...] = ()
    windows: int = 0
    bars: int = 0
    heard: list[object] = field(default_factory=list)

    def admit(self, guest: Guest) -> Iterator[Effect]:
        yield Send(topics.to(guest.actor), Welcome(guest.actor, guest.nonce, 0, 0, 0))

    def begin(self) -> Iterator[Effect]:
        self.heard.append("begin")
        yield from ()

    def on_time(self, now_ns: int) -> tuple[Effect, ...]:
        del now_ns
        return ()

    def on_wake(self) -> tuple[Effect, ...]:
        return ()

    def on_message(self, message: Message) -> Iterator[Effect]:
        self.heard.append(message)
        yield Done()


def live(role: Listener, endpoints: Endpoints, folder: Path) -> ExitCode:
    with (
        ActorLog(folder, role.name, "INFO", "America/New_York") as log,
        closing(Link(endpoints, role.name, Framing(RUN), None)) as link,
        JournalWriter(folder / "journal", RUN) as journal,
    ):
        link.bind(credit=1)
        base = np.empty(0, dtype=np.uint16)
        around = Surroundings(link, log, role.name, False, 0.02, JournalReader(folder / "journal"), base)
        return CoordinatorShell(role, around, journal, Lobby(("early", "late"), nonce=3)).run()


def wait(link: Link | SupervisorLink, kind: type[Message]) -> None:
    """Poll until a message of this kind comes."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for arrival in link.poll(0.2):
            if isinstance(arrival, Envelope) and isinstance(arrival.message, kind):
                return
    raise AssertionError(f"no {kind.__name__} came")


def say(link: Link, message: Message) -> None:
    topic = topics.report(message.actor)  # type: ignore[union-attr]
    link.send(topic, link.encode(topic, message))


def join(link: Link, actor: str) -> None:
    link.connect(actor, (), 0)
    say(link, Join(actor, actor, member=True))
    wait(link, Welcome)
    say(link, Ready(actor, 3))


def test_what_is_said_before_everyone_is_in_is_heard_once_it_has_begun(tmp_path: Path) -> None:
    role = Listener()
    with tempfile.TemporaryDirectory(prefix="sf-") as sockets, ExitStack() as stack:
        endpoints = Endpoints(Path(sockets))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        supervisor = stack.enter_context(closing(SupervisorLink(endpoints, Framing(RUN))))
        ending = pool.submit(live, role, endpoints, tmp_path)
        early, late = (
            stack.enter_context(closing(Link(endpoints, name, Framing(RUN), None)))
            for name in ("early", "late")
        )
        wait(supervisor, Heartbeat)
        join(early, "early")
        say(early, Ack("early", 0, ()))
        join(late, "late")
        wait(supervisor, Attached)
        supervisor.send("coordinator", Stop("over"))
        assert ending.result(DEADLINE_S) is ExitCode.DONE
    assert role.heard == ["begin", Ack("early", 0, ())]
