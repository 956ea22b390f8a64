"""Whoever can open the coordinator's or the supervisor's sockets can send to them, and harm nobody by it."""

import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import zmq

from actors.domain.speakers import Speakers
from actors.runtime.command_links import MAX_NONSENSE, ControlLink, SupervisorLink
from actors.runtime.framing import Framing
from actors.runtime.private_files import NotPrivate
from actors.runtime.transport import (
    Arrival,
    Broken,
    Endpoints,
    Link,
    Rejected,
)
from protocol import topics
from protocol.codec import MAX_COMMAND_BYTES, MAX_FRAME_BYTES, Envelope, Stamp, encode
from protocol.errors import SequenceGap
from protocol.messages import Ack, Hello, Join, Message, Ready, Stop
from tests.plain_messages import SENT, plain

RUN = 4711
DEADLINE_S = 20.0
ROLES = {"loader": "loader", "analysis-a": "analysis"}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sf-") as made:
        yield Path(made)


class House:
    """A supervisor and a coordinator, and whoever comes to their doors."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.endpoints = Endpoints(folder)
        self._stack = stack
        self.supervisor = stack.enter_context(
            closing(SupervisorLink(self.endpoints, Framing(RUN), self._refusal))
        )
        self.coordinator = self.link("coordinator")
        self.coordinator.bind(8, Speakers(ROLES))

    def _refusal(self, envelope: Envelope) -> str | None:
        return None if envelope.sender in ROLES else f"stranger {envelope.sender}"

    def link(self, name: str) -> Link:
        return self._stack.enter_context(closing(Link(self.endpoints, name, Framing(RUN), None)))

    def actor(self, name: str) -> Link:
        link = self.link(name)
        link.connect(name, (), 0)
        return link

    def raw(self, kind: int, endpoint: str, **options: bytes) -> "zmq.Socket[bytes]":
        """Open a socket that keeps to no rules."""
        context = self._stack.enter_context(zmq.Context())
        found: zmq.Socket[bytes] = self._stack.enter_context(context.socket(kind))
        found.linger, found.sndhwm = 0, 100_000
        for name, value in options.items():
            found.setsockopt(getattr(zmq, name.upper()), value)
        found.connect(self.endpoints.url(endpoint, None if endpoint == "command" else 0))
        return found


@pytest.fixture
def house(folder: Path) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(folder, stack)


def wait_for(link: Link | SupervisorLink, enough: Callable[[list[Arrival]], bool]) -> list[Arrival]:
    deadline = time.monotonic() + DEADLINE_S
    found: list[Arrival] = []
    while not enough(found):
        assert time.monotonic() < deadline, found[-3:]
        found.extend(link.poll(0.2))
    return found


def heard(arrivals: list[Arrival]) -> list[Message]:
    return [arrival.message for arrival in arrivals if isinstance(arrival, Envelope)]


def refused(arrivals: list[Arrival]) -> list[Rejected]:
    return [arrival for arrival in arrivals if isinstance(arrival, Rejected)]


def say(link: Link, topic: str, message: Message) -> None:
    link.send(topic, link.encode(topic, message))


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o770])
def test_nobody_connects_to_sockets_in_a_folder_that_is_open_to_others(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    endpoints = Endpoints(folder)
    for connect in (
        lambda: Link(endpoints, "loader", Framing(RUN), None),
        lambda: SupervisorLink(endpoints, Framing(RUN)),
        lambda: ControlLink(endpoints, "ctl-me", Framing(RUN)),
    ):
        with pytest.raises(NotPrivate, match="chmod 700"):
            connect()


def test_nobody_connects_to_sockets_behind_a_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "s"
    link.symlink_to(folder)
    with pytest.raises(NotPrivate, match="no symbolic link"):
        SupervisorLink(Endpoints(link), Framing(RUN))


@pytest.mark.parametrize("endpoint", ["report", "ingest"])
def test_a_frame_for_another_channel_is_refused_wherever_it_is_sent(house: House, endpoint: str) -> None:
    stranger = house.raw(zmq.PUSH, endpoint)
    sent = [(topic, kind) for topic, kind in SENT if not topic.startswith(("report", "ingest"))]
    for topic, kind in sent:
        stranger.send(encode(topic, plain(kind), Stamp(RUN, 0, 0)))
    arrivals = wait_for(house.coordinator, lambda found: len(refused(found)) == len(sent))
    assert heard(arrivals) == []


def test_a_stop_that_is_not_the_supervisors_is_refused_and_the_true_one_is_heard(house: House) -> None:
    name = "coordinator"
    say(house.coordinator, topics.command(name), Hello(name, 1))
    house.raw(zmq.PUSH, "report").send(encode(topics.command(name), Stop("now"), Stamp(RUN, 0, 0)))
    (arrival,) = wait_for(house.coordinator, bool)
    assert arrival == Rejected("Stop on command/coordinator, which is not sent to the coordinator", name)


def test_a_guest_that_leaves_a_hole_is_let_go_and_a_planned_actor_is_to_blame(house: House) -> None:
    stranger = house.raw(zmq.PUSH, "report")
    for sequence, message in ((0, Join("g", "analysis", False)), (2, Ack("g", 0, ())), (3, Ack("g", 1, ()))):
        stranger.send(encode("report/g", message, Stamp(RUN, 0, sequence)))
    arrivals = wait_for(house.coordinator, lambda found: len(found) == 3)
    assert isinstance(arrivals[0], Envelope)
    assert arrivals[1:] == [
        Broken("g", "report/g: sequence 2 where 1 was due (messages were lost)"),
        Rejected("Ack from g", "g"),
    ]
    for sequence in (0, 2):
        stranger.send(encode("report/analysis-a", Ack("analysis-a", 0, ()), Stamp(RUN, 0, sequence)))
    with pytest.raises(SequenceGap):
        wait_for(house.coordinator, lambda found: len(found) == 2)


def test_bytes_of_the_oldest_protocol_never_become_a_message(house: House) -> None:
    for endpoint in ("report-0", "ingest-0", "stream-0", "observe-0", "command"):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(5)
            peer.connect(str(house.endpoints.folder / endpoint))
            peer.sendall(b"\x01\x00\x06\x00hello\x02\x00\x01")
    actor = house.actor("loader")
    say(actor, "report/loader", Join("loader", "loader", False))
    arrivals = wait_for(house.coordinator, lambda found: bool(heard(found)))
    assert heard(arrivals) == [Join("loader", "loader", False)]
    assert refused(arrivals) == []
    assert list(house.supervisor.poll(0)) == []


def test_what_is_above_the_limit_of_an_endpoint_is_not_taken_in(house: House) -> None:
    house.raw(zmq.PUSH, "report").send(bytes(MAX_FRAME_BYTES + 2048), copy=False)
    house.raw(zmq.DEALER, "command").send(bytes(MAX_COMMAND_BYTES + 2048), copy=False)
    for endpoint in ("stream", "observe"):
        house.raw(zmq.XSUB, endpoint).send(b"\1" + bytes(70_000))
    actor = house.actor("loader")
    say(actor, "command/loader", Hello("loader", 1))
    say(actor, "report/loader", Join("loader", "loader", False))
    assert refused(wait_for(house.supervisor, lambda found: bool(heard(found)))) == []
    arrivals = wait_for(house.coordinator, lambda found: bool(heard(found)))
    assert (
        max(
            (len(arrival.topic) for arrival in arrivals if not isinstance(arrival, Rejected | Broken)),
            default=0,
        )
        < 70_000
    )


def test_a_process_that_keeps_sending_nonsense_is_not_listened_to_any_more(house: House) -> None:
    stranger = house.raw(zmq.DEALER, "command", routing_id=b"eve#1")
    for _ in range(3 * MAX_NONSENSE):
        stranger.send(b"nonsense")
    actor = house.link("loader")
    arrivals = wait_for(house.supervisor, lambda found: len(found) == MAX_NONSENSE)
    assert all(isinstance(each, Rejected) and each.sender == "eve" for each in arrivals)
    assert arrivals[-1].reason.endswith("100 wrong frames and is not listened to any more")  # type: ignore[union-attr]
    say(actor, topics.command("loader"), Hello("loader", 1))
    assert heard(wait_for(house.supervisor, lambda found: bool(heard(found)))) == [Hello("loader", 1)]


def test_a_flood_holds_up_nobody_who_is_heard_fairly(house: House) -> None:
    flood = encode("report/eve", Ack("eve", 0, ()), Stamp(RUN, 0, 0))
    stranger = house.raw(zmq.PUSH, "report")
    for _ in range(20_000):
        stranger.send(flood)
    actor = house.actor("analysis-a")
    for sequence in range(200):
        say(actor, "report/analysis-a", Ack("analysis-a", sequence, ()))
    arrivals = wait_for(house.coordinator, lambda found: len(heard(found)) == 200)
    assert heard(arrivals) == [Ack("analysis-a", sequence, ()) for sequence in range(200)]


def test_a_receiver_whose_room_is_full_loses_nothing_of_who_stays(house: House) -> None:
    count = 1900
    actors = {name: house.actor(name) for name in ROLES}
    for sequence in range(count):
        for name, actor in actors.items():
            say(actor, topics.report(name), Ready(name, sequence))
    arrived = heard(wait_for(house.coordinator, lambda found: len(found) >= count * len(ROLES)))
    for name in ROLES:
        own = [message.nonce for message in arrived if isinstance(message, Ready) and message.actor == name]
        assert own == list(range(count))
