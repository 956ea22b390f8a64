"""The door for remote observers: who has no key that is allowed sees nothing and disturbs nobody."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psutil
import pytest
import zmq

from actors.runtime.key_files import KeyPair, ServerKeys
from actors.runtime.remote import (
    AddressTaken,
    BadAddress,
    Missed,
    Refused,
    RemoteObserver,
    RemoteObservers,
    make_pair,
)
from protocol import topics
from protocol.codec import Envelope, Stamp, encode
from protocol.messages import PhaseEvent, RunEnd

DEADLINE_S = 20.0
RUN = 11
END = RunEnd(1, "data", "stream")


def frame(sequence: int, run: int = RUN, epoch: int = 0) -> bytes:
    return encode(topics.CONTROL, END, Stamp(run, epoch, sequence))


class Door:
    """A server with one client that is allowed in."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.server, self.bob, self.eve = make_pair(), make_pair(), make_pair()
        self.url = f"tcp://127.0.0.1:{free_port()}"
        keys = ServerKeys(self.server, {self.bob.public: "bob"})
        self.observers = stack.enter_context(closing(RemoteObservers(self.url, keys)))
        self.said: list[str] = []
        self.names: list[str] = []

    def observer(self, pair: KeyPair, server: KeyPair | None = None) -> RemoteObserver:
        public = (server or self.server).public
        made = RemoteObserver(self.url, public, pair, (topics.CONTROL,))
        return self._stack.enter_context(closing(made))

    def raw(self, kind: int) -> "zmq.Socket[bytes]":
        context = self._stack.enter_context(zmq.Context())
        found: zmq.Socket[bytes] = self._stack.enter_context(context.socket(kind))
        found.linger = 0
        found.connect(self.url)
        return found

    def let_in(self, observer: RemoteObserver) -> Envelope:
        """Publish until the observer hears it."""
        for sequence in self._turns("the observer hears"):
            self.observers.send(frame(sequence), copy=True)
            arrival = observer.receive(0.01)
            if isinstance(arrival, Envelope):
                return arrival
        raise AssertionError

    def refuse(self, words: str) -> None:
        """Wait until somebody was refused in these words."""
        for _ in self._turns(words):
            if any(words in line for line in self.said):
                return

    def _turns(self, what: str) -> Iterator[int]:
        deadline, turn = time.monotonic() + DEADLINE_S, 0
        poller = zmq.Poller()
        for each in self.observers.sockets:
            poller.register(each, zmq.POLLIN)
        while True:
            assert time.monotonic() < deadline, (what, self.said)
            poller.poll(20)
            for news in self.observers.attend():
                (self.said if isinstance(news, Refused) else self.names).append(news[0])
            yield turn
            turn += 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def door() -> Iterator[Door]:
    with ExitStack() as stack:
        yield Door(stack)


def test_who_has_an_allowed_key_hears_what_is_published(door: Door) -> None:
    heard = door.let_in(door.observer(door.bob))
    assert (heard.message, heard.stamp.run) == (END, RUN)
    assert (door.said, door.names) == ([], ["bob"])


def test_a_key_that_is_not_allowed_is_refused_by_name_and_hears_nothing(door: Door) -> None:
    eve = door.observer(door.eve)
    door.refuse(f"at 127.0.0.1 was refused: its key {door.eve.public.decode()} is not allowed")
    door.let_in(door.observer(door.bob))
    assert eve.receive(0.1) is None


def test_who_takes_another_for_the_server_is_refused(door: Door) -> None:
    misled = door.observer(door.bob, server=door.eve)
    door.refuse("it has no key, or another server's")
    door.let_in(door.observer(door.bob))
    assert misled.receive(0.1) is None


@pytest.mark.parametrize("kind", [zmq.SUB, zmq.XSUB, zmq.PUSH, zmq.DEALER, zmq.REQ])
def test_who_has_no_key_at_all_is_refused_and_hears_nothing(door: Door, kind: int) -> None:
    stranger = door.raw(kind)
    if kind == zmq.SUB:
        stranger.subscribe(b"")
    door.refuse("a remote observer was refused: it has no key, ")
    door.let_in(door.observer(door.bob))
    assert not stranger.poll(50)


@pytest.mark.parametrize(
    "content", [b"\x01\x00\x01\x01", b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\xff" * 500]
)
def test_raw_bytes_of_an_older_protocol_or_of_none_get_no_answer_with_bars(
    door: Door, content: bytes
) -> None:
    with socket.create_connection(door.url.removeprefix("tcp://").split(":"), timeout=5) as peer:  # type: ignore[arg-type]
        peer.sendall(content)
        door.let_in(door.observer(door.bob))
        peer.setblocking(False)
        assert b"control" not in _received(peer)


def _received(peer: socket.socket) -> bytes:
    try:
        return peer.recv(10_000)
    except OSError:
        return b""


def test_what_an_observer_missed_is_said_before_what_comes_next(door: Door) -> None:
    observer = door.observer(door.bob)
    last = door.let_in(observer).stamp.sequence
    door.observers.send(frame(last + 4), copy=True)
    assert observer.receive(DEADLINE_S) == Missed(topics.CONTROL, 3)
    arrival = observer.receive(DEADLINE_S)
    assert isinstance(arrival, Envelope)
    assert arrival.stamp.sequence == last + 4
    door.observers.send(frame(0, epoch=1), copy=True)
    assert isinstance(observer.receive(DEADLINE_S), Envelope)


def test_frames_of_another_run_and_nonsense_are_refused_by_the_observer_too(door: Door) -> None:
    observer = door.observer(door.bob)
    door.let_in(observer)
    for content in (frame(0, run=RUN + 1), topics.prefix(topics.CONTROL) + b"nonsense"):
        door.observers.send(content, copy=True)
        assert isinstance(observer.receive(DEADLINE_S), Refused)


def test_an_observer_that_takes_nothing_holds_nobody_up(door: Door) -> None:
    door.let_in(door.observer(door.bob))
    large = encode(topics.CONTROL, PhaseEvent(0, 1, "started", 0), Stamp(RUN, 0, 1)) + bytes(50_000)
    began = time.monotonic()
    for _ in range(5_000):
        door.observers.send(large, copy=False)
    assert time.monotonic() - began < DEADLINE_S


def test_an_address_that_is_taken_or_is_not_ours_is_said_and_nothing_stays_open(door: Door) -> None:
    before = psutil.Process().num_fds()
    with pytest.raises(AddressTaken, match=r"Address already in use.*choose another port"):
        RemoteObservers(door.url, ServerKeys(door.server, {}))
    with pytest.raises(AddressTaken, match="cannot be listened on"):
        RemoteObservers("tcp://203.0.113.7:5571", ServerKeys(door.server, {}))
    assert psutil.Process().num_fds() == before


@pytest.mark.parametrize("url", ["", "here", "tcp://", "ipc:///x", "tcp://127.0.0.1", "tcp://127.0.0.1:x"])
def test_what_is_no_address_is_not_connected_to(door: Door, url: str) -> None:
    with pytest.raises(BadAddress, match="is no address: write tcp://HOST:PORT"):
        RemoteObserver(url, door.server.public, door.bob, ())
