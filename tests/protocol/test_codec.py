import math
import string
import struct
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import blocks, codec, topics
from protocol.blocks import BAR_DTYPE, BarBlock, Block
from protocol.codec import HEADER, MAX_FRAME_BYTES, Stamp, decode, encode
from protocol.errors import ForeignFrame, FrameTooLarge, MalformedFrame, ProtocolError
from protocol.messages import Ack, Leave, Message, RawWindow, SessionBars, Signal
from protocol.version import PROTOCOL_VERSION
from tests.plain_messages import CHANNELS, RECORD_BYTES, SENT

RUN = 7
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)
STAMPS = st.builds(
    Stamp,
    run=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**32 - 1),
    sequence=st.integers(0, 2**64 - 1),
)
MESSAGES_BY_TOPIC: dict[str, list[type[Message]]] = {
    topic: [kind for sent_on, kind in SENT if sent_on == topic] for topic in CHANNELS
}


def block_of(kind: type[Block]) -> st.SearchStrategy[Block]:
    return st.integers(0, 3).flatmap(
        lambda n: st.builds(
            kind,
            n=st.just(n),
            records=st.binary(min_size=n * RECORD_BYTES[kind], max_size=n * RECORD_BYTES[kind]),
        )
    )


def text_of(info: msgspec.inspect.StrType) -> st.SearchStrategy[str]:
    if info.pattern is not None:
        return NAMES
    return st.text(max_size=min(info.max_length or 40, 40))


def struct_of(info: msgspec.inspect.StructType) -> st.SearchStrategy[Any]:
    if info.cls in RECORD_BYTES:
        return block_of(info.cls)
    return st.builds(info.cls, **{field.name: value_of(field.type) for field in info.fields})


def tuple_of(info: msgspec.inspect.VarTupleType) -> st.SearchStrategy[Any]:
    return st.lists(value_of(info.item_type), max_size=3).map(tuple)


def mapping_of(info: msgspec.inspect.DictType) -> st.SearchStrategy[Any]:
    return st.dictionaries(value_of(info.key_type), value_of(info.value_type), max_size=3)


STRATEGIES: dict[type[msgspec.inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    msgspec.inspect.IntType: lambda info: st.integers(info.ge, info.le),
    msgspec.inspect.FloatType: lambda _: st.floats(allow_nan=False, allow_infinity=False),
    msgspec.inspect.BoolType: lambda _: st.booleans(),
    msgspec.inspect.StrType: text_of,
    msgspec.inspect.LiteralType: lambda info: st.sampled_from(info.values),
    msgspec.inspect.VarTupleType: tuple_of,
    msgspec.inspect.DictType: mapping_of,
    msgspec.inspect.StructType: struct_of,
    msgspec.inspect.NoneType: lambda _: st.none(),
    msgspec.inspect.UnionType: lambda info: st.one_of([value_of(each) for each in info.types]),
}


def value_of(info: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    return STRATEGIES[type(info)](info)


def message_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    return value_of(msgspec.inspect.type_info(kind))


def topic_and_message(topic: str) -> st.SearchStrategy[Message]:
    return st.sampled_from(MESSAGES_BY_TOPIC[topic]).flatmap(message_of)


def framed(topic: str, body: bytes) -> bytes:
    """Build a frame around any body, with a header and a checksum that are right."""
    start = topics.prefix(topic)
    header = HEADER.pack(codec.MAGIC, PROTOCOL_VERSION, 0, RUN, 0, len(body), 0)
    crc = zlib.crc32(start + header[:4] + header[8:] + body)
    return start + header[:4] + struct.pack("<I", crc) + header[8:] + body


def packed(kind: str, *fields: object) -> bytes:
    return msgspec.msgpack.encode([kind, *fields])


def refuses(frame: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        decode(frame)
    return str(caught.value)


def survives(frame: bytes) -> None:
    """Decode to a message or raise ProtocolError; anything else fails the test."""
    try:
        decode(frame)
    except ProtocolError:
        return


def test_every_message_class_may_be_sent_on_some_topic() -> None:
    known = {kind for _, kind in SENT}
    assert known == set(Message.__subclasses__())


@pytest.mark.parametrize(("topic", "kind"), SENT)
def test_every_message_comes_back_as_it_was_sent(topic: str, kind: type[Message]) -> None:
    @settings(max_examples=20, deadline=None)
    @given(message=message_of(kind), stamp=STAMPS)
    def round_trips(message: Message, stamp: Stamp) -> None:
        envelope = decode(encode(topic, message, stamp), run=stamp.run)
        assert envelope.message == message
        assert type(envelope.message) is kind
        assert envelope.stamp == stamp
        assert envelope.topic == topic

    round_trips()


@pytest.mark.parametrize(
    ("topic", "sender"),
    [
        ("raw", "coordinator"),
        ("to/loader", "coordinator"),
        ("report/a-1_x", "a-1_x"),
        ("command/loader", "loader"),
    ],
)
def test_a_frame_names_its_sender(topic: str, sender: str) -> None:
    assert topics.sender_of(topic) == sender


@settings(max_examples=200, deadline=None)
@given(frame=st.binary(max_size=300))
def test_random_bytes_are_refused(frame: bytes) -> None:
    refuses(frame)


@pytest.mark.parametrize("topic", CHANNELS)
def test_random_bytes_behind_a_topic_are_refused(topic: str) -> None:
    @settings(max_examples=50, deadline=None)
    @given(rest=st.binary(max_size=200))
    def refused(rest: bytes) -> None:
        refuses(topics.prefix(topic) + rest)

    refused()


@pytest.mark.parametrize("topic", CHANNELS)
def test_random_bodies_with_a_right_header_decode_or_are_refused(topic: str) -> None:
    @settings(max_examples=100, deadline=None)
    @given(body=st.binary(max_size=200))
    def survived(body: bytes) -> None:
        survives(framed(topic, body))

    survived()


@pytest.mark.parametrize("topic", CHANNELS)
def test_a_frame_cut_short_anywhere_is_refused(topic: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(message=topic_and_message(topic), cut=st.floats(0, 1, exclude_max=True))
    def refused(message: Message, cut: float) -> None:
        frame = encode(topic, message, Stamp(RUN, 0, 0))
        refuses(frame[: int(len(frame) * cut)])

    refused()


@pytest.mark.parametrize("topic", CHANNELS)
def test_a_frame_with_any_bit_flipped_is_refused(topic: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(message=topic_and_message(topic), data=st.data())
    def refused(message: Message, data: st.DataObject) -> None:
        frame = bytearray(encode(topic, message, Stamp(RUN, 0, 0)))
        bit = data.draw(st.integers(0, len(frame) * 8 - 1))
        frame[bit // 8] ^= 1 << bit % 8
        refuses(bytes(frame))

    refused()


@pytest.mark.parametrize("topic", CHANNELS)
def test_a_mutated_body_under_a_right_checksum_decodes_or_is_refused(topic: str) -> None:
    @settings(max_examples=100, deadline=None)
    @given(message=topic_and_message(topic), data=st.data())
    def survived(message: Message, data: st.DataObject) -> None:
        body = bytearray(msgspec.msgpack.encode(message))
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(start + 8, len(body))))
        body[start:end] = data.draw(st.binary(max_size=8))
        survives(framed(topic, bytes(body)))

    survived()


@pytest.mark.parametrize("topic", CHANNELS)
@pytest.mark.parametrize("opening", [b"\x91", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01", b"\x81\xa1a"])
def test_deep_nesting_is_refused(topic: str, opening: bytes) -> None:
    refuses(framed(topic, opening * 100_000))
    refuses(framed(topic, b"\x94\xa3Ack\xa1a\x00" + opening * 100_000))


@pytest.mark.parametrize("topic", CHANNELS)
@pytest.mark.parametrize(
    "bomb",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
    ],
    ids=["array", "map", "text", "bytes", "extension"],
)
def test_a_length_without_the_bytes_is_refused(topic: str, bomb: bytes) -> None:
    refuses(framed(topic, bomb))
    for kind in MESSAGES_BY_TOPIC[topic]:
        tag = msgspec.msgpack.encode(kind.__name__)
        for position in range(len(kind.__struct_fields__)):
            refuses(framed(topic, b"\xdc\x00\x14" + tag + b"\x00" * position + bomb))


def test_a_length_bomb_where_a_tuple_is_due_is_refused() -> None:
    refuses(framed("report/a", b"\x94\xa3Ack\xa1a\x00\xdd\xff\xff\xff\xff"))


@pytest.mark.parametrize(
    "body",
    [
        packed("Nobody", 1),
        packed("RawWindow", 0),
        packed("Stop", "enough"),
        msgspec.msgpack.encode(["Ack"]),
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode({"type": "Ack"}),
        msgspec.msgpack.encode(7),
        packed("Ack", "a", 0),
        packed("Ack", "a", 0, [], 1),
        packed("Ack", "a", "0", []),
        packed("Ack", "a", True, []),
        packed("Ack", "a", 0.0, []),
        packed("Ack", "a", -1, []),
        packed("Ack", "a", 2**63, []),
        packed("Ack", "", 0, []),
        packed("Ack", "A", 0, []),
        packed("Ack", "a\n", 0, []),
        packed("Ack", "../x", 0, []),
        packed("Ack", "a" * 33, 0, []),
        packed("Ack", b"a", 0, []),
        packed("Ack", "a", 0, None),
        packed("Ack", "a", 0, [[0, "X", "HOLD", 1.0, 1.0, ""]]),
        packed("Ack", "a", 0, [[0, "X" * 257, "BUY", 1.0, 1.0, ""]]),
        packed("Ack", "a", 0, [[0, "X", "BUY", math.nan, 1.0, ""]]),
        packed("Ack", "a", 0, [[0, "X", "BUY", math.inf, 1.0, ""]]),
        packed("Ack", "a", 0, [[0, "X", "BUY", 1.0, -math.inf, ""]]),
        packed("Ack", "a", 0, []) + b"\x00",
        packed("Ack", "a", 0, []) * 2,
        b"\x94\xa3Ack\xa1\xff\x00\x90",
        b"\x94\xa3Ack\xa1a\x00\xc1",
        b"",
    ],
)
def test_a_report_that_is_not_exactly_right_is_refused(body: bytes) -> None:
    assert "malformed frame from peer: " in refuses(framed("report/peer", body))


def test_the_body_that_the_wrong_ones_are_made_from_is_right() -> None:
    signal = [0, "X", "BUY", 1.0, 1.0, ""]
    message = decode(framed("report/peer", packed("Ack", "a", 0, [signal]))).message
    assert message == Ack("a", 0, (Signal(0, "X", "BUY", 1.0, 1.0, ""),))


@pytest.mark.parametrize(("n", "size"), [(0, 1), (1, 0), (1, 67), (1, 69), (2, 68), (-1, 0), (2**62, 68)])
def test_a_block_whose_bytes_are_not_n_records_is_refused(n: int, size: int) -> None:
    body = packed("Derived", 0, [n, bytes(size)], 0)
    assert "malformed frame from processor" in refuses(framed("report/processor", body))


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("", "no topic"),
        ("unknown", "unknown topic 'unknown'"),
        ("raw/x", "unknown topic"),
        ("report", "unknown topic"),
        ("report/", "unknown topic"),
        ("report/../../etc", "unknown topic"),
        ("report/a\n", "unknown topic"),
        ("to/" + "a" * 33, "unknown topic"),
        ("x" * 65, "no topic"),
        ("raw\u00e9", "unknown topic"),
    ],
)
def test_a_topic_that_nobody_owns_is_refused(topic: str, expected: str) -> None:
    assert expected in refuses(framed(topic, packed("Ack", "a", 0, [])))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HEADER.pack(b"XX", PROTOCOL_VERSION, 0, RUN, 0, 0, 0), "magic"),
        (HEADER.pack(b"SF", PROTOCOL_VERSION + 1, 0, RUN, 0, 0, 0), "protocol version 2, not 1"),
        (HEADER.pack(b"SF", PROTOCOL_VERSION, 0, RUN, 0, 1, 0), "body of 0 bytes, header says 1"),
        (HEADER.pack(b"SF", PROTOCOL_VERSION, 0, RUN, 0, 0, 0), "checksum"),
        (b"SF", "too short"),
    ],
)
def test_a_header_that_is_wrong_is_refused_by_name(header: bytes, expected: str) -> None:
    assert expected in refuses(topics.prefix("report/peer") + header)


def test_a_frame_of_another_run_is_foreign() -> None:
    frame = encode("report/peer", Leave("peer", 0, 0, ()), Stamp(RUN, 0, 0))
    with pytest.raises(ForeignFrame, match="foreign frame from peer: run is 7, not 8"):
        decode(frame, run=RUN + 1)


def test_a_message_above_the_limit_is_not_sent() -> None:
    records = MAX_FRAME_BYTES // BAR_DTYPE.itemsize + 1
    block = BarBlock(n=records, records=bytes(records * BAR_DTYPE.itemsize))
    with pytest.raises(FrameTooLarge, match=r"SessionBars is .* bytes, above the limit"):
        encode("ingest/loader", SessionBars(0, block, ()), Stamp(RUN, 0, 0))


def test_a_frame_above_the_limit_is_refused_unread() -> None:
    with pytest.raises(MalformedFrame, match="above the limit"):
        decode(bytes(MAX_FRAME_BYTES + 1))


def test_a_block_is_viewed_without_a_copy_and_comes_back_bit_by_bit() -> None:
    bars = np.zeros(3, dtype=BAR_DTYPE)
    bars["close_ts"] = [1, 2, 3]
    bars["close"] = [1.5, math.nan, -0.0]
    window = RawWindow(
        seq=0,
        session=-1,
        first=True,
        last=False,
        steps=blocks.time_block(np.array([1, 2, 3])),
        block=blocks.bar_block(bars),
        defects=(),
    )
    received = decode(encode(topics.RAW, window, Stamp(RUN, 0, 0))).message
    assert isinstance(received, RawWindow)
    view = blocks.as_bars(received.block)
    assert view.tobytes() == bars.tobytes()
    assert not view.flags.owndata
    assert not view.flags.writeable
    assert blocks.as_times(received.steps).tolist() == [1, 2, 3]


def test_names_are_spelt_with_the_characters_of_actor_names_only() -> None:
    allowed = set(string.ascii_lowercase + string.digits + "_-")
    for character in map(chr, range(0x250)):
        matches = topics.ACTOR_NAME.fullmatch(f"a{character}") is not None
        assert matches == (character in allowed)
