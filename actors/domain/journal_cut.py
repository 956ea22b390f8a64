"""Where a journal is cut back so that a coordinator can take over, whatever keeps its bytes.

1. A torn tail goes: what a crash left of a record, and a segment without a whole record.
2. What only says that something is complete goes too: the run's end and all after it, a session's report, the
   end of a phase. The coordinator that takes over says these again.
3. So a journal ends behind the last window, signals or phase entered.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from protocol import topics
from protocol.codec import Envelope, decode
from protocol.errors import JournalCorrupt, ProtocolError
from protocol.journal import HEADER, Record, Source, is_torn, read_header, read_records
from protocol.messages import PhaseEvent

TORN_HEADER: Final = 0


class Repair(NamedTuple):
    """Where a journal ends now."""

    segment: int | None
    """The last one; None where there is no journal."""
    epoch: int
    """The last one that anything in it was published in; -1 where there is nothing."""
    torn_bytes: int
    """How many bytes of a half written record were cut off."""
    cut_bytes: int
    """How many bytes of whole records that are to be published again were cut off."""


class Ends(NamedTuple):
    """Where the bytes of a segment end."""

    whole: int
    """Behind the last whole record."""
    kept: int
    """Behind the last record that is kept."""
    epoch: int


class Segments(Protocol):
    """The segments of a journal, wherever they are."""

    def indices(self) -> Sequence[int]:
        """List the segments that are there, in order."""
        ...

    def name(self, segment: int) -> str:
        """Say what to call a segment in an error."""
        ...

    def size(self, segment: int) -> int:
        """Give the length of a segment in bytes."""
        ...

    def opened(self, segment: int) -> AbstractContextManager[Source]:
        """Open a segment at its first byte."""
        ...

    def cut(self, segment: int, size: int) -> None:
        """Shorten a segment."""
        ...

    def remove(self, segment: int) -> None:
        """Let go of a segment."""
        ...


def repair(segments: Segments) -> Repair:
    """Cut off what is torn and what will be published again; a segment without a whole record goes.

    Raises JournalCorrupt for damage that a torn write cannot explain, before anything is cut, and what the
    segments raise.
    """
    torn = 0
    for segment in reversed(segments.indices()):
        size = segments.size(segment)
        with segments.opened(segment) as source:
            ends = find_ends(source, segments.name(segment))
        if ends.kept > HEADER.size:
            segments.cut(segment, ends.kept)
            return Repair(segment, ends.epoch, torn + size - ends.whole, ends.whole - ends.kept)
        torn += size
        segments.remove(segment)
    return Repair(None, -1, torn, 0)


def find_ends(source: Source, where: str) -> Ends:
    """Find where the whole records of a segment end, and where those that are kept do.

    Raises JournalCorrupt for damage that a torn write cannot explain.
    """
    head = source.read(HEADER.size)
    if is_torn(head):
        return Ends(TORN_HEADER, TORN_HEADER, -1)
    run = read_header(head, where)
    whole = kept = HEADER.size
    epoch = -1
    for record in read_records(source, where):
        envelope = decoded(record, run, where)
        epoch = max(epoch, envelope.stamp.epoch)
        kept = _kept(envelope, whole=whole, kept=kept, end=record.end)
        whole = record.end
    return Ends(whole, kept, epoch)


def _kept(envelope: Envelope, *, whole: int, kept: int, end: int) -> int:
    """Give the end of what is kept, one record on."""
    if _is_entry(envelope):
        return end
    is_open = whole == kept and envelope.topic not in (topics.CONTROL, topics.PHASE, topics.SESSION)
    return end if is_open else kept


def _is_entry(envelope: Envelope) -> bool:
    message = envelope.message
    return isinstance(message, PhaseEvent) and message.state == "started"


def decoded(record: Record, run: int, where: str) -> Envelope:
    """Read the frame of a record.

    Raises JournalCorrupt.
    """
    try:
        return decode(record.frame, run=run)
    except ProtocolError as error:
        raise JournalCorrupt(where, record.end, str(error)) from error
