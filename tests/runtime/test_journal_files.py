import os
import resource
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.journal_files import (
    MAX_UNSYNCED,
    JournalReader,
    JournalWriteError,
    JournalWriter,
    Position,
    segment_path,
)
from actors.runtime.journal_repair import Repair, repair_journal
from protocol.codec import Stamp, encode
from protocol.errors import ForeignFrame, JournalCorrupt
from protocol.journal import HEADER, RECORD
from protocol.messages import PhaseEvent, RunEnd, SessionReport

RUN = 41


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """Let this process write no file beyond a size: the first write that passes it is cut short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def journal_of(folder: Path, segments: dict[int, list[bytes]]) -> JournalReader:
    with JournalWriter(folder, RUN) as writer:
        for index, frames in segments.items():
            writer.start_segment(index)
            for frame in frames:
                writer.append(frame)
    return JournalReader(folder)


def append_all(writer: JournalWriter, sizes: list[int]) -> None:
    for size in sizes:
        writer.append(bytes(size))


@settings(max_examples=30, deadline=None)
@given(segments=st.dictionaries(st.integers(0, 30), st.lists(st.binary(max_size=50), max_size=5), max_size=4))
def test_what_was_appended_is_read_back_segment_by_segment(
    segments: dict[int, list[bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    reader = journal_of(tmp_path_factory.mktemp("journal"), segments)
    assert reader.segments() == tuple(sorted(segments))
    assert {index: list(reader.frames(index)) for index in reader.segments()} == segments


def test_segments_are_files_with_six_digits_and_the_bytes_are_counted(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "journal", RUN) as writer:
        writer.start_segment(0)
        writer.append(b"abc")
        writer.start_segment(1)
        names = sorted(path.name for path in (tmp_path / "journal").iterdir())
        assert names == ["000000.sfj", "000001.sfj"]
        assert writer.bytes_written == 2 * HEADER.size + RECORD.size + 3


def test_an_appended_frame_is_in_the_file_before_append_returns(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, RUN)
    writer.start_segment(0)
    for count in range(1, 4):
        writer.append(b"frame")
        assert len(list(JournalReader(tmp_path).frames(0))) == count
    writer.close()


def test_messages_come_back_decoded_with_their_envelope(tmp_path: Path) -> None:
    message = PhaseEvent(session=0, phase=1, state="started", elapsed_ns=5)
    frame = encode("control", message, Stamp(RUN, 3, 9))
    reader = journal_of(tmp_path, {0: [frame]})
    assert list(reader.messages(0)) == [message]
    (envelope,) = reader.envelopes(0)
    assert (envelope.topic, envelope.stamp) == ("control", Stamp(RUN, 3, 9))


def test_a_frame_of_another_run_is_foreign_to_the_journal(tmp_path: Path) -> None:
    frame = encode("control", RunEnd(0, "", ""), Stamp(RUN + 1, 0, 0))
    reader = journal_of(tmp_path, {0: [frame]})
    with pytest.raises(ForeignFrame):
        list(reader.messages(0))


def test_a_segment_that_exists_is_never_written_over(tmp_path: Path) -> None:
    journal_of(tmp_path, {0: [b"precious"]})
    with pytest.raises(JournalWriteError, match=r"000000\.sfj: File exists; a journal is never written over"):
        JournalWriter(tmp_path, RUN).start_segment(0)
    assert list(JournalReader(tmp_path).frames(0)) == [b"precious"]


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(JournalWriteError, match=r"cannot write the journal .*000000\.sfj: File exists"):
        JournalWriter(tmp_path / "journal", RUN).start_segment(0)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6), data=st.data())
def test_a_write_cut_short_leaves_whole_records_and_says_what_to_do(
    sizes: list[int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    ends = [HEADER.size + sum(RECORD.size + size for size in sizes[:n]) for n in range(len(sizes) + 1)]
    limit = data.draw(st.integers(HEADER.size, ends[-1] - 1))
    writer = JournalWriter(folder, RUN)
    writer.start_segment(0)
    with file_size_limit(limit), pytest.raises(JournalWriteError, match="raise the limit on file sizes"):
        append_all(writer, sizes)
    whole = max(n for n, end in enumerate(ends) if end <= limit)
    assert segment_path(folder, 0).stat().st_size == ends[whole] == writer.bytes_written
    writer.append(b"after")
    writer.close()
    assert list(JournalReader(folder).frames(0)) == [*map(bytes, sizes[:whole]), b"after"]


def test_segments_that_do_not_reach_the_disk_are_an_error_however_many_are_written_meanwhile(
    tmp_path: Path,
) -> None:
    writer = JournalWriter(tmp_path / "journal", RUN)
    for index in range(3):
        writer.start_segment(index)
    (tmp_path / "journal").rename(tmp_path / "gone")
    with pytest.raises(JournalWriteError, match=r"cannot write the journal .*: No such file"):
        writer.close()


def test_more_segments_are_finished_than_may_wait_and_no_descriptor_or_thread_is_left(tmp_path: Path) -> None:
    process = psutil.Process()
    before = process.num_fds(), threading.active_count()
    frames = {index: [b"frame"] for index in range(3 * MAX_UNSYNCED)}
    reader = journal_of(tmp_path / "journal", frames)
    assert {index: list(reader.frames(index)) for index in reader.segments()} == frames
    assert (process.num_fds(), threading.active_count()) == before


def test_a_segment_whose_head_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, RUN)
    with file_size_limit(HEADER.size - 1), pytest.raises(JournalWriteError):
        writer.start_segment(0)


@pytest.mark.parametrize("size", [0, 1, HEADER.size - 1])
def test_the_newest_segment_torn_within_its_head_has_no_frames(tmp_path: Path, size: int) -> None:
    journal_of(tmp_path, {0: [b"abc"]})
    os.truncate(segment_path(tmp_path, 0), size)
    assert list(JournalReader(tmp_path).frames(0)) == []


@pytest.mark.parametrize("written", range(5))
def test_a_head_that_is_whole_only_in_its_beginning_with_zeros_behind_is_torn_for_reading_and_repair(
    tmp_path: Path, written: int
) -> None:
    reader = journal_of(tmp_path, {0: [b"abc"]})
    path = segment_path(tmp_path, 0)
    size = path.stat().st_size
    os.truncate(path, written)
    os.truncate(path, size)
    assert list(reader.frames(0)) == []
    assert repair_journal(tmp_path) == Repair(None, -1, size, 0)


def test_a_torn_tail_of_the_newest_segment_is_left_out_but_of_an_older_one_is_corrupt(tmp_path: Path) -> None:
    reader = journal_of(tmp_path, {0: [b"abc", b"def"]})
    path = segment_path(tmp_path, 0)
    os.truncate(path, path.stat().st_size - 1)
    assert list(reader.frames(0)) == [b"abc"]
    with JournalWriter(tmp_path, RUN) as writer:
        writer.start_segment(1)
    with pytest.raises(JournalCorrupt, match="it is torn, and yet a later segment follows"):
        list(reader.frames(0))


def test_a_file_that_is_no_segment_is_corrupt_and_other_names_are_left_alone(tmp_path: Path) -> None:
    segment_path(tmp_path, 0).write_bytes(b"something else entirely")
    (tmp_path / "notes.txt").write_text("mine")
    reader = JournalReader(tmp_path)
    assert reader.segments() == (0,)
    with pytest.raises(JournalCorrupt, match=r"journal 000000\.sfj at byte 0"):
        list(reader.frames(0))


def test_a_journal_that_is_not_there_has_no_segments_and_no_frames(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path / "journal")
    assert reader.segments() == ()
    assert list(reader.frames(0)) == []


def test_reading_a_big_segment_takes_the_memory_of_one_frame(tmp_path: Path) -> None:
    reader = journal_of(tmp_path, {0: [bytes(2**20)] * 32})
    tracemalloc.start()
    count = sum(1 for _ in reader.frames(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 32
    assert peak < 6 * 2**20


def test_what_was_appended_survives_the_death_of_the_process(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from actors.runtime.journal_files import JournalWriter\n"
        "writer = JournalWriter(Path(sys.argv[1]), 41)\n"
        "writer.start_segment(0)\n"
        "for n in range(100): writer.append(b'%d' % n)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert list(JournalReader(tmp_path).frames(0)) == [b"%d" % n for n in range(100)]


def numbered(folder: Path, counts: list[int]) -> JournalReader:
    """Make segments with so many frames each, numbered over all of them."""
    numbers = iter(range(sum(counts)))
    frames = [
        [encode("control", SessionReport(next(numbers), 0, 0, 0, 0, 0), Stamp(RUN, 0, 0)) for _ in range(n)]
        for n in counts
    ]
    return journal_of(folder, dict(enumerate(frames)))


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(0, 4), min_size=1, max_size=5), stops=st.lists(st.integers(0, 4)))
def test_reading_on_from_any_position_gives_every_record_once(
    counts: list[int], stops: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    reader = numbered(tmp_path_factory.mktemp("journal"), counts)
    position, found = Position(), []
    for stop in [*stops, sum(counts)]:
        for place, envelope in islice(reader.envelopes_from(position), stop):
            position = place
            found.append(envelope.message.session)
    assert found == list(range(sum(counts)))
    assert reader.bytes_behind(position) == 0
    assert list(reader.envelopes_from(position)) == []


def test_what_is_appended_later_is_read_from_where_one_was_and_a_torn_tail_is_counted(tmp_path: Path) -> None:
    reader = numbered(tmp_path, [2])
    ((_, _), (position, _)) = reader.envelopes_from(Position())
    record = segment_path(tmp_path, 0).read_bytes()[HEADER.size : position.offset]
    half = len(record) // 2
    with segment_path(tmp_path, 0).open("ab") as file:
        file.write(record[: half + 20])
    ((position, again),) = reader.envelopes_from(position)
    assert again.message == SessionReport(0, 0, 0, 0, 0, 0)
    assert reader.bytes_behind(position) == 20


def test_nothing_lies_behind_a_position_in_a_journal_that_is_not_there(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path / "none")
    assert list(reader.envelopes_from(Position())) == []
    assert reader.bytes_behind(Position()) == 0
