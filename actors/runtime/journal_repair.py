"""Cut a journal back to where a coordinator can take over: behind the last window, signals or phase entered.

What was torn by a crash goes, and what only says that something is complete: the run's end and all after it,
a session's report, the end of a phase. The coordinator that takes over says these again.

After a loss of power an older segment may be torn too, or be missing: `cut_torn` ends the journal there. It
reads everything, so it is for a run that is resumed and not for one whose coordinator starts again.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from actors.runtime.journal_files import (
    READ_BUFFER_BYTES,
    JournalReader,
    JournalWriteError,
    segment_path,
)
from protocol import topics
from protocol.codec import Envelope, decode
from protocol.errors import JournalCorrupt, ProtocolError
from protocol.journal import HEADER, Record, encode_header, read_header, read_records
from protocol.lifecycle import Phase
from protocol.messages import Message, PhaseEvent

_TORN_HEADER: Final = 0
_BEGINNING: Final = encode_header(0).rstrip(b"\0")
"""What every segment begins with."""


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


class Torn(NamedTuple):
    """What was cut off a journal behind its last whole record."""

    segment: int | None = None
    """The segment that was torn or missing; None where all was whole."""
    bytes: int = 0
    """Of half a record, and of all segments behind it."""
    segments: int = 0
    """How many segments behind it were removed."""


NOT_TORN: Final = Torn()


class _Ends(NamedTuple):
    whole: int
    """Behind the last whole record."""
    kept: int
    """Behind the last record that is kept."""
    epoch: int


def run_of(folder: Path) -> int | None:
    """Read the number of the run that a journal is of; None where nothing says it.

    Raises JournalCorrupt.
    """
    for segment in JournalReader(folder).segments():
        path = segment_path(folder, segment)
        with path.open("rb") as file:
            head = file.read(HEADER.size)
        if not _is_torn(head):
            return read_header(head, path.name)
    return None


def cut_torn(folder: Path) -> Torn:
    """End a journal where it is torn first, or where a segment is missing; what comes later is removed.

    Raises JournalCorrupt for damage that a torn write cannot explain, before anything is cut, and
    JournalWriteError.
    """
    segments = JournalReader(folder).segments()
    for place, segment in enumerate(segments):
        if segment != place:
            return _end_before(folder, place, segments[place:])
        path = segment_path(folder, segment)
        size, whole, is_over = path.stat().st_size, *_whole(path)
        later = segments[place + 1 :]
        if whole < size or whole == _TORN_HEADER or (later and not is_over):
            torn = _end_before(folder, segment, later)
            _cut(path, whole)
            return torn._replace(bytes=torn.bytes + size - whole)
    return NOT_TORN


def _end_before(folder: Path, torn: int, segments: Sequence[int]) -> Torn:
    """Remove segments, the last one first, so that what is left is a journal at any moment."""
    paths = [segment_path(folder, segment) for segment in reversed(segments)]
    size = sum(path.stat().st_size for path in paths)
    for path in paths:
        _remove(path)
    return Torn(torn, size, len(paths))


def _whole(path: Path) -> tuple[int, bool]:
    """Find where the whole records of a segment end, 0 where even its header is torn; and whether it is over.

    A segment that another one follows ends with the end of its session's last phase.
    """
    with path.open("rb", buffering=READ_BUFFER_BYTES) as file:
        head = file.read(HEADER.size)
        if _is_torn(head):
            _check_zeros(file, path.name)
            return _TORN_HEADER, False
        run = read_header(head, path.name)
        last = None
        for last in read_records(file, path.name):  # noqa: B007 - the last one counts
            pass
    if last is None:
        return HEADER.size, False
    return last.end, _is_session_end(_decoded(last, run, path.name).message)


def _is_session_end(message: Message) -> bool:
    if not isinstance(message, PhaseEvent):
        return False
    return (message.phase, message.state) == (Phase.END_OF_SESSION, "complete")


def _is_torn(head: bytes) -> bool:
    """Whether the header of a segment was not written to its end, perhaps with zeros behind."""
    written = head.rstrip(b"\0")
    return len(head) < HEADER.size or (written != _BEGINNING and _BEGINNING.startswith(written))


def _check_zeros(file: BinaryIO, where: str) -> None:
    while chunk := file.read(READ_BUFFER_BYTES):
        if chunk.strip(b"\0"):
            raise JournalCorrupt(where, 0, "its header is missing")


def repair_journal(folder: Path) -> Repair:
    """Cut off what is torn and what will be published again; a segment without a whole record goes.

    Raises JournalCorrupt for damage that a torn write cannot explain, before anything is cut, and
    JournalWriteError.
    """
    torn = 0
    for segment in reversed(JournalReader(folder).segments()):
        path = segment_path(folder, segment)
        size = path.stat().st_size
        ends = _ends(path)
        if ends.kept > HEADER.size:
            _cut(path, ends.kept)
            return Repair(segment, ends.epoch, torn + size - ends.whole, ends.whole - ends.kept)
        torn += size
        _remove(path)
    return Repair(None, -1, torn, 0)


def _ends(path: Path) -> _Ends:
    """Find where the whole records of a segment end, and where those that are kept do."""
    with path.open("rb") as file:
        head = file.read(HEADER.size)
        if _is_torn(head):
            return _Ends(_TORN_HEADER, _TORN_HEADER, -1)
        run = read_header(head, path.name)
        whole = kept = HEADER.size
        epoch = -1
        for record in read_records(file, path.name):
            envelope = _decoded(record, run, path.name)
            epoch = max(epoch, envelope.stamp.epoch)
            kept = _kept(envelope, whole=whole, kept=kept, end=record.end)
            whole = record.end
    return _Ends(whole, kept, epoch)


def _kept(envelope: Envelope, *, whole: int, kept: int, end: int) -> int:
    """Give the end of what is kept, one record on."""
    if _is_entry(envelope):
        return end
    is_open = whole == kept and envelope.topic != topics.CONTROL
    return end if is_open else kept


def _is_entry(envelope: Envelope) -> bool:
    message = envelope.message
    return isinstance(message, PhaseEvent) and message.state == "started"


def _decoded(record: Record, run: int, where: str) -> Envelope:
    try:
        return decode(record.frame, run=run)
    except ProtocolError as error:
        raise JournalCorrupt(where, record.end, str(error)) from error


def _cut(path: Path, size: int) -> None:
    """Shorten a segment and bring that to the disk."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise JournalWriteError(path, error) from error


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise JournalWriteError(path, error) from error
