import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest
import zmq

from actors.domain.lobby import Guest, Lobby
from actors.domain.roles import Log
from actors.runtime.command_links import SupervisorLink
from actors.runtime.framing import Framing
from actors.runtime.transport import (
    IPC_PATH_MAX,
    OBSERVED_FRAMES,
    Arrival,
    Endpoints,
    Link,
    PeerStalled,
    Rejected,
    SocketPathTooLong,
    Subscription,
    SupervisorGone,
)
from protocol import topics
from protocol.blocks import BarBlock, TimeBlock
from protocol.codec import MAX_FRAME_BYTES, Envelope, Stamp, decode, encode
from protocol.errors import FrameTooLarge, SequenceGap
from protocol.messages import (
    Ack,
    Attach,
    Attached,
    Connect,
    Drop,
    Hello,
    Join,
    LoadReport,
    LoadSessions,
    Message,
    RawWindow,
    Ready,
    RunEnd,
    SessionBars,
    Stop,
    Welcome,
)

RUN = 4711
DEADLINE_S = 20.0
COORDINATED = 3
"""The coordinator's epoch."""
END = RunEnd(0, "", "")
ONE_BAR = bytes(68)


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    """Sockets in a folder whose path is shorter than that of `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="sf-") as folder:
        yield Endpoints(Path(folder))


class Wiring:
    """The sockets of a run, all in this thread."""

    def __init__(self, endpoints: Endpoints, stack: ExitStack) -> None:
        self._endpoints = endpoints
        self._stack = stack
        self.supervisor = stack.enter_context(closing(SupervisorLink(endpoints, Framing(RUN))))
        self.coordinator = self.link("coordinator", epoch=COORDINATED)
        self.coordinator.bind(credit=8)

    def link(self, name: str, run: int = RUN, epoch: int = 0) -> Link:
        return self._stack.enter_context(closing(Link(self._endpoints, name, Framing(run, epoch), None)))

    def actor(self, name: str, *subscriptions: str, run: int = RUN) -> Link:
        """Connect an actor and wait until its subscriptions are seen."""
        link = self.link(name, run)
        link.connect(name, subscriptions, COORDINATED)
        wait_for(self.coordinator, lambda found: Subscription(topics.mark(name, 0)) in found)
        return link

    def attached(self, name: str, *subscriptions: str, epoch: int = 5) -> Link:
        """Attach an observer and wait until its subscriptions are seen."""
        link = self.link(name, epoch=epoch)
        link.attach(name, subscriptions, COORDINATED)
        wait_for(self.coordinator, lambda found: Subscription(topics.mark(name, epoch)) in found)
        return link

    def raw(self, kind: int, endpoint: str, **options: bytes | int) -> "zmq.Socket[bytes]":
        """Open a socket that keeps to no rules."""
        context = self._stack.enter_context(zmq.Context())
        socket: zmq.Socket[bytes] = self._stack.enter_context(context.socket(kind))
        socket.setsockopt(zmq.LINGER, 0)
        for name, value in options.items():
            socket.setsockopt(getattr(zmq, name.upper()), value)
        socket.connect(self._endpoints.url(endpoint, None if endpoint == "command" else COORDINATED))
        return socket


@contextmanager
def wired(endpoints: Endpoints) -> Iterator[Wiring]:
    with ExitStack() as stack:
        yield Wiring(endpoints, stack)


def next_frame(socket: "zmq.Socket[bytes]", coordinator: Link) -> bytes:
    """Take a frame; as long as there is none, have the coordinator publish another."""
    deadline = time.monotonic() + DEADLINE_S
    while not socket.poll(50):
        assert time.monotonic() < deadline
        say(coordinator, topics.CONTROL, END)
    return socket.recv(zmq.NOBLOCK)


def wait_for(link: Link | SupervisorLink, enough: Callable[[list[Arrival]], bool]) -> list[Arrival]:
    """Poll until enough has arrived."""
    deadline = time.monotonic() + DEADLINE_S
    found: list[Arrival] = []
    while not enough(found):
        assert time.monotonic() < deadline, found[-3:]
        found.extend(link.poll(0.5))
    return found


def receive(link: Link | SupervisorLink, count: int) -> list[Arrival]:
    return wait_for(link, lambda found: len(found) >= count)


def messages(arrivals: list[Arrival]) -> list[Message]:
    return [arrival.message for arrival in arrivals if isinstance(arrival, Envelope)]


def say(link: Link, topic: str, message: Message) -> None:
    link.send(topic, link.encode(topic, message))


def window(seq: int, bars: int) -> RawWindow:
    return RawWindow(seq, 0, False, False, TimeBlock(0, b""), BarBlock(bars, ONE_BAR * bars), ())


def test_the_handshake_lets_everyone_in_and_proves_both_directions(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        actors = {name: wiring.link(name) for name in ("loader", "quality")}
        lobby = Lobby(actors, nonce=9)
        for name, link in actors.items():
            say(link, topics.command(name), Hello(name, 1))
        assert {message.actor for message in messages(receive(wiring.supervisor, 2))} == set(actors)  # type: ignore[attr-defined]
        for name, link in actors.items():
            assert wiring.supervisor.send(name, Connect(COORDINATED))
            assert messages(receive(link, 1)) == [Connect(COORDINATED)]
            link.connect(name, (topics.RAW,), COORDINATED)
            say(link, topics.report(name), Join(name, name, member=False))
        guests: list[Guest | Log] = []
        while len(guests) < len(actors):
            for arrival in receive(wiring.coordinator, 1):
                if isinstance(arrival, Subscription):
                    guests += lobby.on_subscription(arrival.topic)
                elif isinstance(arrival, Envelope) and isinstance(arrival.message, Join):
                    guests += lobby.on_join(arrival.message)
        for guest in guests:
            assert isinstance(guest, Guest)
            say(wiring.coordinator, topics.to(guest.actor), Welcome(guest.actor, guest.nonce, 0))
        for name, link in actors.items():
            assert messages(receive(link, 1)) == [Welcome(name, 9, 0)]
            say(link, topics.report(name), Ready(name, 9))
        for message in messages(receive(wiring.coordinator, 2)):
            assert isinstance(message, Ready)
            assert list(lobby.on_ready(message)) == []
        assert lobby.is_complete


def test_a_coordinator_that_starts_again_shares_no_endpoint_with_the_one_before(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        before = wiring.actor("processor", topics.CONTROL)
        second = wiring.link("coordinator", epoch=COORDINATED + 1)
        second.bind(credit=8)
        again = wiring.link("processor", epoch=COORDINATED + 2)
        again.connect("processor", (topics.CONTROL,), COORDINATED + 1)
        wait_for(second, lambda found: Subscription(topics.mark("processor", COORDINATED + 2)) in found)
        say(second, topics.CONTROL, END)
        say(again, topics.report("processor"), Ack("processor", 7, ()))
        assert messages(receive(again, 1)) == [END]
        assert messages(receive(second, 1)) == [Ack("processor", 7, ())]
        assert list(before.poll(0)) == list(wiring.coordinator.poll(0)) == []


def test_who_is_attached_gets_the_same_frames_but_no_raw_windows(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        own = wiring.actor("quality", topics.RAW, topics.CONTROL)
        observer = wiring.attached("watcher", topics.RAW, topics.CONTROL)
        for topic, message in ((topics.RAW, window(0, 1)), (topics.CONTROL, END), (topics.CONTROL, END)):
            say(wiring.coordinator, topic, message)
        (_, *stamped) = receive(own, 3)
        assert receive(observer, 2) == stamped
        assert list(observer.poll(0)) == []


def test_who_is_attached_and_takes_nothing_holds_nobody_up_and_notices_what_it_missed(
    endpoints: Endpoints,
) -> None:
    with wired(endpoints) as wiring:
        own = wiring.actor("quality", topics.CONTROL)
        idle = wiring.raw(zmq.SUB, "observe", rcvhwm=1, subscribe=topics.prefix(topics.CONTROL))
        wait_for(wiring.coordinator, lambda found: Subscription(topics.CONTROL) in found)
        count = 10 * OBSERVED_FRAMES
        for _ in range(count):
            say(wiring.coordinator, topics.CONTROL, RunEnd(0, "x" * 200, "y" * 200))
        assert len(receive(own, count)) == count
        framing, frames = Framing(RUN), (next_frame(idle, wiring.coordinator) for _ in range(count))
        with pytest.raises(SequenceGap, match="messages were lost"):
            deque(map(framing.decode, frames), maxlen=0)


def test_a_receiver_that_looks_late_gets_every_message_in_order(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        actors = [wiring.actor(name, topics.RAW, topics.CONTROL) for name in ("processor", "quality")]
        sent: list[Message] = []
        for seq in range(5000):
            sent.append(END if seq % 7 == 3 else window(seq, 2000 if seq % 500 == 0 else seq % 5))
            topic = topics.CONTROL if sent[-1] is END else topics.RAW
            say(wiring.coordinator, topic, sent[-1])
        for actor in actors:
            assert messages(receive(actor, len(sent))) == sent


def test_many_senders_keep_their_own_order_at_one_receiver(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        names = ("a", "b", "c")
        actors = {name: wiring.actor(name) for name in names}
        for seq in range(1000):
            for name, link in actors.items():
                say(link, topics.report(name), Ack(name, seq, ()))
        arrived = messages(receive(wiring.coordinator, 3000))
        for name in names:
            assert [ack.seq for ack in arrived if isinstance(ack, Ack) and ack.actor == name] == list(
                range(1000)
            )


def test_bars_come_in_by_ingest_apart_from_reports(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        loader = wiring.actor("loader")
        bars = SessionBars(0, BarBlock(50_000, ONE_BAR * 50_000), ())
        say(loader, topics.ingest("loader"), bars)
        say(loader, topics.ingest("loader"), LoadReport(0, (), 5))
        assert messages(receive(wiring.coordinator, 2)) == [bars, LoadReport(0, (), 5)]


def test_an_actor_hears_what_it_subscribed_to_and_what_is_for_it_alone(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        one, two = wiring.actor("a", topics.RAW), wiring.actor("ab", topics.CONTROL)
        for topic, message in (
            (topics.RAW, window(0, 1)),
            (topics.CONTROL, END),
            (topics.to("ab"), LoadSessions(1, 1)),
            (topics.to("a"), LoadSessions(2, 2)),
        ):
            say(wiring.coordinator, topic, message)
        assert messages(receive(one, 2)) == [window(0, 1), LoadSessions(2, 2)]
        assert messages(receive(two, 2)) == [END, LoadSessions(1, 1)]


def test_a_frame_that_never_arrives_is_noticed_with_the_next(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        actor = wiring.actor("quality", topics.RAW)
        for seq in range(4):
            frame = wiring.coordinator.encode(topics.RAW, window(seq, 1))
            if seq != 2:
                wiring.coordinator.send(topics.RAW, frame)
        with pytest.raises(SequenceGap, match="raw: sequence 3 where 2 was due"):
            receive(actor, 4)


@pytest.mark.parametrize("endpoint", ["report", "ingest"])
def test_malformed_frames_are_dropped_reported_and_do_no_harm(endpoints: Endpoints, endpoint: str) -> None:
    with wired(endpoints) as wiring:
        actor, stranger = wiring.actor("a"), wiring.raw(zmq.PUSH, endpoint)
        good = encode(topics.report("b"), Ack("b", 0, ()), Stamp(RUN, 0, 0))
        bad = [b"", b"\0", b"nonsense", good[:-1], good[:40] + bytes([good[40] ^ 1]) + good[41:], good + b"x"]
        for frame in bad:
            stranger.send(frame)
        rejected = wait_for(wiring.coordinator, lambda found: count_rejected(found) == len(bad))
        assert all(arrival.reason for arrival in rejected if isinstance(arrival, Rejected))
        say(actor, topics.report("a"), Ack("a", 0, ()))
        assert messages(wait_for(wiring.coordinator, lambda found: bool(messages(found)))) == [
            Ack("a", 0, ())
        ]


def count_rejected(arrivals: list[Arrival]) -> int:
    return sum(isinstance(arrival, Rejected) for arrival in arrivals)


def test_a_frame_of_another_run_is_dropped_and_its_sender_named(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        foreigner = wiring.actor("a", run=RUN + 1)
        say(foreigner, topics.report("a"), Ack("a", 0, ()))
        say(foreigner, topics.command("a"), Hello("a", 1))
        for link in (wiring.coordinator, wiring.supervisor):
            (arrival,) = [found for found in receive(link, 1) if isinstance(found, Rejected)]
            assert arrival.reason == f"foreign frame from a: run is {RUN + 1}, not {RUN}"


def test_a_message_of_ours_that_is_too_large_is_never_sent(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring, pytest.raises(FrameTooLarge):
        wiring.coordinator.encode(topics.RAW, window(0, MAX_FRAME_BYTES // 68 + 1))


def test_a_frame_of_theirs_that_is_too_large_is_refused(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        stranger = wiring.raw(zmq.PUSH, "report")
        stranger.send(bytes(MAX_FRAME_BYTES + 1), copy=False)
        (arrival,) = receive(wiring.coordinator, 1)
        assert isinstance(arrival, Rejected)
        assert "above the limit" in arrival.reason
        stranger.send(bytes(MAX_FRAME_BYTES + 2048), copy=False)
        actor = wiring.actor("a")
        say(actor, topics.report("a"), Ack("a", 0, ()))
        assert messages(receive(wiring.coordinator, 1)) == [Ack("a", 0, ())]


def test_a_command_under_another_name_is_refused_and_the_true_one_goes_on(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        honest = wiring.link("loader")
        say(honest, topics.command("loader"), Hello("loader", 1))
        assert messages(receive(wiring.supervisor, 1)) == [Hello("loader", 1)]
        liar = wiring.raw(zmq.DEALER, "command", routing_id=b"quality#1")
        liar.send(encode(topics.command("loader"), Attached("loader"), Stamp(RUN, 0, 1)))
        (arrival,) = receive(wiring.supervisor, 1)
        assert arrival == Rejected("malformed frame from quality: it speaks for loader", "quality")
        say(honest, topics.command("loader"), Attached("loader"))
        assert messages(receive(wiring.supervisor, 1)) == [Attached("loader")]


def test_a_command_in_several_parts_is_refused(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        stranger = wiring.raw(zmq.DEALER, "command", routing_id=b"x")
        stranger.send_multipart([b"one", b"two"])
        assert receive(wiring.supervisor, 1) == [Rejected("x sent 2 parts, or is no actor", "x")]


def test_the_supervisor_is_told_whether_an_actor_is_there(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        assert not wiring.supervisor.send("loader", Connect(COORDINATED))
        with closing(Link(endpoints, "loader", Framing(RUN), None)) as loader:
            say(loader, topics.command("loader"), Hello("loader", 1))
            receive(wiring.supervisor, 1)
            assert wiring.supervisor.send("loader", Stop("x"))
            assert messages(receive(loader, 1)) == [Stop("x")]
        deadline = time.monotonic() + DEADLINE_S
        while wiring.supervisor.send("loader", Connect(COORDINATED)):
            assert time.monotonic() < deadline
            list(wiring.supervisor.poll(0.01))


def test_last_words_reach_the_supervisor_though_the_link_is_closed_at_once(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        with closing(Link(endpoints, "loader", Framing(RUN), None)) as loader:
            say(loader, topics.command("loader"), Hello("loader", 1))
        assert messages(receive(wiring.supervisor, 1)) == [Hello("loader", 1)]


def test_who_sends_to_nobody_says_so_and_does_not_wait_for_ever(endpoints: Endpoints) -> None:
    with closing(Link(endpoints, "loader", Framing(RUN), None)) as loader:
        loader.connect("loader", (), COORDINATED)
        loader._senders["report"].setsockopt(zmq.SNDTIMEO, 20)
        with pytest.raises(PeerStalled, match="report/loader"):
            say(loader, topics.report("loader"), Ack("loader", 0, ()))


def test_only_the_coordinator_publishes(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring, pytest.raises(ValueError, match="there is no socket for control"):
        say(wiring.link("loader"), topics.CONTROL, END)


def test_the_end_of_the_supervisor_is_noticed_by_the_lifeline(endpoints: Endpoints) -> None:
    lifeline, held = os.pipe()
    with closing(Link(endpoints, "loader", Framing(RUN), lifeline)) as loader:
        assert list(loader.poll(0)) == []
        os.close(held)
        with pytest.raises(SupervisorGone):
            list(loader.poll(DEADLINE_S))
    os.close(lifeline)


def test_a_watched_descriptor_wakes_the_supervisor_until_it_is_unwatched(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        readable, writable = os.pipe()
        wiring.supervisor.watch(readable)
        os.write(writable, b"x")
        began = time.monotonic()
        assert list(wiring.supervisor.poll(DEADLINE_S)) == []
        assert time.monotonic() - began < DEADLINE_S / 2
        wiring.supervisor.unwatch(readable)
        assert list(wiring.supervisor.poll(0)) == []
        for descriptor in (readable, writable):
            os.close(descriptor)


@pytest.mark.parametrize("spare", [0, 1])
def test_a_socket_path_may_be_as_long_as_the_system_allows_and_no_longer(spare: int) -> None:
    folder = Path("/" + "x" * (IPC_PATH_MAX - len("/observe-9999") - 1 + spare))
    endpoints = Endpoints(folder)
    if spare == 0:
        endpoints.check()
        assert endpoints.url("observe", 9999) == f"ipc://{folder}/observe-9999"
        return
    with pytest.raises(SocketPathTooLong, match="set TMPDIR to a shorter folder") as caught:
        endpoints.check()
    assert caught.value.path == f"{folder}/observe-9999"


def test_a_path_that_is_too_long_leaves_nothing_open(endpoints: Endpoints) -> None:
    too_long = Endpoints(endpoints.folder / ("x" * IPC_PATH_MAX))
    before = psutil.Process().num_fds()
    with pytest.raises(SocketPathTooLong):
        Link(too_long, "loader", Framing(RUN), None)
    with pytest.raises(SocketPathTooLong):
        SupervisorLink(too_long, Framing(RUN))
    assert psutil.Process().num_fds() == before


def test_closing_leaves_no_descriptor_open(endpoints: Endpoints) -> None:
    before = psutil.Process().num_fds()
    with wired(endpoints) as wiring:
        actor = wiring.actor("a", topics.RAW)
        say(wiring.coordinator, topics.RAW, window(0, 5000))
        receive(actor, 1)
    assert psutil.Process().num_fds() == before


def test_two_that_ask_for_one_name_are_answered_apart_and_the_first_goes_on(endpoints: Endpoints) -> None:
    with wired(endpoints) as wiring:
        links = [wiring.raw(zmq.DEALER, "command", routing_id=f"x#{n}".encode()) for n in (1, 2)]
        for pid, link in enumerate(links, 1):
            link.send(encode(topics.command("x"), Attach("x", pid, member=True), Stamp(RUN, 0, 0)))
        asked = receive(wiring.supervisor, 2)
        assert {arrival.sender for arrival in asked if isinstance(arrival, Envelope)} == {"x#1", "x#2"}
        assert wiring.supervisor.send("x#1", Connect(0, 5))
        assert wiring.supervisor.send("x#2", Drop("x", "taken"))
        assert wiring.supervisor.send("x#1", Stop("over"))
        told = [[decode(link.recv()) for _ in range(n)] for link, n in zip(links, (2, 1), strict=True)]
        assert [envelope.message for envelope in told[0]] == [Connect(0, 5), Stop("over")]
        assert [envelope.stamp.sequence for envelope in told[0]] == [0, 1]
        assert [envelope.message for envelope in told[1]] == [Drop("x", "taken")]
        links[0].send(encode(topics.command("x"), Attached("x"), Stamp(RUN, 5, 0)))
        assert messages(receive(wiring.supervisor, 1)) == [Attached("x")]
