"""Name the channels of the pipeline.

A topic ends with a zero byte on the wire, so that none is a prefix of another.
"""

import re
from functools import lru_cache
from typing import Final

from protocol.errors import MalformedFrame

RAW: Final = "raw"
SEALED: Final = "sealed"
SIGNAL: Final = "signal"
PHASE: Final = "phase"
SESSION: Final = "session"
CONTROL: Final = "control"
MAX_TOPIC_BYTES: Final = 64
CACHED: Final = 1024
"""For how many topics it is remembered what they say: looking at them is a tenth of reading a small frame."""
ACTOR_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""What an actor may be called: it becomes a file name, a topic and a socket identity."""
TOPIC: Final = re.compile(
    rf"raw|sealed|signal|phase|session|control|(?:to|report|ingest|command)/{ACTOR_NAME.pattern}", re.ASCII
)
"""Every topic there is."""

JOURNALED: Final = frozenset({SEALED, SIGNAL, PHASE, SESSION, CONTROL})
"""Topics whose frames are appended to the journal before they are published."""


def to(actor: str) -> str:
    """Name the topic that only `actor` subscribes to."""
    return f"to/{actor}"


def mark(actor: str, epoch: int) -> str:
    """Name what an actor subscribes to last, so that seeing it proves all its subscriptions; never sent."""
    return f"to/{actor}@{epoch}"


def report(actor: str) -> str:
    """Name the channel on which `actor` reports to the coordinator."""
    return f"report/{actor}"


def ingest(actor: str) -> str:
    """Name the channel on which `actor` delivers stored bars."""
    return f"ingest/{actor}"


def command(actor: str) -> str:
    """Name the channel between `actor` and the supervisor."""
    return f"command/{actor}"


@lru_cache(maxsize=CACHED)
def sender_of(topic: str) -> str:
    """Name who sends on a topic: the part behind the slash, or the coordinator."""
    channel, _, actor = topic.partition("/")
    return actor if actor and channel != "to" else "coordinator"


@lru_cache(maxsize=CACHED)
def prefix(topic: str) -> bytes:
    """Give the bytes that a frame of this topic starts with, and that a subscriber asks for."""
    return topic.encode() + b"\0"


def split(frame: bytes) -> tuple[str, int]:
    """Read a frame's topic and the offset of what follows it.

    Raises MalformedFrame where there is none within `MAX_TOPIC_BYTES`, or none that `TOPIC` allows.
    """
    end = frame.find(b"\0", 0, MAX_TOPIC_BYTES + 1)
    if end < 1:
        raise MalformedFrame("", "it has no topic")
    return _read(frame[:end]), end + 1


@lru_cache(maxsize=CACHED)
def _read(name: bytes) -> str:
    topic = name.decode("ascii", "replace")
    if TOPIC.fullmatch(topic) is None:
        raise MalformedFrame("", f"unknown topic {topic!r}")
    return topic
