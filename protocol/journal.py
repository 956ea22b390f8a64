"""The journal's record format: length, checksums, the very bytes that were published.

A segment starts with `SFJ1`, the protocol version (u16), two zero bytes and the run (u64), little-endian. A
record is the frame's length (u32), the frame's CRC-32 (u32), the CRC-32 of these eight bytes (u32) and the
frame. A header of which only the beginning is there, or its beginning and then zeros, was torn by a crash. A
tail that is shorter than it should be, or that fails its checksum with only zeros behind (as a power cut may
leave it), was torn by a crash and is cut off; any other damage is corruption. The header's own checksum tells
the two apart where the length is hit.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from zlib_ng import zlib_ng

from protocol.codec import MAX_FRAME_BYTES
from protocol.errors import JournalCorrupt
from protocol.version import PROTOCOL_VERSION

MAGIC: Final = b"SFJ1"
HEADER: Final = struct.Struct("<4sHxxQ")
RECORD: Final = struct.Struct("<III")
_CHECKED: Final = struct.Struct("<II")
_CHUNK_BYTES: Final = 2**20


class Source(Protocol):
    """Where the bytes of a segment come from, in order: an open file, `io.BytesIO`."""

    def read(self, size: int, /) -> bytes:
        """Give the next `size` bytes, fewer only at the end."""
        ...


class Record(NamedTuple):
    """A whole record: where the next one starts, and the frame."""

    end: int
    frame: bytes


def encode_header(run: int) -> bytes:
    """Build the first bytes of a segment."""
    return HEADER.pack(MAGIC, PROTOCOL_VERSION, run)


_BEGINNING: Final = encode_header(0).rstrip(b"\0")
"""What every segment begins with."""


def is_torn(head: bytes) -> bool:
    """Whether a crash has left only the beginning of a segment's header, perhaps with zeros behind."""
    written = head.rstrip(b"\0")
    return len(head) < HEADER.size or (written != _BEGINNING and _BEGINNING.startswith(written))


def encode_record(frame: bytes) -> bytes:
    """Build what goes before a frame."""
    checked = _CHECKED.pack(len(frame), zlib_ng.crc32(frame))
    return checked + zlib_ng.crc32(checked).to_bytes(4, "little")


def read_header(data: bytes | memoryview, where: str) -> int:
    """Read the run of a segment.

    Raises JournalCorrupt where this is not a segment of this version.
    """
    if len(data) < HEADER.size:
        raise JournalCorrupt(where, 0, "it is too short to be a segment")
    magic, version, run = HEADER.unpack_from(data)
    if magic != MAGIC or version != PROTOCOL_VERSION:
        raise JournalCorrupt(where, 0, f"it is not a segment of version {PROTOCOL_VERSION}")
    return int(run)


def read_records(source: Source, where: str, offset: int = HEADER.size) -> Iterator[Record]:
    """Yield whole records from a source that stands at byte `offset`; stop silently before a torn tail.

    One record at a time is in memory. Raises JournalCorrupt for damage that a torn write cannot explain.
    """
    while len(head := source.read(RECORD.size)) == RECORD.size:
        length, crc, head_crc = RECORD.unpack(head)
        if zlib_ng.crc32(head[: _CHECKED.size]) != head_crc:
            _check_torn(source, where, offset, "checksum of a record's header does not match")
            return
        if length > MAX_FRAME_BYTES:
            raise JournalCorrupt(where, offset, f"record of {length} bytes is above the limit")
        frame = source.read(length)
        if len(frame) < length:
            return
        if zlib_ng.crc32(frame) != crc:
            _check_torn(source, where, offset, "checksum of a whole record does not match")
            return
        offset += RECORD.size + length
        yield Record(offset, frame)


def _check_torn(source: Source, where: str, offset: int, reason: str) -> None:
    """Raise JournalCorrupt where anything but zeros follows."""
    while chunk := source.read(_CHUNK_BYTES):
        if chunk.strip(b"\0"):
            raise JournalCorrupt(where, offset, reason)
