"""Which files are opened below some folders, by whatever process and library: Linux tells through inotify."""

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_OPENED: Final = 0x20
_IS_FOLDER: Final = 0x40000000
_HEAD: Final = struct.Struct("iIII")
"""Watch, mask, cookie, length of the name that follows."""
_READ_BYTES: Final = 65_536


class FileOpenings:
    """A list of the files that are opened; empty where the system cannot tell."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Watch the files in these folders, not those of folders within."""
        self._folders: dict[int, Path] = {}
        self._descriptor = -1
        system = ctypes.CDLL(None, use_errno=True)
        if hasattr(system, "inotify_init1"):
            self._descriptor = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor >= 0:
            for folder in folders:
                watch = system.inotify_add_watch(self._descriptor, os.fsencode(folder), _OPENED)
                self._folders[watch] = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def take(self) -> frozenset[Path]:
        """Give the files that were opened since the last call."""
        return frozenset(path for chunk in self._chunks() for path in self._paths(chunk))

    def _chunks(self) -> Iterator[bytes]:
        while self._descriptor >= 0:
            try:
                yield os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                return

    def _paths(self, events: bytes) -> Iterator[Path]:
        start = 0
        while start < len(events):
            watch, mask, _, length = _HEAD.unpack_from(events, start)
            name = events[start + _HEAD.size : start + _HEAD.size + length].rstrip(b"\0")
            start += _HEAD.size + length
            if watch in self._folders and name and not mask & _IS_FOLDER:
                yield self._folders[watch] / os.fsdecode(name)
