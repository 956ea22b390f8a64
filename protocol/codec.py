"""Turn messages into frames and back, strictly.

A frame is: topic, a zero byte, a header of 32 bytes, the MessagePack body. The header, little-endian:
magic `SF` (2 bytes), version (u16), CRC-32 (u32) of all bytes of the frame but these four, run (u64),
epoch (u32), body length (u32), sequence (u64).
"""

import struct
from typing import Any, Final, NamedTuple

import msgspec
from zlib_ng import zlib_ng

from protocol import messages, topics
from protocol.errors import ForeignFrame, FrameTooLarge, MalformedFrame
from protocol.messages import Message
from protocol.version import PROTOCOL_VERSION

MAGIC: Final = b"SF"
MAX_FRAME_BYTES: Final = 64 * 2**20
MAX_COMMAND_BYTES: Final = 8 * 2**20
"""The limit of frames on `command`, which carry no bars."""
HEADER: Final = struct.Struct("<2sHIQIIQ")
CRC_OFFSET: Final = 4
_BEHIND_CRC: Final = CRC_OFFSET + 4

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODERS: Final[dict[str, msgspec.msgpack.Decoder[Any]]] = {
    "ingest": msgspec.msgpack.Decoder(messages.INGEST),
    "report": msgspec.msgpack.Decoder(messages.REPORT),
    "command": msgspec.msgpack.Decoder(messages.COMMAND),
    "to": msgspec.msgpack.Decoder(messages.STREAM),
    topics.RAW: msgspec.msgpack.Decoder(messages.RawWindow),
    topics.SEALED: msgspec.msgpack.Decoder(messages.SealedWindow),
    topics.SIGNAL: msgspec.msgpack.Decoder(messages.Signals),
    topics.CONTROL: msgspec.msgpack.Decoder(messages.STREAM),
    topics.PHASE: msgspec.msgpack.Decoder(messages.PhaseEvent),
    topics.SESSION: msgspec.msgpack.Decoder(messages.SessionReport),
}


class Stamp(NamedTuple):
    """What distinguishes a frame from the same message at another place or time."""

    run: int
    epoch: int
    sequence: int


class Envelope(NamedTuple):
    """A decoded frame."""

    topic: str
    sender: str
    stamp: Stamp
    message: Message


def encode(topic: str, message: Message, stamp: Stamp) -> bytes:
    """Build the frame of a message.

    Raises FrameTooLarge above the limit of the topic.
    """
    start = topics.prefix(topic)
    body = _ENCODER.encode(message)
    size = len(start) + HEADER.size + len(body)
    limit = limit_bytes(topic)
    if size > limit:
        raise FrameTooLarge(type(message).__name__, size, limit)
    header = HEADER.pack(MAGIC, PROTOCOL_VERSION, 0, stamp.run, stamp.epoch, len(body), stamp.sequence)
    before, behind = start + header[:CRC_OFFSET], header[_BEHIND_CRC:]
    crc = zlib_ng.crc32(body, zlib_ng.crc32(behind, zlib_ng.crc32(before)))
    return b"".join((before, crc.to_bytes(4, "little"), behind, body))


def decode(frame: bytes, *, run: int | None = None) -> Envelope:
    """Read a frame back.

    Raises MalformedFrame where it breaks the layout, and ForeignFrame where it is of another run than `run`.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise MalformedFrame("", f"{len(frame)} bytes are above the limit of {MAX_FRAME_BYTES}")
    topic, start = topics.split(frame)
    sender = topics.sender_of(topic)
    limit = limit_bytes(topic)
    if len(frame) > limit:
        raise MalformedFrame(sender, f"{len(frame)} bytes are above the limit of {limit}")
    stamp = _read_header(frame, start, sender)
    if run is not None and stamp.run != run:
        raise ForeignFrame(sender, "run", run, stamp.run)
    body = memoryview(frame)[start + HEADER.size :]
    return Envelope(topic, sender, stamp, _read_body(topic, sender, body))


def limit_bytes(topic: str) -> int:
    """Give the size that no frame of a topic may exceed."""
    return MAX_COMMAND_BYTES if topic.startswith("command/") else MAX_FRAME_BYTES


def _read_header(frame: bytes, start: int, sender: str) -> Stamp:
    end = start + HEADER.size
    if len(frame) < end:
        raise MalformedFrame(sender, f"{len(frame)} bytes are too short for a header")
    magic, version, crc, run, epoch, length, sequence = HEADER.unpack_from(frame, start)
    if magic != MAGIC:
        raise MalformedFrame(sender, "it does not start with the magic")
    if version != PROTOCOL_VERSION:
        raise MalformedFrame(sender, f"protocol version {version}, not {PROTOCOL_VERSION}")
    if length != len(frame) - end:
        raise MalformedFrame(sender, f"body of {len(frame) - end} bytes, header says {length}")
    if crc != zlib_ng.crc32(
        memoryview(frame)[start + _BEHIND_CRC :], zlib_ng.crc32(frame[: start + CRC_OFFSET])
    ):
        raise MalformedFrame(sender, "its checksum does not match")
    return Stamp(run, epoch, sequence)


def _read_body(topic: str, sender: str, body: memoryview) -> Message:
    try:
        message: Message = _DECODERS[topic.partition("/")[0]].decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedFrame(sender, str(error)) from error
    return message
