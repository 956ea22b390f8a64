"""The log files of an actor, `<actor>.log` for eyes and `<actor>.jsonl` for programs, and their reader.

A file that would pass its limit is renamed: the oldest part is `<actor>.1.log`, the next `<actor>.2.log`, and
so on; the newest is always `<actor>.log`. Of the renamed ones only the last few are kept.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from actors.runtime.whole_writes import write_all

CHUNK_BYTES: Final = 2**20
CONTINUATION: Final = "\n    "
"""What stands before the further lines of a message, so that none can pass for a line of its own."""


class LogLimits(NamedTuple):
    """How much of a log there may be."""

    file_bytes: int = 64 * 2**20
    """How long one file may become."""
    keep: int = 15
    """How many full files are kept besides the newest; at least 1, which has the count."""


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """One line of `<actor>.jsonl`."""

    t: str
    """Wall clock, UTC, `2026-11-22T10:12:42.123456+00:00`."""
    level: str
    """DEBUG, INFO, WARNING or ERROR."""
    actor: str
    sim: str | None
    """Simulated time, exchange-local, `2025-07-02T09:31:00-04:00`."""
    message: str
    """Control characters are escaped, line breaks and tabs are not."""


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(LogRecord)


def wall_stamp(now: datetime) -> str:
    """Write an aware UTC time in ISO 8601, always to the microsecond, so that text sorts as time does."""
    return now.isoformat(timespec="microseconds")


def text_line(record: LogRecord) -> str:
    """Write a record as people read it, without the line's end."""
    message = record.message
    if "\n" in message:
        message = message.replace("\n", CONTINUATION)
    return f"{_plain(record.t)} {record.level:<7} {record.actor:<14} {simulated(record):<19} {message}"


def simulated(record: LogRecord) -> str:
    """Write a record's simulated time without its offset, or a dash."""
    return "-" if record.sim is None else _plain(record.sim)


def _plain(stamp: str) -> str:
    return stamp[:-6].replace("T", " ")


def encode_text(records: Sequence[LogRecord]) -> bytes:
    """Write records as lines of `<actor>.log`."""
    return "".join([f"{text_line(record)}\n" for record in records]).encode()


def encode_jsonl(records: Sequence[LogRecord]) -> bytes:
    """Write records as lines of `<actor>.jsonl`."""
    return _ENCODER.encode_lines(records)


class Bulk(NamedTuple):
    """Many INFO messages of one actor, written at the same instant."""

    t: str
    actor: str
    sims: Sequence[str]
    messages: Sequence[str]

    @property
    def is_plain(self) -> bool:
        """Whether no message has a character that either file would have to escape."""
        joined = "".join(self.messages)
        return joined.isprintable() and '"' not in joined and "\\" not in joined

    def text(self) -> bytes:
        """Write plain messages as `encode_text` would: 0.4 µs a line instead of 2."""
        head = f"{_plain(self.t)} {'INFO':<7} {self.actor:<14} "
        lines = [
            f"{head}{sim[:-6].replace('T', ' '):<19} {message}\n"
            for message, sim in zip(self.messages, self.sims, strict=True)
        ]
        return "".join(lines).encode()

    def jsonl(self) -> bytes:
        """Write plain messages as `encode_jsonl` would."""
        head = f'{{"t":"{self.t}","level":"INFO","actor":"{self.actor}","sim":"'
        lines = [
            f'{head}{sim}","message":"{message}"}}\n'
            for message, sim in zip(self.messages, self.sims, strict=True)
        ]
        return "".join(lines).encode()

    def records(self) -> list[LogRecord]:
        """Give them one by one."""
        return [
            LogRecord(self.t, "INFO", self.actor, sim, message)
            for message, sim in zip(self.messages, self.sims, strict=True)
        ]


class RotatedFiles:
    """Find the parts of one actor's log, text or JSONL."""

    def __init__(self, folder: Path, actor: str, suffix: str) -> None:
        """Look for nothing yet."""
        self.current: Final = folder / f"{actor}.{suffix}"
        self._folder = folder
        self._actor = actor
        self._suffix = suffix

    def part(self, number: int) -> Path:
        """Name a part that is complete."""
        return self._folder / f"{self._actor}.{number}.{self._suffix}"

    def numbers(self) -> list[int]:
        """List the complete parts that are there, oldest first."""
        pattern = re.compile(rf"{re.escape(self._actor)}\.([0-9]+)\.{self._suffix}")
        matches = (pattern.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in matches if match is not None)


class LogFile:
    """Append whole lines to one file. A failing write loses lines, counts them, and raises nothing."""

    def __init__(self, files: RotatedFiles, limits: LogLimits) -> None:
        """Open the newest part.

        Raises OSError where it cannot be.
        """
        self.lost = 0
        self.reason = ""
        self._files = files
        self._limits = limits
        self._fd = -1
        self._size = 0
        self._open()

    def write(self, lines: bytes, count: int) -> None:
        """Append `count` whole lines, or lose them."""
        try:
            self._make_room(len(lines))
            self._append(lines)
            self.lost = 0
        except OSError as error:
            self.lost += count
            self.reason = error.strerror or str(error)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self._fd = os.open(self._files.current, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._append(b"\n")

    def _make_room(self, size: int) -> None:
        if self._fd >= 0 and self._size and self._size + size > self._limits.file_bytes:
            self._rotate()
        if self._fd < 0:
            self._open()

    def _rotate(self) -> None:
        numbers = self._files.numbers()
        number = max(numbers, default=0) + 1
        with suppress(OSError):
            self._files.current.rename(self._files.part(number))
            self.close()
            for old in [*numbers, number][: -self._limits.keep]:
                self._files.part(old).unlink()

    def _append(self, lines: bytes) -> None:
        try:
            write_all(self._fd, lines)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        self._size += len(lines)


class LogCursor:
    """Read one actor's records from the oldest part on, each once; a torn last line is left alone."""

    def __init__(self, folder: Path, actor: str) -> None:
        """Stand before the oldest part."""
        self.damaged = 0
        """Whole lines that are no record, as a crash may leave them."""
        self.missed = 0
        """Full files that were deleted before they were read."""
        self._files = RotatedFiles(folder, actor, "jsonl")
        self._number = 1
        self._fd = -1
        self._offset = 0

    def read(self) -> Iterator[LogRecord]:
        """Yield what has come since the last call."""
        while self._fd >= 0 or self._open():
            yield from self._records()
            if self._number > max(self._files.numbers(), default=0):
                return
            yield from self._records()
            self.close()
            self._number += 1
            self._offset = 0

    def close(self) -> None:
        """Close the part that is open."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        """Open the newest part first: if no wanted one is complete after that, this is it."""
        self._fd = _open_if_there(self._files.current)
        for number in self._files.numbers():
            part = _open_if_there(self._files.part(number)) if number >= self._number else -1
            if part >= 0:
                self.close()
                self._fd = part
                self.missed += number - self._number
                self._number = number
                break
        return self._fd >= 0

    def _records(self) -> Iterator[LogRecord]:
        for line in self._lines():
            try:
                yield _DECODER.decode(line)
            except msgspec.MsgspecError:
                self.damaged += 1

    def _lines(self) -> Iterator[bytes]:
        size = CHUNK_BYTES
        while chunk := os.pread(self._fd, size, self._offset):
            end = chunk.rfind(b"\n")
            if end < 0 and len(chunk) < size:
                return
            if end < 0:
                size *= 2
                continue
            self._offset += end + 1
            yield from chunk[:end].split(b"\n")


def _open_if_there(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


class LogFolder:
    """Read the records of all actors of a run, merged by wall time."""

    def __init__(self, folder: Path, actors: Sequence[str] = ()) -> None:
        """Read these actors only, or all where none is named."""
        self._folder = folder
        self._wanted = frozenset(actors)
        self._cursors: dict[str, LogCursor] = {}

    def actors(self) -> list[str]:
        """List everyone who has a log."""
        return sorted(path.stem for path in self._folder.glob("*.jsonl") if "." not in path.stem)

    def read(self) -> Iterator[LogRecord]:
        """Yield what has come since the last call; the lines of one actor keep their order."""
        for actor in self.actors():
            if actor not in self._cursors and (not self._wanted or actor in self._wanted):
                self._cursors[actor] = LogCursor(self._folder, actor)
        in_order = sorted(self._cursors)
        yield from merge(*(self._cursors[actor].read() for actor in in_order), key=attrgetter("t"))

    @property
    def damaged(self) -> int:
        """Count the whole lines that were no record."""
        return sum(cursor.damaged for cursor in self._cursors.values())

    @property
    def missed(self) -> int:
        """Count the full files that were deleted before they were read."""
        return sum(cursor.missed for cursor in self._cursors.values())

    def close(self) -> None:
        """Close all files."""
        for cursor in self._cursors.values():
            cursor.close()
