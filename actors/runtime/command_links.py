"""`command`, by which a supervisor speaks with the actors of its run and with those who steer or attach.

The supervisor binds it. Whoever connects is known by its process, and not listened to if it sends nonsense.
"""

import os
import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import Final

import zmq

from actors.runtime.framing import Framing, Refusal
from actors.runtime.private_files import require_private_folder
from actors.runtime.sockets import COMMAND_OPTIONS, open_run_socket
from actors.runtime.transport import DRAIN, Endpoints, Rejected
from protocol import topics
from protocol.codec import Envelope
from protocol.errors import ForeignFrame, MalformedFrame, UnwelcomeFrame
from protocol.messages import Attach, Message

MAX_NONSENSE: Final = 100
"""After how many wrong frames a process on `command` is not listened to any more."""
MAX_CLIENTS: Final = 1000
"""How many processes on `command` that are no actors are remembered."""
CLIENT_PREFIX: Final = "ctl-"
"""What the names of those begin with who steer a run and are none of its actors."""
_IDENTITY: Final = re.compile(rb"([a-z0-9][a-z0-9_-]{0,31})#[0-9]+", re.ASCII)
"""A process on `command`: an actor and a number that no other process of it has."""


class SupervisorLink:
    """The supervisor's end of `command`."""

    def __init__(self, endpoints: Endpoints, framing: Framing, refusal: Refusal | None = None) -> None:
        """Bind the endpoint; `refusal` says who is not heard.

        Raises SocketPathTooLong, and NotPrivate.
        """
        url = endpoints.url("command")
        require_private_folder(endpoints.folder)
        self._framing = framing
        self._refusal = refusal
        self._nonsense: Counter[bytes] = Counter()
        """By process, how many of its frames were wrong."""
        self._clients: deque[str] = deque()
        """Those who steer, as long as they are remembered."""
        self._context = zmq.Context()
        self._router = open_run_socket(self._context, zmq.ROUTER, router_mandatory=1, **COMMAND_OPTIONS)
        self._router.bind(url)
        self._poller = zmq.Poller()
        self._poller.register(self._router, zmq.POLLIN)
        self._identities: dict[str, bytes] = {}
        """By actor, the process that spoke for it last; by its own name, each that wants to attach."""

    def watch(self, descriptor: int) -> None:
        """Wake `poll` also when this descriptor becomes readable."""
        self._poller.register(descriptor, zmq.POLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching a descriptor."""
        self._poller.unregister(descriptor)

    def send(self, actor: str, message: Message) -> bool:
        """Send to an actor, or to a process that attaches; False where it is not connected (any more)."""
        identity = self._identities.get(actor, b"")
        topic = topics.command(actor.partition("#")[0])
        frame = self._framing.encode(topic, message, channel=identity.decode() or topic)
        try:
            self._router.send_multipart([identity, frame], zmq.NOBLOCK)
        except (zmq.Again, zmq.ZMQError):
            return False
        return True

    def poll(self, timeout_s: float) -> Iterator[Envelope | Rejected]:
        """Wait until something arrives, a watched descriptor is readable or the time is up."""
        if self._router not in dict(self._poller.poll(max(0, int(timeout_s * 1000)))):
            return
        for _ in range(DRAIN):
            try:
                parts = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if self._nonsense[parts[0]] < MAX_NONSENSE:
                yield self._decode(parts)

    def close(self) -> None:
        """Close at once."""
        self._context.destroy(linger=0)

    def _decode(self, parts: list[bytes]) -> Envelope | Rejected:
        arrival = self._read(parts)
        if isinstance(arrival, Rejected):
            return self._count(parts[0], arrival)
        if arrival.sender.startswith(CLIENT_PREFIX):
            self._remember(arrival.sender)
        self._identities[arrival.sender] = parts[0]
        return arrival

    def _count(self, identity: bytes, rejected: Rejected) -> Rejected:
        """Count a wrong frame against its process, which has a socket identity that no other has."""
        if len(self._nonsense) >= MAX_CLIENTS:
            self._nonsense.clear()
        self._nonsense[identity] += 1
        if self._nonsense[identity] < MAX_NONSENSE:
            return rejected
        words = f"{rejected.reason}; it has sent {MAX_NONSENSE} wrong frames and is not listened to any more"
        return Rejected(words, rejected.sender)

    def _remember(self, client: str) -> None:
        """Forget the client that was heard first where there are many."""
        if client in self._identities:
            return
        self._clients.append(client)
        if len(self._clients) > MAX_CLIENTS:
            oldest = self._clients.popleft()
            self._identities.pop(oldest, None)
            self._framing.forget(topics.command(oldest))

    def _read(self, parts: list[bytes]) -> Envelope | Rejected:
        """Read a frame; who asks to attach goes by its process: the name it asks for may be another's."""
        identity = _IDENTITY.fullmatch(parts[0])
        name = parts[0].decode(errors="replace") if identity is None else identity[1].decode()
        if identity is None or len(parts) != 2:  # noqa: PLR2004  (identity and frame)
            return Rejected(f"{name} sent {len(parts) - 1} parts, or is no actor", name)
        try:
            envelope = self._framing.read(parts[1], name)
            if isinstance(envelope.message, Attach):
                return envelope._replace(sender=parts[0].decode())
            return self._framing.decode(parts[1], name, self._refusal)
        except (MalformedFrame, ForeignFrame, UnwelcomeFrame) as error:
            return Rejected(str(error), name)


class ControlLink:
    """A command line's end of `command`, under a name that no actor has."""

    def __init__(self, endpoints: Endpoints, name: str, framing: Framing) -> None:
        """Connect; nothing says whether anybody is there.

        Raises SocketPathTooLong, and NotPrivate.
        """
        url = endpoints.url("command")
        require_private_folder(endpoints.folder)
        self._framing = framing
        self._topic = topics.command(name)
        self._context = zmq.Context()
        identity = f"{name}#{os.getpid()}".encode()
        self._dealer = open_run_socket(self._context, zmq.DEALER, routing_id=identity, **COMMAND_OPTIONS)
        self._dealer.connect(url)

    def send(self, message: Message) -> None:
        """Send to the supervisor, as soon as it is there."""
        self._dealer.send(self._framing.encode(self._topic, message))

    def receive(self, timeout_s: float) -> Envelope | Rejected | None:
        """Wait for a message; None where none came in time."""
        if not self._dealer.poll(max(0, int(timeout_s * 1000))):
            return None
        try:
            return self._framing.decode(self._dealer.recv(zmq.NOBLOCK))
        except (MalformedFrame, ForeignFrame) as error:
            return Rejected(str(error))

    def close(self) -> None:
        """Close at once."""
        self._context.destroy(linger=0)
