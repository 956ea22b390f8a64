"""Stamp what goes out, check what comes in, keep what must outlive the process."""

from collections.abc import Callable
from typing import Protocol

from protocol import codec, topics
from protocol.codec import Envelope, Stamp
from protocol.errors import MalformedFrame, UnwelcomeFrame
from protocol.lifecycle import Phase
from protocol.messages import Message, PhaseEvent
from protocol.sequencing import Numbering, SequenceCheck

Refusal = Callable[[Envelope], str | None]
"""Says why a frame is not heard, where it is not."""


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

    def encode(self, topic: str, message: Message, channel: str | None = None) -> bytes:
        """Build the next frame of a topic; `channel` counts apart what several hear under one topic.

        Raises FrameTooLarge.
        """
        number = self._numbering.take(channel or topic)
        return codec.encode(topic, message, Stamp(self.run, self.epoch, number))

    def forget(self, channel: str) -> None:
        """Expect nothing of a channel any more."""
        self._check.forget(channel)

    def decode(self, frame: bytes, sender: str | None = None, refusal: Refusal | None = None) -> Envelope:
        """Read a frame; where it is known who sent it, it must say so. What is refused is not counted.

        Raises ProtocolError where it is malformed, foreign, unwelcome, of an epoch that is over, or out of
        sequence.
        """
        envelope = self.read(frame, sender)
        reason = None if refusal is None else refusal(envelope)
        if reason is not None:
            raise UnwelcomeFrame(envelope.sender, reason)
        self.check(envelope)
        return envelope

    def read(self, frame: bytes, sender: str | None = None) -> Envelope:
        """Read a frame whose number does not matter, or is looked at later.

        Raises ProtocolError where it is malformed or foreign.
        """
        envelope = codec.decode(frame, run=self.run)
        if sender is not None and envelope.sender != sender:
            raise MalformedFrame(sender, f"it speaks for {envelope.sender}")
        return envelope

    def check(self, envelope: Envelope) -> None:
        """Take note of a frame's number.

        Raises ForeignFrame where its epoch is over, and SequenceGap where it is out of sequence.
        """
        self._check.accept(envelope.topic, envelope.stamp.epoch, envelope.stamp.sequence)


class Journal(Protocol):
    """Where frames are appended before they are published."""

    def start_segment(self, index: int) -> None:
        """Begin the segment of a session."""
        ...

    def append(self, frame: bytes) -> None:
        """Keep a frame."""
        ...


def publish(
    journal: Journal, topic: str, message: Message, frame: bytes, deliver: Callable[[str, bytes], None]
) -> None:
    """Append a frame to the journal if it is one that is kept, then deliver it: never the other way round."""
    keep(journal, topic, message, frame)
    deliver(topic, frame)


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
