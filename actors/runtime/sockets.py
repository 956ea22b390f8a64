"""How sockets are made, each with all its options."""

from typing import Any, Final

import zmq

from protocol.codec import MAX_COMMAND_BYTES, MAX_FRAME_BYTES

SEND_TIMEOUT_MS: Final = 10_000
SUBSCRIPTION_BYTES: Final = 65_536
"""The longest message that a subscriber may send to a publisher."""
COMMANDS_WAITING: Final = 100_000
"""Frames of one peer that may wait for the supervisor: four hours of heartbeats, should a terminal hang."""
COMMAND_OPTIONS: Final[dict[str, int | bytes]] = {
    "rcvhwm": COMMANDS_WAITING,
    "maxmsgsize": MAX_COMMAND_BYTES + 1024,
}
"""Options of both ends of `command`."""
_RUN_OPTIONS: Final[dict[str, int | bytes]] = {
    "rcvhwm": 0,
    "sndtimeo": SEND_TIMEOUT_MS,
    "maxmsgsize": MAX_FRAME_BYTES + 1024,
    "zap_domain": b"sessionflow",
}
"""A ZAP domain alone makes libzmq refuse peers that speak an older protocol without any mechanism."""


def open_socket(context: zmq.Context[Any], kind: int, **options: int | bytes) -> zmq.Socket[bytes]:
    """Make a socket, which does not linger unless an option says so."""
    socket: zmq.Socket[bytes] = context.socket(kind)
    for name, value in ({"linger": 0} | options).items():
        socket.setsockopt(getattr(zmq, name.upper()), value)
    return socket


def open_run_socket(context: zmq.Context[Any], kind: int, **options: int | bytes) -> zmq.Socket[bytes]:
    """Make a socket between processes of a run, which never blocks for long, with further options."""
    return open_socket(context, kind, **(_RUN_OPTIONS | options))
