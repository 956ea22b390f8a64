"""A run's journal on disk: segments `000000.sfj`, `000001.sfj`, … in one folder, written once, read in order.

What `append` has returned from survives the death of the process; a finished segment also survives a power
cut about a second later: a thread of its own waits for the disk.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from itertools import islice
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Final, NamedTuple, Self

from actors.runtime import clock
from actors.runtime.whole_writes import write_all
from protocol.codec import Envelope, decode
from protocol.errors import JournalCorrupt
from protocol.journal import HEADER, Record, encode_header, encode_record, is_torn, read_header, read_records
from protocol.messages import Message

SUFFIX: Final = ".sfj"
READ_BUFFER_BYTES: Final = 2**20
SYNC_NS: Final = 250_000_000
"""How long a finished segment waits, at least, until it is brought to the disk with others."""
DISK_S: Final = 120.0
"""How long the disk may take for them."""
MAX_UNSYNCED: Final = 64
"""How many may wait; each holds a descriptor."""
_SEGMENT: Final = re.compile(r"[0-9]{6,}\.sfj")
_ADVICE: Final = {
    errno.ENOSPC: "make room on the disk, then start the run again",
    errno.EDQUOT: "make room in the quota, then start the run again",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), then start the run again",
    errno.EEXIST: "a journal is never written over; start the run in a new folder",
    errno.EACCES: "give this user the right to write there, or choose another --runs folder",
    errno.EROFS: "choose a --runs folder on a disk that can be written to",
}


class JournalWriteError(Exception):
    """The journal cannot be written to; the run cannot go on. What was appended before is whole."""

    def __init__(self, path: Path, error: OSError) -> None:
        """Name the file, what is wrong and what to do."""
        reason = os.strerror(error.errno) if error.errno else str(error)
        advice = _ADVICE.get(error.errno or 0, "check the disk, then start the run again")
        super().__init__(f"cannot write the journal {path}: {reason}; {advice}")
        self.path = path
        self.reason = reason


def segment_path(folder: Path, index: int) -> Path:
    """Name the file of a segment."""
    return folder / f"{index:06d}{SUFFIX}"


class _Sync(Thread):
    """Brings finished segments to the disk; one fsync per session would cost the run 2 ms each."""

    def __init__(self, folder: Path, segments: list[tuple[Path, int]]) -> None:
        super().__init__(name="journal-sync", daemon=True)
        self._folder = folder
        self._segments = segments
        self._error: JournalWriteError | None = None

    def run(self) -> None:
        """Sync and close them."""
        path = self._folder
        try:
            while self._segments:
                path, fd = self._segments.pop()
                with closing(os.fdopen(fd, "wb", buffering=0)):
                    os.fsync(fd)
            _sync_folder(self._folder)
        except OSError as error:
            self._error = JournalWriteError(path, error)

    def finish(self) -> None:
        """Wait until they are on the disk.

        Raises JournalWriteError where they are not.
        """
        self.join(DISK_S)
        if self.is_alive():
            raise JournalWriteError(self._folder, OSError(f"the disk takes more than {DISK_S:g} s"))
        if self._error is not None:
            raise self._error


class JournalWriter:
    """Append frames to the newest segment."""

    def __init__(self, folder: Path, run: int) -> None:
        """Write below `folder`, which is made when the first segment starts, and never again."""
        self.bytes_written = 0
        """Over all segments, headers included."""
        self._folder = folder
        self._run = run
        self._path = folder
        self._fd = -1
        self._unsynced: list[tuple[Path, int]] = []
        """Segments that are whole but perhaps not on the disk yet, with their open descriptors."""
        self._sync: _Sync | None = None
        self._synced_ns = clock.monotonic_ns()
        self._size = 0

    def start_segment(self, index: int) -> None:
        """Finish the open segment and start another; finished ones reach the disk while the run goes on.

        Raises JournalWriteError, also where the segment is there already.
        """
        self._retire()
        if len(self._unsynced) >= MAX_UNSYNCED or (self._is_due and not self._is_syncing):
            self._start_sync()
        is_first, self._path = self._path == self._folder, segment_path(self._folder, index)
        self._size = 0
        try:
            if is_first:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalWriteError(self._path, error) from error
        self._write(encode_header(self._run), b"")

    def go_on(self, segment: int) -> None:
        """Go on at the end of a segment that is there; as a first call, in place of `start_segment`.

        Raises JournalWriteError.
        """
        self._path = segment_path(self._folder, segment)
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self._size = os.fstat(self._fd).st_size
        except OSError as error:
            raise JournalWriteError(self._path, error) from error

    def append(self, frame: bytes) -> None:
        """Hand a frame to the operating system, whole or not at all.

        Raises JournalWriteError.
        """
        self._write(encode_record(frame), frame)

    def close(self) -> None:
        """Finish the open segment: on return all segments are on the disk. Without any, do nothing.

        Raises JournalWriteError.
        """
        self._retire()
        self._start_sync()
        self._finish_sync()

    def _retire(self) -> None:
        if self._fd >= 0:
            self._unsynced.append((self._path, self._fd))
            self._fd = -1

    @property
    def _is_due(self) -> bool:
        return clock.monotonic_ns() - self._synced_ns >= SYNC_NS

    @property
    def _is_syncing(self) -> bool:
        return self._sync is not None and self._sync.is_alive()

    def _start_sync(self) -> None:
        self._finish_sync()
        self._synced_ns = clock.monotonic_ns()
        if self._unsynced:
            self._sync, self._unsynced = _Sync(self._folder, self._unsynced), []
            self._sync.start()

    def _finish_sync(self) -> None:
        sync, self._sync = self._sync, None
        if sync is not None:
            sync.finish()

    def __enter__(self) -> Self:
        """Give the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the open segment; where something has failed already, that is what is told."""
        with nullcontext() if error is None else suppress(JournalWriteError):
            self.close()

    def _write(self, head: bytes, frame: bytes) -> None:
        try:
            written = os.writev(self._fd, (head, frame))
            if written < len(head) + len(frame):
                write_all(self._fd, (head + frame)[written:])
        except OSError as error:
            self._cut_back()
            raise JournalWriteError(self._path, error) from error
        self._size += len(head) + len(frame)
        self.bytes_written += len(head) + len(frame)

    def _cut_back(self) -> None:
        with suppress(OSError):
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)


class Position(NamedTuple):
    """A place in a journal: behind a record, or behind a segment's header."""

    segment: int = 0
    offset: int = HEADER.size


class JournalReader:
    """Read the segments of a journal, also while it is being written."""

    def __init__(self, folder: Path) -> None:
        """Read below `folder`."""
        self._folder = folder

    def segments(self) -> tuple[int, ...]:
        """List the segments that are there, in order."""
        if not self._folder.is_dir():
            return ()
        return tuple(
            sorted(int(path.stem) for path in self._folder.iterdir() if _SEGMENT.fullmatch(path.name))
        )

    def frames(self, segment: int) -> Iterator[bytes]:
        """Yield the frames of a segment, one at a time in memory.

        A torn tail of the newest segment is left out; one that does not exist has no frames. Raises
        JournalCorrupt for damage that a torn write cannot explain.
        """
        for _, frame in self._read(segment):
            yield frame

    def envelopes(self, segment: int) -> Iterator[Envelope]:
        """Yield the decoded frames of a segment.

        Raises JournalCorrupt as `frames` does, and ProtocolError for a frame that is malformed or foreign.
        """
        for run, frame in self._read(segment):
            yield decode(frame, run=run)

    def all_envelopes(self) -> Iterator[Envelope]:
        """Yield the frames of all segments, decoded, in the order in which they were published.

        Raises what `envelopes` does.
        """
        for segment in self.segments():
            yield from self.envelopes(segment)

    def messages(self, segment: int, start: int = 0) -> Iterator[Message]:
        """Yield the messages of a segment in the order in which they were published, from the `start`-th on.

        Those before are not decoded. Raises what `envelopes` does.
        """
        for run, frame in islice(self._read(segment), start, None):
            yield decode(frame, run=run).message

    def envelopes_from(self, position: Position) -> Iterator[tuple[Position, Envelope]]:
        """Yield what lies behind a position, up to the last whole record, each with the position behind it.

        Raises what `envelopes` does.
        """
        segment, offset = position
        while True:
            has_next = segment_path(self._folder, segment + 1).exists()
            for run, (end, frame) in self._records(segment, offset, finished=has_next):
                offset = end
                yield Position(segment, end), decode(frame, run=run)
            if not has_next:
                return
            segment, offset = segment + 1, HEADER.size

    def bytes_behind(self, position: Position) -> int:
        """Count what lies behind a position: of a journal that was read to its end, its torn tail."""
        count = 0
        for segment in self.segments():
            size = segment_path(self._folder, segment).stat().st_size
            known = position.offset if segment == position.segment else HEADER.size
            if segment >= position.segment:
                count += max(0, size - known) if size >= HEADER.size else size
        return count

    def _read(self, segment: int) -> Iterator[tuple[int, bytes]]:
        finished = segment_path(self._folder, segment + 1).exists()  # listing all took 9 s of 2,500 sessions
        for run, (_, frame) in self._records(segment, HEADER.size, finished=finished):
            yield run, frame

    def _records(self, segment: int, offset: int, *, finished: bool) -> Iterator[tuple[int, Record]]:
        """Yield a segment's whole records from an offset on, each with the segment's run."""
        path = segment_path(self._folder, segment)
        if not path.exists():
            return
        with path.open("rb", buffering=READ_BUFFER_BYTES) as file:
            head = file.read(HEADER.size)
            if not finished and is_torn(head):
                return
            run = read_header(head, path.name)
            end = file.seek(offset)
            for record in read_records(file, path.name, offset):
                end = record.end
                yield run, record
            if finished and end != path.stat().st_size:
                raise JournalCorrupt(path.name, end, "it is torn, and yet a later segment follows")


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
