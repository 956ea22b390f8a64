"""The journal's record format: length, checksum, the very bytes that were published.

A segment starts with `SFJ1`, the protocol version (u16), two zero bytes and the run (u64), little-endian. A
record is the frame's length (u32), its CRC-32 (u32) and the frame. A tail that is shorter than it should be,
that is all zeros (as a power cut may leave it), or whose checksum fails with nothing behind it, was torn by a
crash and is cut off; a bad checksum in the middle of a segment is corruption.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from protocol.codec import MAX_FRAME_BYTES
from protocol.errors import JournalCorrupt
from protocol.version import PROTOCOL_VERSION

MAGIC: Final = b"SFJ1"
HEADER: Final = struct.Struct("<4sHxxQ")
RECORD: Final = struct.Struct("<II")


class Record(NamedTuple):
    """A whole record: where the next one starts, and the frame."""

    end: int
    frame: bytes


def encode_header(run: int) -> bytes:
    """Build the first bytes of a segment."""
    return HEADER.pack(MAGIC, PROTOCOL_VERSION, run)


def encode_record(frame: bytes) -> bytes:
    """Build what goes before a frame."""
    return RECORD.pack(len(frame), zlib.crc32(frame))


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


def read_records(data: bytes | memoryview, where: str, offset: int = HEADER.size) -> Iterator[Record]:
    """Yield whole records from `offset` and stop silently before a torn tail.

    Raises JournalCorrupt for damage that a torn write cannot explain.
    """
    view = memoryview(data)
    while offset + RECORD.size <= len(view):
        length, crc = RECORD.unpack_from(view, offset)
        start, end = offset + RECORD.size, offset + RECORD.size + length
        if length > MAX_FRAME_BYTES:
            raise JournalCorrupt(where, offset, f"record of {length} bytes is above the limit")
        if end > len(view) or length == 0:
            return
        if zlib.crc32(view[start:end]) != crc:
            if end == len(view):
                return
            raise JournalCorrupt(where, offset, "checksum of a whole record does not match")
        yield Record(end, bytes(view[start:end]))
        offset = end
