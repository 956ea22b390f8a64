"""Wherever a journal is torn, what is left ends behind a window, signals or a phase that was entered."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.journal_cut import Repair
from protocol import codec, topics
from protocol.blocks import NO_BARS, NO_QUALITY, time_block
from protocol.codec import Stamp
from protocol.messages import Message, PhaseEvent, RunEnd, SealedWindow, SessionReport, Signals
from tests.simulator.memory import Disk
from tests.simulator.processes import RUN

WINDOW = SealedWindow(0, 0, True, True, time_block(np.array([1])), NO_BARS, NO_QUALITY, (), ())
STARTED = PhaseEvent(0, 5, "started", 0)
COMPLETE = PhaseEvent(0, 5, "complete", 0)
SAID = Signals("a", 0, ())
TOPICS = {SealedWindow: topics.SEALED, Signals: topics.SIGNAL}
KEPT = (SealedWindow, Signals)
messages = st.lists(
    st.sampled_from([WINDOW, STARTED, COMPLETE, SAID, SessionReport(0, 0, 0, 0, 0, 0), RunEnd(0, "", "")]),
    max_size=8,
)


def written(segments: list[list[Message]]) -> Disk:
    disk = Disk(RUN)
    for index, kept in enumerate(segments):
        disk.start_segment(index)
        for sequence, message in enumerate(kept):
            topic = TOPICS.get(type(message), topics.CONTROL)
            disk.append(codec.encode(topic, message, Stamp(RUN, index, sequence)))
    return disk


def expected(kept: list[Message]) -> list[Message]:
    """Go back to the last phase entered, then on over windows and signals."""
    entries = [place for place, one in enumerate(kept) if one == STARTED]
    stop = entries[-1] + 1 if entries else 0
    while stop < len(kept) and isinstance(kept[stop], KEPT):
        stop += 1
    return kept[:stop]


@given(st.lists(messages, min_size=1, max_size=3), st.integers(0, 400))
def test_a_repaired_journal_ends_where_a_coordinator_can_go_on(
    segments: list[list[Message]], torn: int
) -> None:
    disk = written(segments)
    last = max(disk.segments)
    whole = bytes(disk.segments[last])
    del disk.segments[last][max(0, len(whole) - torn) :]
    read = [list(disk.messages(index)) for index in disk.indices()]
    disk.repair()
    left = [expected(kept) for kept in read]
    while left and not left[-1]:
        left.pop()
    left[:-1] = read[: max(0, len(left) - 1)]
    assert [list(disk.messages(index)) for index in disk.indices()] == left


@given(st.lists(messages, min_size=1, max_size=3))
def test_what_was_repaired_is_not_cut_again(segments: list[list[Message]]) -> None:
    disk = written(segments)
    first = disk.repair()
    again = disk.repair()
    assert (again.segment, again.torn_bytes, again.cut_bytes) == (first.segment, 0, 0)


def test_an_empty_journal_needs_nothing() -> None:
    assert Disk(RUN).repair() == Repair(None, -1, 0, 0)


def test_what_is_cut_off_is_counted_and_so_is_the_epoch_it_was_said_in() -> None:
    disk = written([[STARTED, WINDOW], [STARTED, COMPLETE]])
    complete = disk.size(1)
    disk.tear(0.5)
    torn = complete - disk.size(1)
    found = disk.repair()
    assert (found.segment, found.epoch, found.cut_bytes) == (1, 1, 0)
    assert found.torn_bytes > 0
    assert found.torn_bytes + torn == complete - disk.size(1)
