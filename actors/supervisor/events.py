"""What the supervisor learns of a run, and what it can do about it."""

from collections.abc import Mapping
from typing import NamedTuple

from protocol.messages import Answer, Finished, Level, Message, Steer


class Greeted(NamedTuple):
    """An actor's process has said hello."""

    actor: str
    pid: int


class Joined(NamedTuple):
    """An actor has joined the pipeline."""

    actor: str


class Seen(NamedTuple):
    """An actor gave a sign of life."""

    actor: str


class Concluded(NamedTuple):
    """The coordinator has given its verdict."""

    finished: Finished


class Complained(NamedTuple):
    """An actor says that it cannot go on."""

    actor: str
    exit_code: int
    reason: str


class Examined(NamedTuple):
    """What an actor's process was doing when it was asked for its stack; empty where nothing is known."""

    actor: str
    finding: str


class Exited(NamedTuple):
    """An actor's process has ended; a negative code is a signal."""

    actor: str
    code: int


class Interrupted(NamedTuple):
    """The user wants it to end."""


class Ticked(NamedTuple):
    """Time has passed; with it, each actor's processor time so far."""

    now_ns: int
    cpu_ns: Mapping[str, int]


class Steered(NamedTuple):
    """A client asks for something."""

    steer: Steer


class Answered(NamedTuple):
    """The coordinator says what became of it."""

    answer: Answer


class Asked(NamedTuple):
    """A process that is none of ours asks to take part."""

    actor: str
    process: str
    """By which it is answered."""
    pid: int
    member: bool


class Departed(NamedTuple):
    """Somebody attached says that it leaves."""

    actor: str


class Vanished(NamedTuple):
    """The process of somebody attached has ended."""

    actor: str


Event = (
    Greeted
    | Joined
    | Seen
    | Concluded
    | Complained
    | Examined
    | Exited
    | Interrupted
    | Ticked
    | Steered
    | Answered
    | Asked
    | Departed
    | Vanished
)


class Tell(NamedTuple):
    """Send a message to an actor."""

    actor: str
    message: Message


class Kill(NamedTuple):
    """Kill an actor's process."""

    actor: str


class Start(NamedTuple):
    """Start a new process of an actor."""

    actor: str
    epoch: int
    without: frozenset[str]
    """Actors that the run goes on without."""
    paused: bool = False
    """For a coordinator that was steered: whether it waits until it is told again how to go."""


class Dump(NamedTuple):
    """Have an actor's process write down where it is, and find out whether it can."""

    actor: str


class Follow(NamedTuple):
    """Watch a process that is none of ours."""

    actor: str
    pid: int


class Note(NamedTuple):
    """Write a line to the supervisor's log."""

    level: Level
    text: str


Action = Tell | Kill | Start | Dump | Follow | Note
