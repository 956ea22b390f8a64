"""The sockets of a run, over which its processes reach each other.

1. The supervisor binds `command`, the coordinator binds the rest, everyone else connects, and only after the
   supervisor has said that the coordinator's sockets are bound.
2. The run's own PUB socket never drops: `XPUB_NODROP`, high-water marks far above the credit, and a send that
   would block for longer than `SEND_TIMEOUT_MS` is an error. Whoever is attached listens to a socket of its
   own (`observe`), which drops what a slow one does not take and never makes anybody wait.
3. Subscribers have no high-water mark: credit bounds what is in flight. Whoever can open a socket can send
   to those that take frames in, so they have one, per peer and far above what an honest one has under way.
4. Data sockets do not reconnect, so a break is visible. Sockets linger only for the last words of a failure.
5. The coordinator's endpoints are named after its epoch, so that a new one never shares any with an old one.
6. The folder of the sockets is private, which everyone checks who connects. Even so, a frame that its sender
   has no business sending ends nobody: it is refused and its sender named.
7. Contexts and sockets are made in the process and thread that use them, never before a fork.
"""

import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import zmq

from actors.domain.speakers import Speakers
from actors.runtime.framing import Framing, Refusal
from actors.runtime.private_files import require_private_folder
from actors.runtime.readiness import Readiness
from actors.runtime.remote import Admitted, Refused, RemoteObservers
from actors.runtime.sockets import COMMAND_OPTIONS, SEND_TIMEOUT_MS, SUBSCRIPTION_BYTES, open_run_socket
from protocol import topics
from protocol.codec import Envelope
from protocol.errors import ForeignFrame, MalformedFrame, SequenceGap, UnwelcomeFrame
from protocol.messages import Message

LAST_WORDS_MS: Final = 500
ZERO_COPY_BYTES: Final = 65_536
"""Below this a copy is faster than keeping track of a shared buffer."""
DRAIN: Final = 64
"""Frames taken from one socket before the others are looked at."""
IPC_PATH_MAX: Final = zmq.IPC_PATH_MAX_LEN
ENDPOINTS: Final = ("ingest", "stream", "observe", "report")
"""Those of the coordinator; the supervisor's is `command`."""
OBSERVED_FRAMES: Final = 128
"""How many frames somebody attached may be behind before it misses some."""
WAITING_FRAMES: Final = 32
"""How many of them wait in its own process."""
ATTACHED_SEND_MS: Final = 1000
"""How long somebody attached waits for a coordinator that does not listen: another may be about to come."""


class SocketPathTooLong(Exception):
    """The folder for sockets is too deep for the operating system."""

    def __init__(self, path: str) -> None:
        """Keep the path."""
        super().__init__(
            f"socket path {path} is {len(path.encode())} bytes long, the limit is {IPC_PATH_MAX}: "
            f"set TMPDIR to a shorter folder"
        )
        self.path = path


class PeerStalled(Exception):
    """Nobody takes what we send."""

    def __init__(self, topic: str) -> None:
        """Keep the topic."""
        super().__init__(
            f"{topic}: nothing was taken for {SEND_TIMEOUT_MS / 1000:g} s; the receiver is stalled"
        )
        self.topic = topic


class SupervisorGone(Exception):
    """The supervisor's process has ended."""


class Endpoints(NamedTuple):
    """The sockets of a run, as files of one private folder."""

    folder: Path

    def url(self, name: str, epoch: int | None = None) -> str:
        """Give the address of an endpoint, for those of the coordinator of its epoch.

        Raises SocketPathTooLong.
        """
        path = str(self.folder / (name if epoch is None else f"{name}-{epoch}"))
        if len(path.encode()) > IPC_PATH_MAX:
            raise SocketPathTooLong(path)
        return f"ipc://{path}"

    def check(self) -> None:
        """Raise SocketPathTooLong if any endpoint is too long."""
        for name in ENDPOINTS:
            self.url(name, epoch=9_999)


class Subscription(NamedTuple):
    """Somebody has subscribed to a topic."""

    topic: str


class Rejected(NamedTuple):
    """A frame that was dropped, and why."""

    reason: str
    sender: str = ""
    """Who claims to have sent it, as far as is known."""


class Broken(NamedTuple):
    """The frames of a guest, an actor that the plan does not know, have a hole: it is to be let go."""

    actor: str
    reason: str


Arrival = Envelope | Subscription | Rejected | Broken | Admitted


class Link:
    """The sockets of one actor: sends by topic, polls them all, commands first."""

    def __init__(self, endpoints: Endpoints, actor: str, framing: Framing, lifeline: int | None) -> None:
        """Connect to the supervisor; `lifeline` is a descriptor that becomes readable when it dies.

        Raises SocketPathTooLong, and NotPrivate.
        """
        url = endpoints.url("command")
        require_private_folder(endpoints.folder)
        self._endpoints = endpoints
        self._framing = framing
        self._lifeline = lifeline
        self._context = zmq.Context()
        self._readiness = Readiness()
        self._senders: dict[str, zmq.Socket[bytes]] = {}
        self._receivers: list[zmq.Socket[bytes]] = []
        self._publisher: zmq.Socket[bytes] | None = None
        self._observed: zmq.Socket[bytes] | None = None
        self._observers = 0
        self._lossy: zmq.Socket[bytes] | None = None
        """What may miss frames, and leaves it to who reads them to notice."""
        self._remote: RemoteObservers | None = None
        self._speakers: Speakers | None = None
        if lifeline is not None:
            self._readiness.watch(lifeline)
        identity = f"{actor}#{os.getpid()}".encode()
        command = self._socket(zmq.DEALER, routing_id=identity, linger=LAST_WORDS_MS, **COMMAND_OPTIONS)
        command.connect(url)
        self._command = command
        self._add(command, sends="command", receives=True)

    @property
    def epoch(self) -> int:
        """That of this process's frames."""
        return self._framing.epoch

    def bind(
        self, credit: int, speakers: Speakers | None = None, remote: RemoteObservers | None = None
    ) -> None:
        """Open the coordinator's sockets, which hear `speakers`; `remote` ones get what observers get."""
        room = max(1000, 64 * credit)
        asked: dict[str, int] = {"maxmsgsize": SUBSCRIPTION_BYTES}
        publisher = self._socket(zmq.XPUB, sndhwm=room, xpub_verbose=1, xpub_nodrop=1, **asked)
        observed = self._socket(zmq.XPUB, sndhwm=OBSERVED_FRAMES, xpub_verboser=1, **asked)
        self._speakers, self._remote = speakers, remote
        for socket in () if remote is None else remote.sockets:
            self._readiness.add(socket)
        for socket, name in ((publisher, "stream"), (observed, "observe")):
            self._bind(socket, name)
        self._publisher, self._observed = publisher, observed
        for name in ("report", "ingest"):
            self._bind(self._socket(zmq.PULL, rcvhwm=room), name)

    def connect(self, actor: str, subscriptions: tuple[str, ...], epoch: int) -> None:
        """Open the sockets of one of the run's own actors, to the coordinator of an epoch."""
        self._subscribe(actor, subscriptions, self._endpoints.url("stream", epoch), rcvhwm=0)
        for name in ("report", "ingest"):
            self._push(name, epoch)

    def attach(self, actor: str, subscriptions: tuple[str, ...], epoch: int) -> None:
        """Open the sockets of an attached actor, in place of those to an earlier coordinator."""
        for socket in [*self._receivers, *self._senders.values()]:
            if socket is not self._command:
                self._close(socket)
        url = self._endpoints.url("observe", epoch)
        self._lossy = self._subscribe(actor, subscriptions, url, rcvhwm=WAITING_FRAMES)
        self._push("report", epoch, sndtimeo=ATTACHED_SEND_MS, linger=LAST_WORDS_MS)

    def watch(self, descriptor: int) -> None:
        """Wake `poll` also when this descriptor becomes readable."""
        self._readiness.watch(descriptor)

    def renew(self, epoch: int) -> None:
        """Number this process's frames anew, in another epoch."""
        self._framing.renew(epoch)

    def _subscribe(
        self, actor: str, subscriptions: tuple[str, ...], url: str, *, rcvhwm: int
    ) -> zmq.Socket[bytes]:
        """Listen; the mark is subscribed last, so that seeing it proves the others."""
        subscriber = self._socket(zmq.SUB, sndhwm=0, reconnect_ivl=-1, rcvhwm=rcvhwm)
        for topic in (*subscriptions, topics.to(actor), topics.mark(actor, self.epoch)):
            subscriber.setsockopt(zmq.SUBSCRIBE, topics.prefix(topic))
        subscriber.connect(url)
        self._add(subscriber, sends=None, receives=True)
        return subscriber

    def _push(self, name: str, epoch: int, **options: int) -> None:
        pusher = self._socket(zmq.PUSH, sndhwm=1000, immediate=1, reconnect_ivl=-1, **options)
        pusher.connect(self._endpoints.url(name, epoch))
        self._add(pusher, sends=name, receives=False)

    def _close(self, socket: zmq.Socket[bytes]) -> None:
        if socket in self._receivers:
            self._receivers.remove(socket)
            self._readiness.remove(socket)
        self._senders = {name: other for name, other in self._senders.items() if other is not socket}
        socket.close(linger=0)

    def encode(self, topic: str, message: Message) -> bytes:
        """Build the next frame of a topic."""
        return self._framing.encode(topic, message)

    def send(self, topic: str, frame: bytes) -> None:
        """Send a frame.

        Raises PeerStalled where nobody takes it in time.
        """
        socket = self._senders.get(topic.partition("/")[0], self._publisher)
        if socket is None:
            raise ValueError(f"there is no socket for {topic}")
        copy = len(frame) < ZERO_COPY_BYTES
        try:
            socket.send(frame, 0, copy)
        except zmq.Again as error:
            raise PeerStalled(topic) from error
        self._readiness.use(socket)
        if socket is self._publisher and topic != topics.RAW:
            self._send_to_observers(frame, copy=copy)

    def _send_to_observers(self, frame: bytes, *, copy: bool) -> None:
        if self._observers and self._observed:
            self._observed.send(frame, 0, copy)
            self._readiness.use(self._observed)
        if self._remote is not None:
            self._remote.send(frame, copy)
            for socket in self._remote.sockets:
                self._readiness.use(socket)

    def poll(self, timeout_s: float) -> Iterator[Arrival]:
        """Wait until something arrives or the time is up, then yield a bounded number of arrivals.

        Raises SequenceGap where a message was lost, and SupervisorGone.
        """
        ready = self._readiness.wait(timeout_s)
        if self._lifeline is not None and self._lifeline in ready:
            raise SupervisorGone
        for socket in self._receivers:
            if socket in ready:
                yield from self._drain(socket)
        if self._remote is not None and not ready.isdisjoint(self._remote.sockets):
            for news in self._remote.attend():
                yield Rejected(news.reason) if isinstance(news, Refused) else news

    def take_commands(self) -> Iterator[Arrival]:
        """Yield what the supervisor has sent, without waiting; everything else is left for `poll`.

        Raises SupervisorGone.
        """
        if self._lifeline is not None and select.select([self._lifeline], [], [], 0)[0]:
            raise SupervisorGone
        yield from self._drain(self._command)

    def close(self) -> None:
        """Close everything; only a failure's last words are waited for, briefly."""
        if self._remote is not None:
            self._remote.close()
        self._context.destroy(linger=None)

    def _drain(self, socket: zmq.Socket[bytes]) -> Iterator[Arrival]:
        self._readiness.use(socket)
        for _ in range(DRAIN):
            try:
                frame = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if socket in (self._publisher, self._observed):
                yield from self._subscription(socket, frame)
            elif self._speakers is not None and socket is not self._command:
                yield self._hear(frame, self._speakers)
            else:
                yield self._decode(frame, lossy=socket is self._lossy)
            if not self._readiness.has_more(socket):
                return

    def _subscription(self, socket: zmq.Socket[bytes], frame: bytes) -> Iterator[Subscription]:
        """Read a subscription; on `observe` all are counted, so that nothing is sent there in vain."""
        if frame[:1] not in (b"\0", b"\1"):
            return
        if socket is self._observed:
            self._observers += 1 if frame[:1] == b"\1" else -1
        if frame[:1] == b"\1":
            yield Subscription(frame[1:].rstrip(b"\0").decode("ascii", errors="replace"))

    def _hear(self, frame: bytes, speakers: Speakers) -> Envelope | Rejected | Broken:
        """Read what anybody may have sent; what a guest loses or repeats is its own trouble."""
        try:
            return self._decode(frame, speakers.refusal)
        except SequenceGap as gap:
            actor = topics.sender_of(gap.channel)
            if speakers.is_planned(actor):
                raise
            speakers.expel(actor)
            return Broken(actor, str(gap))

    def _decode(
        self, frame: bytes, refusal: Refusal | None = None, *, lossy: bool = False
    ) -> Envelope | Rejected:
        try:
            return self._framing.read(frame) if lossy else self._framing.decode(frame, refusal=refusal)
        except (MalformedFrame, ForeignFrame, UnwelcomeFrame) as error:
            return Rejected(str(error), error.sender)

    def _add(self, socket: zmq.Socket[bytes], *, sends: str | None, receives: bool) -> None:
        if sends is not None:
            self._senders[sends] = socket
        if receives:
            self._receivers.append(socket)
            self._readiness.add(socket)

    def _bind(self, socket: zmq.Socket[bytes], name: str) -> None:
        socket.bind(self._endpoints.url(name, self.epoch))
        self._add(socket, sends=None, receives=True)

    def _socket(self, kind: int, **options: int | bytes) -> zmq.Socket[bytes]:
        return open_run_socket(self._context, kind, **options)
