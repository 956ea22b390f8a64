"""Observers on other machines: they subscribe over TCP, with a key, and can do nothing else.

1. What is published to them is encrypted and signed by CURVE. Peers without CURVE, with another server's
   key or with a key that is not in the allow-list do not get past the handshake.
2. Keys are checked by a ZAP handler of our own in the event loop: it needs no thread, which actors do not
   have, and says who was refused. What fails before it, the socket's monitor tells.
3. All of it has a ZeroMQ context of its own. The run's sockets ask no ZAP handler and share no thread.
4. A slow observer misses frames and is never waited for. What it subscribes to decides nothing else.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import zmq
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from actors.runtime.key_files import KeyPair, ServerKeys
from actors.runtime.sockets import SUBSCRIPTION_BYTES, open_socket
from protocol import codec, topics
from protocol.codec import MAX_FRAME_BYTES, Envelope
from protocol.errors import ForeignFrame, MalformedFrame

ZAP_DOMAIN: Final = b"sessionflow-remote"
_ZAP_ENDPOINT: Final = "inproc://zeromq.zap.01"
_ZAP_PARTS: Final = 7
OBSERVED_FRAMES: Final = 1000
"""How many frames a remote observer may be behind before it misses some."""
HANDSHAKE_MS: Final = 5_000
FAREWELL_MS: Final = 500
"""How long the last frames may take when the run is over."""
ATTENDED: Final = 64
"""Handshakes and subscriptions that are looked at in one turn."""
_FAILED: Final[dict[int, str]] = {
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "it has no key, or another server's, or speaks another protocol",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "it has no key, broke off, or took too long",
}


class AddressTaken(Exception):
    """The address for remote observers cannot be had."""

    def __init__(self, url: str, reason: str) -> None:
        """Keep the address, and the system's words."""
        super().__init__(
            f"{url} cannot be listened on ({reason}): choose another port, or end what has it; "
            "the address must be one of this machine's"
        )
        self.url = url
        self.reason = reason


class BadAddress(Exception):
    """What was given is no address to connect to."""

    def __init__(self, url: str) -> None:
        """Keep it."""
        super().__init__(f"{url!r} is no address: write tcp://HOST:PORT, such as tcp://127.0.0.1:5571")
        self.url = url


class Missed(NamedTuple):
    """Frames of a topic that were dropped on the way, because we were too slow or not connected."""

    topic: str
    frames: int


class Admitted(NamedTuple):
    """A remote observer was let in."""

    name: str


class Refused(NamedTuple):
    """A peer that was not let in, or a frame that was no frame of the run, and why."""

    reason: str


class RemoteObservers:
    """The server's end: an XPUB socket over TCP, with its door."""

    def __init__(self, url: str, keys: ServerKeys) -> None:
        """Listen.

        Raises AddressTaken.
        """
        self._allowed = keys.allowed
        self._context = zmq.Context()
        self._zap = open_socket(self._context, zmq.REP)
        self._zap.bind(_ZAP_ENDPOINT)
        self._publisher = open_socket(
            self._context,
            zmq.XPUB,
            curve_server=1,
            curve_secretkey=keys.pair.secret,
            zap_domain=ZAP_DOMAIN,
            linger=FAREWELL_MS,
            sndhwm=OBSERVED_FRAMES,
            handshake_ivl=HANDSHAKE_MS,
            maxmsgsize=SUBSCRIPTION_BYTES,
            ipv6=int("[" in url),
        )
        self._monitor: zmq.Socket[bytes] = self._publisher.get_monitor_socket(sum(_FAILED))
        self._is_heard = False
        """Whether anybody has ever subscribed; who says that it leaves may not speak for the others."""
        self.refused = 0
        """Handshakes that failed."""
        try:
            self._publisher.bind(url)
        except zmq.ZMQError as error:
            self.close()
            raise AddressTaken(url, os.strerror(error.errno or 0)) from error

    @property
    def sockets(self) -> Sequence["zmq.Socket[bytes]"]:
        """What `attend` has to be called for when one of them is readable."""
        return self._zap, self._publisher, self._monitor

    def send(self, frame: bytes, copy: bool) -> None:  # noqa: FBT001  as zmq has it
        """Publish a frame; who is too slow misses it."""
        if self._is_heard:
            self._publisher.send(frame, zmq.NOBLOCK, copy)

    def attend(self) -> Iterator[Admitted | Refused]:
        """Let in whom the list names, notice subscriptions, and say who was let in or refused."""
        for parts in _received(self._zap):
            yield from self._answer(parts)
        for parts in _received(self._publisher):
            self._is_heard = self._is_heard or parts[0][:1] == b"\1"
        for parts in _received(self._monitor):
            words = _FAILED.get(parse_monitor_message(parts)["event"])
            if words is not None:
                self.refused += 1
                yield Refused(f"a remote observer was refused: {words}")

    def close(self) -> None:
        """Close; the last frames have a moment."""
        self._publisher.disable_monitor()
        self._monitor.close()
        self._zap.close()
        self._publisher.close()
        self._context.term()

    def _answer(self, parts: list[bytes]) -> Iterator[Admitted | Refused]:
        """Answer one question of libzmq, whether a key may come in (RFC 27)."""
        curve = len(parts) == _ZAP_PARTS and parts[2] == ZAP_DOMAIN and parts[5] == b"CURVE"
        key = z85.encode(parts[6]) if curve else b""
        name = self._allowed.get(key)
        status = (b"400", b"refused", b"") if name is None else (b"200", b"", name.encode())
        self._zap.send_multipart([b"1.0", *parts[1:2], *status, b""], zmq.NOBLOCK)
        address = parts[3].decode("ascii", "replace") if len(parts) > 3 else ""  # noqa: PLR2004
        if name is not None:
            yield Admitted(name)
            return
        self.refused += 1
        yield Refused(f"a remote observer at {address} was refused: its key {key.decode()} is not allowed")


class RemoteObserver:
    """The client's end: sees what is published from now on, checked as in the run itself.

    It belongs to the run whose frame comes first. What it is too slow for it misses, and is told so.
    """

    def __init__(self, url: str, server: bytes, keys: KeyPair, subscriptions: Sequence[str]) -> None:
        """Connect; `server` is the server's public key. Nothing says whether anybody lets us in.

        Raises BadAddress.
        """
        if not url.startswith("tcp://"):
            raise BadAddress(url)
        self._context = zmq.Context()
        self._socket = open_socket(
            self._context,
            zmq.SUB,
            curve_serverkey=server,
            curve_publickey=keys.public,
            curve_secretkey=keys.secret,
            rcvhwm=OBSERVED_FRAMES,
            maxmsgsize=MAX_FRAME_BYTES + 1024,
            handshake_ivl=HANDSHAKE_MS,
            ipv6=int("[" in url),
        )
        for topic in subscriptions:
            self._socket.setsockopt(zmq.SUBSCRIBE, topics.prefix(topic))
        try:
            self._socket.connect(url)
        except zmq.ZMQError as error:
            self.close()
            raise BadAddress(url) from error
        self._run: int | None = None
        self._next: dict[str, tuple[int, int]] = {}
        self._waiting: Envelope | None = None

    def receive(self, timeout_s: float) -> Envelope | Missed | Refused | None:
        """Wait for a frame; None where none came in time. What was missed is said before what came."""
        if self._waiting is not None:
            envelope, self._waiting = self._waiting, None
            return envelope
        if not self._socket.poll(max(0, int(timeout_s * 1000))):
            return None
        try:
            envelope = codec.decode(self._socket.recv(zmq.NOBLOCK), run=self._run)
        except (MalformedFrame, ForeignFrame) as error:
            return Refused(str(error))
        self._run = envelope.stamp.run
        return self._count(envelope)

    def close(self) -> None:
        """Close at once."""
        self._context.destroy(linger=0)

    def _count(self, envelope: Envelope) -> Envelope | Missed:
        topic, (_, epoch, sequence) = envelope.topic, envelope.stamp
        current, expected = self._next.get(topic, (epoch, sequence))
        self._next[topic] = epoch, sequence + 1
        if epoch == current and sequence > expected:
            self._waiting = envelope
            return Missed(topic, sequence - expected)
        return envelope


def make_pair() -> KeyPair:
    """Make a new key."""
    return KeyPair(*zmq.curve_keypair())


def _received(socket: "zmq.Socket[bytes]") -> Iterator[list[bytes]]:
    """Take what has arrived, up to a bound; each is dealt with before the next is taken."""
    for _ in range(ATTENDED):
        try:
            yield socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
