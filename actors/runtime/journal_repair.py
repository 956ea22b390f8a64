"""Cut the files of a journal back to where a coordinator can take over (`actors.domain.journal_cut`)."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from actors.domain.journal_cut import Repair, repair
from actors.runtime.journal_files import JournalReader, JournalWriteError, segment_path
from protocol.journal import Source


def repair_journal(folder: Path) -> Repair:
    """Cut off what is torn and what will be published again; a segment without a whole record goes.

    Raises JournalCorrupt for damage that a torn write cannot explain, before anything is cut, and
    JournalWriteError.
    """
    return repair(_SegmentFiles(folder))


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
