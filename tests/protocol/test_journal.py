import io
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import MAX_FRAME_BYTES
from protocol.errors import JournalCorrupt
from protocol.journal import (
    HEADER,
    RECORD,
    Record,
    encode_header,
    encode_record,
    is_torn,
    read_header,
    read_records,
)
from protocol.version import PROTOCOL_VERSION

FRAMES = st.lists(st.binary(max_size=60), max_size=6)
SOME_FRAMES = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6)


def written(frames: list[bytes]) -> bytes:
    return b"".join(encode_record(frame) + frame for frame in frames)


def read(data: bytes) -> list[Record]:
    return list(read_records(io.BytesIO(data), "000000.sfj"))


def frames_of(data: bytes) -> list[bytes]:
    return [record.frame for record in read(data)]


@given(run=st.integers(0, 2**64 - 1))
def test_a_segment_tells_its_run(run: int) -> None:
    assert read_header(encode_header(run), "here") == run


@pytest.mark.parametrize(
    "head",
    [
        b"",
        encode_header(1)[:-1],
        bytes(HEADER.size),
        HEADER.pack(b"SFJ1", PROTOCOL_VERSION + 1, 0),
        HEADER.pack(b"XFJ1", PROTOCOL_VERSION, 0),
    ],
)
def test_what_is_not_the_head_of_a_segment_is_corrupt(head: bytes) -> None:
    with pytest.raises(JournalCorrupt, match="journal here at byte 0"):
        read_header(head, "here")


@given(run=st.integers(0, 2**64 - 1), data=st.data())
def test_a_head_is_torn_where_only_its_beginning_was_written(run: int, data: st.DataObject) -> None:
    head = encode_header(run)
    cut = data.draw(st.integers(0, HEADER.size - 1))
    assert is_torn(head[:cut])
    assert is_torn(head[:cut] + bytes(HEADER.size - cut)) or cut > len(b"SFJ1")
    assert not is_torn(head)


@given(frames=FRAMES)
def test_records_come_back_in_order_each_with_its_end(frames: list[bytes]) -> None:
    records = read(written(frames))
    assert [record.frame for record in records] == frames
    ends = [HEADER.size + len(written(frames[: n + 1])) for n in range(len(frames))]
    assert [record.end for record in records] == ends


@given(frames=SOME_FRAMES, data=st.data())
def test_a_tail_torn_at_any_byte_leaves_the_whole_records(frames: list[bytes], data: st.DataObject) -> None:
    whole = written(frames)
    cut = data.draw(st.integers(0, len(whole)))
    kept = [n for n in range(len(frames) + 1) if len(written(frames[:n])) <= cut]
    assert frames_of(whole[:cut]) == frames[: max(kept)]


@given(frames=SOME_FRAMES, zeros=st.integers(0, 100), data=st.data())
def test_a_tail_of_zeros_as_a_power_cut_leaves_it_is_cut_off(
    frames: list[bytes], zeros: int, data: st.DataObject
) -> None:
    whole = written(frames)
    cut = data.draw(st.integers(0, len(whole)))
    read_back = frames_of(whole[:cut] + bytes(len(whole) - cut + zeros))
    assert read_back[: len(frames)] == frames[: len(read_back)]
    assert len(read_back) >= max(n for n in range(len(frames) + 1) if len(written(frames[:n])) <= cut)


@settings(max_examples=200)
@given(frames=SOME_FRAMES, data=st.data())
def test_a_bit_flipped_before_the_last_record_is_never_taken_for_a_torn_tail(
    frames: list[bytes], data: st.DataObject
) -> None:
    last = b"\1last"
    damaged = bytearray(written(frames))
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(JournalCorrupt, match=r"journal 000000\.sfj at byte"):
        read(bytes(damaged) + written([last]))


@settings(max_examples=100)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_read_or_corrupt_and_nothing_else(data: bytes) -> None:
    with suppress(JournalCorrupt):
        read(data)


def test_a_record_above_the_limit_is_corrupt_and_is_not_read() -> None:
    head = encode_record(bytes(MAX_FRAME_BYTES + 1))
    with pytest.raises(JournalCorrupt, match="above the limit"):
        read(head)


def test_reading_may_start_behind_a_record_that_is_known() -> None:
    data = written([b"one", b"two"])
    skipped = RECORD.size + len(b"one")
    source = io.BytesIO(data[skipped:])
    (record,) = read_records(source, "here", HEADER.size + skipped)
    assert record == Record(HEADER.size + len(data), b"two")
