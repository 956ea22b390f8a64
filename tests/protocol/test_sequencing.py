import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ForeignFrame, SequenceGap
from protocol.sequencing import Numbering, SequenceCheck

CHANNELS = st.sampled_from(["raw", "sealed", "report/a", "report/b"])


@settings(max_examples=100)
@given(sent=st.lists(CHANNELS, max_size=40))
def test_what_is_numbered_arrives_without_a_hole_on_every_channel(sent: list[str]) -> None:
    numbering, check = Numbering(), SequenceCheck()
    for channel in sent:
        check.accept(channel, 0, numbering.take(channel))
    for channel in set(sent):
        assert numbering.take(channel) == sent.count(channel)


@settings(max_examples=100)
@given(start=st.integers(0, 2**63), count=st.integers(1, 20), data=st.data())
def test_a_lost_message_is_noticed_with_the_next_one(start: int, count: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(1, count))
    check = SequenceCheck()
    for sequence in range(start, start + lost):
        check.accept("raw", 0, sequence)
    with pytest.raises(SequenceGap, match="messages were lost") as caught:
        check.accept("raw", 0, start + lost + 1)
    assert (caught.value.channel, caught.value.expected) == ("raw", start + lost)
    assert caught.value.received == start + lost + 1


@settings(max_examples=100)
@given(count=st.integers(1, 20), data=st.data())
def test_a_repeated_message_is_noticed(count: int, data: st.DataObject) -> None:
    check = SequenceCheck()
    for sequence in range(count):
        check.accept("raw", 0, sequence)
    with pytest.raises(SequenceGap, match="messages were repeated"):
        check.accept("raw", 0, data.draw(st.integers(0, count - 1)))


def test_a_refused_number_does_not_move_what_is_due() -> None:
    check = SequenceCheck()
    check.accept("raw", 0, 4)
    with pytest.raises(SequenceGap):
        check.accept("raw", 0, 7)
    check.accept("raw", 0, 5)


def test_a_new_epoch_starts_where_it_likes_and_channels_do_not_share_numbers() -> None:
    check = SequenceCheck()
    check.accept("raw", 0, 9)
    check.accept("raw", 1, 0)
    check.accept("sealed", 1, 100)
    check.accept("raw", 1, 1)
    check.accept("sealed", 1, 101)


@settings(max_examples=100)
@given(old=st.integers(0, 5), newer=st.integers(1, 5), sequence=st.integers(0, 9))
def test_what_comes_of_an_epoch_that_is_over_is_foreign_and_disturbs_nothing(
    old: int, newer: int, sequence: int
) -> None:
    check = SequenceCheck()
    check.accept("raw", old, 3)
    check.accept("raw", old + newer, 0)
    with pytest.raises(ForeignFrame, match=f"epoch is {old}, not {old + newer}"):
        check.accept("raw", old, sequence)
    check.accept("raw", old + newer, 1)


def test_within_a_new_epoch_a_lost_message_is_noticed_too() -> None:
    check = SequenceCheck()
    check.accept("raw", 0, 9)
    check.accept("raw", 4, 0)
    with pytest.raises(SequenceGap, match="sequence 2 where 1 was due"):
        check.accept("raw", 4, 2)


def test_once_a_process_is_heard_its_predecessor_is_over_on_all_its_channels() -> None:
    check = SequenceCheck()
    check.accept("ingest/loader", 0, 3)
    check.accept("report/loader", 1, 0)
    check.accept("report/quality", 0, 0)
    with pytest.raises(ForeignFrame):
        check.accept("ingest/loader", 0, 4)
    check.accept("ingest/loader", 1, 0)
