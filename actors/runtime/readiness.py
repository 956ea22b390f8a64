"""Wait for sockets without asking libzmq for each: that is 25 µs and 24 system calls a frame with five.

A socket's own descriptor becomes readable when something happens to the socket, and is silent about what
happened before it was last used. So whatever was used is asked once more before a wait; all others are left
to their descriptors. After a wait in vain all are asked.
"""

import select
from typing import Final

import zmq

MS_PER_S: Final = 1000
_EVENTS: Final = int(zmq.EVENTS)
_READABLE: Final = int(zmq.POLLIN)
"""Plain numbers: the enumerations' own operators take longer than the system calls."""


class Readiness:
    """Which sockets have a frame, and which other descriptors are readable."""

    def __init__(self) -> None:
        """Wait for nothing yet."""
        self._poll = select.poll()
        self._sockets: dict[int, zmq.Socket[bytes]] = {}
        self._descriptors: dict[zmq.Socket[bytes], int] = {}
        self._used: set[zmq.Socket[bytes]] = set()
        """Sockets that may have a frame although their descriptor is silent."""

    def watch(self, descriptor: int) -> None:
        """Wait for a descriptor that is no socket's."""
        self._poll.register(descriptor, select.POLLIN)

    def add(self, socket: "zmq.Socket[bytes]") -> None:
        """Wait for a socket's frames."""
        descriptor = int(socket.get(zmq.FD))
        self._sockets[descriptor], self._descriptors[socket] = socket, descriptor
        self._used.add(socket)
        self.watch(descriptor)

    def remove(self, socket: "zmq.Socket[bytes]") -> None:
        """Wait for a socket no more; it is still open."""
        descriptor = self._descriptors.pop(socket)
        del self._sockets[descriptor]
        self._used.discard(socket)
        self._poll.unregister(descriptor)

    def use(self, socket: "zmq.Socket[bytes]") -> None:
        """Take note that a socket has sent: its descriptor may be silent about what came meanwhile."""
        if socket in self._descriptors:
            self._used.add(socket)

    def has_more(self, socket: "zmq.Socket[bytes]") -> bool:
        """Whether a socket has a frame."""
        if int(socket.get(_EVENTS)) & _READABLE:
            return True
        self._used.discard(socket)
        return False

    def wait(self, timeout_s: float) -> set["zmq.Socket[bytes] | int"]:
        """Wait until there is something or the time is up; give the sockets and descriptors."""
        ready: set[zmq.Socket[bytes] | int] = {
            socket for socket in tuple(self._used) if self.has_more(socket)
        }
        timeout_ms = 0 if ready else max(0, int(timeout_s * MS_PER_S))
        for descriptor, _ in self._poll.poll(timeout_ms):
            socket = self._sockets.get(descriptor)
            if socket is not None:
                self._used.add(socket)
            ready.add(descriptor if socket is None else socket)
        if not ready:
            self._used.update(self._descriptors)
        return ready
