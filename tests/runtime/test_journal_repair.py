import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.framing import Framing
from actors.runtime.journal_files import JournalReader, JournalWriter, segment_path
from actors.runtime.journal_repair import Repair, repair_journal
from protocol import topics
from protocol.blocks import NO_BARS, NO_QUALITY, TimeBlock
from protocol.errors import JournalCorrupt
from protocol.journal import HEADER, RECORD
from protocol.messages import (
    Message,
    PhaseEvent,
    RunEnd,
    SealedWindow,
    SessionReport,
    Signals,
    StreamClosed,
)

RUN: Final = 41
EPOCH: Final = 6
ENTERED: Final = PhaseEvent(0, 5, "started", 0)
WINDOW: Final = SealedWindow(0, 0, False, False, TimeBlock(0, b""), NO_BARS, NO_QUALITY, (), ())
SIGNAL: Final = Signals("a", 0, ())
COMPLETE: Final = PhaseEvent(0, 5, "complete", 1)
REPORT: Final = SessionReport(0, 1, 1, 1, 1, 0)
END: Final = RunEnd(1, "", "")
TAILS: Final[dict[str, tuple[list[Message], int]]] = {
    "a phase entered": ([ENTERED], 1),
    "a window": ([ENTERED, WINDOW, WINDOW], 3),
    "signals": ([ENTERED, WINDOW, SIGNAL], 3),
    "the end of a phase": ([ENTERED, WINDOW, COMPLETE], 2),
    "the end of a phase that did nothing": ([ENTERED, COMPLETE], 1),
    "the next phase": ([ENTERED, WINDOW, COMPLETE, ENTERED], 4),
    "a session's report": ([ENTERED, WINDOW, COMPLETE, ENTERED, REPORT], 4),
    "the end of a session": ([ENTERED, REPORT, COMPLETE], 1),
    "the run's end": ([ENTERED, REPORT, COMPLETE, END], 1),
    "an interrupted run's end": ([ENTERED, WINDOW, END], 2),
    "signals behind the run's end": ([ENTERED, WINDOW, END, SIGNAL, StreamClosed()], 2),
}


def frames(messages: Sequence[Message], epoch: int = EPOCH) -> list[bytes]:
    framing = Framing(RUN, epoch)
    kinds = {
        SealedWindow: topics.SEALED,
        Signals: topics.SIGNAL,
        PhaseEvent: topics.PHASE,
        SessionReport: topics.SESSION,
    }
    return [framing.encode(kinds.get(type(message), topics.CONTROL), message) for message in messages]


def write(folder: Path, *segments: Sequence[bytes]) -> None:
    with JournalWriter(folder, RUN) as journal:
        for index, segment in enumerate(segments):
            journal.start_segment(index)
            for frame in segment:
                journal.append(frame)


def kept_of(messages: Sequence[Message]) -> int:
    """Count up to the last phase entered, and the windows and signals right behind it."""
    entered = [place for place, message in enumerate(messages) if message == ENTERED]
    count = entered[-1] + 1 if entered else 0
    while 0 < count < len(messages) and isinstance(messages[count], SealedWindow | Signals):
        count += 1
    return count


def size(written: Sequence[bytes]) -> int:
    return sum(RECORD.size + len(frame) for frame in written)


@pytest.mark.parametrize("tail", TAILS)
def test_a_journal_is_cut_back_behind_the_last_that_need_not_be_said_again(tail: str, tmp_path: Path) -> None:
    messages, kept = TAILS[tail]
    written = frames(messages)
    write(tmp_path, frames([ENTERED, COMPLETE], 2), written)
    assert repair_journal(tmp_path) == Repair(1, EPOCH, 0, size(written[kept:]))
    reader = JournalReader(tmp_path)
    assert list(reader.frames(1)) == written[:kept]
    assert len(list(reader.frames(0))) == 2
    assert repair_journal(tmp_path).cut_bytes == 0


@settings(max_examples=60, deadline=None)
@given(tail=st.sampled_from(sorted(TAILS)), torn=st.integers(1, 2000))
def test_what_is_half_written_goes_too_and_never_a_record_that_counts(
    tail: str, torn: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    messages, _ = TAILS[tail]
    written = frames(messages)
    write(folder, written)
    last = RECORD.size + len(written[-1])
    whole = size(written)
    torn = min(torn, last - 1)
    os.truncate(segment_path(folder, 0), HEADER.size + whole - last + torn)
    found = repair_journal(folder)
    left = kept_of(messages[:-1])
    if left == 0:
        assert found == Repair(None, -1, HEADER.size + torn, 0)
        assert JournalReader(folder).segments() == ()
    else:
        assert found == Repair(0, EPOCH, torn, size(written[left:-1]))
        assert list(JournalReader(folder).frames(0)) == written[:left]


@pytest.mark.parametrize("head", [b"", b"SF", bytes(HEADER.size), bytes(4096)], ids=len)
def test_a_segment_that_was_only_begun_goes_and_the_one_before_is_gone_on_with(
    head: bytes, tmp_path: Path
) -> None:
    written = frames([ENTERED, WINDOW, COMPLETE, ENTERED, REPORT, COMPLETE])
    write(tmp_path, written)
    segment_path(tmp_path, 1).write_bytes(head)
    assert repair_journal(tmp_path) == Repair(0, EPOCH, len(head), size(written[4:]))
    assert not segment_path(tmp_path, 1).exists()
    with JournalWriter(tmp_path, RUN) as journal:
        journal.go_on(0)
        journal.append(written[4])
    assert list(JournalReader(tmp_path).frames(0)) == written[:5]


def test_where_there_is_no_journal_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert repair_journal(tmp_path / "journal") == Repair(None, -1, 0, 0)


def test_damage_that_no_crash_explains_is_said_and_nothing_is_cut(tmp_path: Path) -> None:
    write(tmp_path, frames([ENTERED, WINDOW, COMPLETE]))
    path = segment_path(tmp_path, 0)
    data = bytearray(path.read_bytes())
    data[HEADER.size + RECORD.size + 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalCorrupt, match="000000"):
        repair_journal(tmp_path)
    assert path.read_bytes() == data


def test_the_highest_epoch_of_the_last_segment_is_told(tmp_path: Path) -> None:
    write(tmp_path, [*frames([ENTERED, WINDOW], 3), *frames([WINDOW], 9)])
    assert repair_journal(tmp_path).epoch == 9
