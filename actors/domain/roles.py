"""How a role talks to the shell around it: messages in, effects out.

A role never touches a socket, a file, a clock or a logger. The shell of `actors.runtime` carries its effects
out in the order in which they were yielded; the inline runner and the simulator do the same in one process.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from protocol.messages import Level, Message


class Send(NamedTuple):
    """Send a message on a topic (see `protocol.topics`)."""

    topic: str
    message: Message


class Log(NamedTuple):
    """Write one line to the actor's log."""

    level: Level
    text: str
    sim_ts: int | None = None
    """The simulated instant the line is about, ns UTC."""


class LogLines(NamedTuple):
    """Write many INFO lines at once, as cheaply as can be."""

    texts: Sequence[str]
    sim_ts: Sequence[int]


class Wake(NamedTuple):
    """Call `on_wake` at this instant of the monotonic clock, ns; a later one replaces it."""

    at_ns: int


class Done(NamedTuple):
    """The role has nothing more to do."""


Effect = Send | Log | LogLines | Wake | Done


class RoleError(Exception):
    """A role cannot go on; the message says what happened and what to do about it."""


class Role(Protocol):
    """A state machine without I/O."""

    name: str

    @property
    def windows(self) -> int:
        """Windows handled so far."""
        ...

    @property
    def bars(self) -> int:
        """Bars handled so far."""
        ...

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The stream topics it wants besides `to/<name>`."""
        ...

    def on_message(self, message: Message) -> Iterable[Effect]:
        """Handle one message.

        Raises RoleError, or ProtocolError where the message cannot be.
        """
        ...
