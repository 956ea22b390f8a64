"""Journals torn by a loss of power, at any byte of any segment."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.journal_files import JournalReader, JournalWriter, segment_path
from actors.runtime.journal_repair import NOT_TORN, Torn, cut_torn, run_of
from protocol.codec import Stamp, encode
from protocol.errors import JournalCorrupt
from protocol.journal import HEADER, RECORD
from protocol.lifecycle import Phase
from protocol.messages import PhaseEvent, RunEnd

RUN = 41
END = PhaseEvent(0, Phase.END_OF_SESSION, "complete", 7)
Frames = list[list[bytes]]


def journal_of(folder: Path, records: Sequence[int]) -> Frames:
    """Write a segment for each session with so many records and the end of its session; give the frames."""
    segments = [
        [
            encode("control", message, Stamp(RUN, 0, number))
            for number, message in enumerate([*(RunEnd(n, "x" * n, "") for n in range(count)), END])
        ]
        for count in records
    ]
    with JournalWriter(folder, RUN) as writer:
        for index, frames in enumerate(segments):
            writer.start_segment(index)
            for frame in frames:
                writer.append(frame)
    return segments


def read(folder: Path) -> Frames:
    reader = JournalReader(folder)
    return [list(reader.frames(segment)) for segment in reader.segments()]


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def tear(path: Path, offset: int, *, zeros: bool) -> None:
    size = path.stat().st_size
    os.truncate(path, offset)
    if zeros:
        os.truncate(path, size)


def whole_before(frames: Sequence[bytes], offset: int) -> int:
    """Count the records that end at a byte or before it."""
    ends = [
        HEADER.size + sum(RECORD.size + len(frame) for frame in frames[: n + 1]) for n in range(len(frames))
    ]
    return sum(end <= offset for end in ends)


@settings(max_examples=150, deadline=None)
@given(records=st.lists(st.integers(0, 4), min_size=1, max_size=4), data=st.data(), zeros=st.booleans())
def test_a_journal_torn_at_any_byte_keeps_every_record_before_it_and_none_behind(
    records: list[int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, *, zeros: bool
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    frames = journal_of(folder, records)
    segment = data.draw(st.integers(0, len(records) - 1))
    path = segment_path(folder, segment)
    offset = data.draw(st.integers(0, path.stat().st_size - 1))
    tear(path, offset, zeros=zeros)
    size = size_of(folder)
    torn = cut_torn(folder)
    kept = frames[segment][: whole_before(frames[segment], offset)]
    expected = [*frames[:segment], kept]
    assert read(folder) == expected
    assert torn.bytes == size - size_of(folder)
    assert torn.segments == len(records) - segment - 1
    assert cut_torn(folder)._replace(segment=None) == NOT_TORN
    if segment or offset >= HEADER.size:
        assert run_of(folder) == RUN


@given(records=st.lists(st.integers(0, 4), max_size=4))
@settings(max_examples=20, deadline=None)
def test_a_whole_journal_is_left_as_it_is(
    records: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    folder.joinpath("notes.txt").write_text("mine")
    frames = journal_of(folder, records)
    assert cut_torn(folder) == NOT_TORN
    assert read(folder) == frames


def test_an_older_segment_cut_between_two_records_is_torn_too(tmp_path: Path) -> None:
    frames = journal_of(tmp_path, [2, 1])
    path = segment_path(tmp_path, 0)
    os.truncate(path, path.stat().st_size - RECORD.size - len(frames[0][-1]))
    size = segment_path(tmp_path, 1).stat().st_size
    assert cut_torn(tmp_path) == Torn(0, size, 1)
    assert read(tmp_path) == [frames[0][:-1]]


def test_a_journal_ends_before_a_segment_that_is_missing(tmp_path: Path) -> None:
    frames = journal_of(tmp_path, [1, 1, 1, 1])
    segment_path(tmp_path, 1).unlink()
    size = size_of(tmp_path) - segment_path(tmp_path, 0).stat().st_size
    assert cut_torn(tmp_path) == Torn(1, size, 2)
    assert read(tmp_path) == frames[:1]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_before_the_last_record_is_refused_with_segment_and_byte_and_nothing_is_cut(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    frames = journal_of(folder, [3, 3])
    segment = data.draw(st.integers(0, 1))
    path = segment_path(folder, segment)
    content = bytearray(path.read_bytes())
    last = len(content) - len(frames[segment][-1]) - RECORD.size
    place = data.draw(st.integers(HEADER.size, last - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(JournalCorrupt, match=rf"journal 00000{segment}\.sfj at byte \d+: "):
        cut_torn(folder)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


def test_an_empty_journal_is_of_no_run(tmp_path: Path) -> None:
    assert cut_torn(tmp_path / "journal") == NOT_TORN
    assert run_of(tmp_path / "journal") is None
