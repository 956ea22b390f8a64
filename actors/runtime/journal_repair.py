"""Cut a journal back to where a coordinator can take over: behind the last window, signals or phase entered.

What was torn by a crash goes, and what only says that something is complete: the run's end and all after it,
a session's report, the end of a phase. The coordinator that takes over says these again.
"""

import os
from pathlib import Path
from typing import Final, NamedTuple

from actors.runtime.journal_files import JournalReader, JournalWriteError, segment_path
from protocol import topics
from protocol.codec import Envelope, decode
from protocol.errors import JournalCorrupt, ProtocolError
from protocol.journal import HEADER, Record, read_header, read_records
from protocol.messages import PhaseEvent

_TORN_HEADER: Final = 0


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


class _Ends(NamedTuple):
    whole: int
    """Behind the last whole record."""
    kept: int
    """Behind the last record that is kept."""
    epoch: int


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
        if len(head) < HEADER.size or not head.strip(b"\0"):
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
