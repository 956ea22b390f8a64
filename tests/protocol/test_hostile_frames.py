"""Whatever is done to the bytes of any message, reading them gives a message or a ProtocolError."""

import struct
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import codec, topics
from protocol.codec import HEADER, MAX_COMMAND_BYTES, MAX_FRAME_BYTES, Stamp, decode, encode
from protocol.errors import FrameTooLarge, MalformedFrame, ProtocolError
from protocol.messages import Failed, Message
from protocol.version import PROTOCOL_VERSION
from tests.plain_messages import SENT, plain, with_hostile_values

RUN = 7
KINDS = pytest.mark.parametrize(("topic", "kind"), SENT)


def framed(topic: str, body: bytes) -> bytes:
    """Build a frame around any body, with a header and a checksum that are right."""
    start = topics.prefix(topic)
    header = HEADER.pack(codec.MAGIC, PROTOCOL_VERSION, 0, RUN, 0, len(body), 0)
    crc = zlib.crc32(start + header[:4] + header[8:] + body)
    return start + header[:4] + struct.pack("<I", crc) + header[8:] + body


def body_of(kind: type[Message]) -> bytes:
    return msgspec.msgpack.encode(plain(kind))


def refuse(frame: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode(frame, run=RUN)


def survive(frame: bytes) -> None:
    try:
        envelope = decode(frame, run=RUN)
    except ProtocolError:
        return
    assert isinstance(envelope.message, Message)


def test_every_message_is_among_those_that_are_tried() -> None:
    assert {kind for _, kind in SENT} == set(Message.__subclasses__())


@KINDS
def test_the_plain_example_is_whole(topic: str, kind: type[Message]) -> None:
    assert decode(encode(topic, plain(kind), Stamp(RUN, 0, 0)), run=RUN).message == plain(kind)


@KINDS
def test_a_wrong_value_at_any_place_is_refused(topic: str, kind: type[Message]) -> None:
    for place, fields in with_hostile_values(kind):
        try:
            decode(framed(topic, msgspec.msgpack.encode(fields)), run=RUN)
        except MalformedFrame:
            continue
        pytest.fail(f"{place} was taken")


@KINDS
def test_any_bit_may_flip_under_a_right_checksum(topic: str, kind: type[Message]) -> None:
    body = body_of(kind)
    for bit in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        survive(framed(topic, bytes(flipped)))


@KINDS
def test_any_bit_that_flips_under_the_old_checksum_is_noticed(topic: str, kind: type[Message]) -> None:
    frame = encode(topic, plain(kind), Stamp(RUN, 0, 0))
    for bit in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProtocolError):
            decode(bytes(flipped), run=RUN)


@KINDS
def test_a_body_cut_short_or_made_longer_is_refused(topic: str, kind: type[Message]) -> None:
    body = body_of(kind)
    for end in range(len(body)):
        refuse(framed(topic, body[:end]))
    for more in (b"\0", b"\xc0", body):
        refuse(framed(topic, body + more))
    fields = msgspec.msgpack.decode(body)
    refuse(framed(topic, msgspec.msgpack.encode([*fields, 1])))


@KINDS
def test_a_tag_of_another_channel_is_refused(topic: str, kind: type[Message]) -> None:
    there = {other for where, other in SENT if where == topic}
    _, *fields = msgspec.msgpack.decode(body_of(kind))
    for tag in ("", "Nobody", kind.__name__.lower(), 7, None, b"Ack"):
        refuse(framed(topic, msgspec.msgpack.encode([tag, *fields])))
    for other in {other for _, other in SENT} - there:
        refuse(framed(topic, body_of(other)))


@KINDS
def test_any_bytes_may_be_put_in_the_place_of_any_others(topic: str, kind: type[Message]) -> None:
    body = body_of(kind)

    @settings(max_examples=40, deadline=None)
    @given(start=st.integers(0, len(body)), length=st.integers(0, 12), put=st.binary(max_size=12))
    def survives(start: int, length: int, put: bytes) -> None:
        survive(framed(topic, body[:start] + put + body[start + length :]))

    survives()


@KINDS
def test_any_structure_may_stand_behind_the_tag(topic: str, kind: type[Message]) -> None:
    values = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
    size = len(kind.__struct_fields__)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(values, min_size=max(0, size - 2), max_size=size + 1))
    def survives(fields: list[Any]) -> None:
        survive(framed(topic, msgspec.msgpack.encode([kind.__name__, *fields])))

    survives()


def test_a_command_has_a_limit_of_its_own_on_both_ways() -> None:
    failed = Failed("a", 3, "x" * 65_536)
    assert decode(encode("command/a", failed, Stamp(RUN, 0, 0))).message == failed
    frame = framed("command/a", bytes(MAX_COMMAND_BYTES))
    assert len(frame) < MAX_FRAME_BYTES
    with pytest.raises(MalformedFrame, match=f"above the limit of {MAX_COMMAND_BYTES}"):
        decode(frame)


def test_a_command_of_ours_above_its_limit_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_COMMAND_BYTES", 1000)
    with pytest.raises(FrameTooLarge, match=r"Failed is .* above the limit of 1000"):
        encode("command/a", Failed("a", 3, "x" * 1000), Stamp(RUN, 0, 0))
