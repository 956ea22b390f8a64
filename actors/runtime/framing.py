"""Stamp what goes out, check what comes in, keep what must outlive the process."""

from collections.abc import Callable
from typing import Protocol

from protocol import codec, topics
from protocol.codec import Envelope, Stamp
from protocol.errors import MalformedFrame
from protocol.lifecycle import Phase
from protocol.messages import Message, PhaseEvent
from protocol.sequencing import Numbering, SequenceCheck


class Framing:
    """The frames of one process: its own numbering, and what it expects of others."""

    def __init__(self, run: int, epoch: int = 0) -> None:
        """Belong to a run and one of its epochs."""
        self.run = run
        self.epoch = epoch
        self._numbering = Numbering()
        self._check = SequenceCheck()

    def renew(self, epoch: int) -> None:
        """Number everything from 0 again, in another epoch."""
        self.epoch = epoch
        self._numbering = Numbering()

    def encode(self, topic: str, message: Message) -> bytes:
        """Build the next frame of a topic.

        Raises FrameTooLarge.
        """
        return codec.encode(topic, message, Stamp(self.run, self.epoch, self._numbering.take(topic)))

    def decode(self, frame: bytes, sender: str | None = None) -> Envelope:
        """Read a frame; where it is known who sent it, it must say so.

        Raises ProtocolError where it is malformed, foreign, of an epoch that is over, or out of sequence.
        """
        envelope = codec.decode(frame, run=self.run)
        if sender is not None and envelope.sender != sender:
            raise MalformedFrame(sender, f"it speaks for {envelope.sender}")
        self._check.accept(envelope.topic, envelope.stamp.epoch, envelope.stamp.sequence)
        return envelope


class Journal(Protocol):
    """Where frames are appended before they are published."""

    def start_segment(self, index: int) -> None:
        """Begin the segment of a session."""
        ...

    def append(self, frame: bytes) -> None:
        """Keep a frame."""
        ...


def publish(
    journal: Journal, topic: str, message: Message, frame: bytes, send: Callable[[str, bytes], None]
) -> None:
    """Append a frame to the journal where it is one that is kept, then send it: never the other way round."""
    keep(journal, topic, message, frame)
    send(topic, frame)


def keep(journal: Journal, topic: str, message: Message, frame: bytes) -> None:
    """Append a frame to the journal if its topic is one that is kept; a session starts its own segment."""
    if topic not in topics.JOURNALED:
        return
    if (
        isinstance(message, PhaseEvent)
        and message.phase == Phase.INITIALIZATION
        and message.state == "started"
    ):
        journal.start_segment(message.session)
    journal.append(frame)
