"""Cut the files of a journal back to where a coordinator can take over (`actors.domain.journal_cut`).

After a loss of power an older segment may be torn too, or be missing: `cut_torn` ends the journal there. It
reads everything, so it is for a run that is resumed and not for one whose coordinator starts again.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from actors.domain.journal_cut import TORN_HEADER, Repair, decoded, repair
from actors.runtime.journal_files import (
    READ_BUFFER_BYTES,
    JournalReader,
    JournalWriteError,
    JournalWriter,
    segment_path,
)
from actors.runtime.logs import ActorLog
from protocol.errors import JournalCorrupt
from protocol.journal import HEADER, Source, is_torn, read_header, read_records
from protocol.lifecycle import Phase
from protocol.messages import Message, PhaseEvent


class Torn(NamedTuple):
    """What was cut off a journal behind its last whole record."""

    segment: int | None = None
    """The segment that was torn or missing; None where all was whole."""
    bytes: int = 0
    """Of half a record, and of all segments behind it."""
    segments: int = 0
    """How many segments behind it were removed."""


NOT_TORN: Final = Torn()


def run_of(folder: Path) -> int | None:
    """Read the number of the run that a journal is of; None where nothing says it.

    Raises JournalCorrupt.
    """
    for segment in JournalReader(folder).segments():
        path = segment_path(folder, segment)
        with path.open("rb") as file:
            head = file.read(HEADER.size)
        if not is_torn(head):
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
        if whole < size or whole == TORN_HEADER or (later and not is_over):
            torn = _end_before(folder, segment, later)
            _SegmentFiles(folder).cut(segment, whole)
            return torn._replace(bytes=torn.bytes + size - whole)
    return NOT_TORN


def _end_before(folder: Path, torn: int, segments: Sequence[int]) -> Torn:
    """Remove segments, the last one first, so that what is left is a journal at any moment."""
    paths = [segment_path(folder, segment) for segment in reversed(segments)]
    size = sum(path.stat().st_size for path in paths)
    for segment in reversed(segments):
        _SegmentFiles(folder).remove(segment)
    return Torn(torn, size, len(paths))


def _whole(path: Path) -> tuple[int, bool]:
    """Find where the whole records of a segment end, 0 where even its header is torn; and whether it is over.

    A segment that another one follows ends with the end of its session's last phase.
    """
    with path.open("rb", buffering=READ_BUFFER_BYTES) as file:
        head = file.read(HEADER.size)
        if is_torn(head):
            _check_zeros(file, path.name)
            return TORN_HEADER, False
        run = read_header(head, path.name)
        last = None
        for last in read_records(file, path.name):  # noqa: B007 - the last one counts
            pass
    if last is None:
        return HEADER.size, False
    return last.end, _is_session_end(decoded(last, run, path.name).message)


def _is_session_end(message: Message) -> bool:
    if not isinstance(message, PhaseEvent):
        return False
    return (message.phase, message.state) == (Phase.END_OF_SESSION, "complete")


def _check_zeros(file: BinaryIO, where: str) -> None:
    while chunk := file.read(READ_BUFFER_BYTES):
        if chunk.strip(b"\0"):
            raise JournalCorrupt(where, 0, "its header is missing")


def repair_journal(folder: Path) -> Repair:
    """Cut off what is torn and what will be published again; a segment without a whole record goes.

    Raises JournalCorrupt for damage that a torn write cannot explain, before anything is cut, and
    JournalWriteError.
    """
    return repair(_SegmentFiles(folder))


def take_over(
    folder: Path, journal: JournalWriter, log: ActorLog, recall: Callable[[Iterable[Message]], None]
) -> bool:
    """Where there is a journal, let a coordinator `recall` it and go on where it ends; say whether there is.

    Raises what `repair_journal` and `recall` raise.
    """
    repaired = repair_journal(folder)
    if repaired.torn_bytes:
        log.write("WARNING", f"Cut {repaired.torn_bytes} bytes of a half written record off the journal")
    if repaired.segment is None:
        return False
    recall(envelope.message for envelope in JournalReader(folder).all_envelopes())
    journal.go_on(repaired.segment)
    return True


class _SegmentFiles:
    """The segments of a journal as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def indices(self) -> tuple[int, ...]:
        return JournalReader(self._folder).segments()

    def name(self, segment: int) -> str:
        return segment_path(self._folder, segment).name

    def size(self, segment: int) -> int:
        return segment_path(self._folder, segment).stat().st_size

    def opened(self, segment: int) -> AbstractContextManager[Source]:
        return segment_path(self._folder, segment).open("rb")

    def cut(self, segment: int, size: int) -> None:
        """Shorten a segment and bring that to the disk."""
        path = segment_path(self._folder, segment)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.ftruncate(fd, size)
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise JournalWriteError(path, error) from error

    def remove(self, segment: int) -> None:
        path = segment_path(self._folder, segment)
        try:
            path.unlink()
        except OSError as error:
            raise JournalWriteError(path, error) from error
