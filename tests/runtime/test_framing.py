from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.framing import Framing, keep
from protocol import topics
from protocol.errors import ForeignFrame, MalformedFrame, ProtocolError, SequenceGap
from protocol.lifecycle import Phase
from protocol.messages import Attached, Connect, Message, PhaseEvent, RunEnd, Signals, StreamClosed

RUN = 77
END = RunEnd(0, "", "")


@dataclass
class Pages:
    """A journal in memory."""

    written: list[int | bytes] = field(default_factory=list)

    def start_segment(self, index: int) -> None:
        self.written.append(index)

    def append(self, frame: bytes) -> None:
        self.written.append(frame)


def event(session: int, phase: Phase, state: str) -> PhaseEvent:
    return PhaseEvent(session, phase.value, state, 0)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(["raw", "control", "to/a", "command/a", "report/b"]), max_size=30))
def test_every_topic_is_numbered_from_0_on_its_own(order: list[str]) -> None:
    framing, reader = Framing(RUN), Framing(RUN)
    messages: dict[str, Message] = {"command": Connect(), "control": END, "to": END}
    counted: dict[str, int] = {}
    for topic in order:
        message = messages.get(topic.partition("/")[0])
        if message is None:
            continue
        envelope = reader.decode(framing.encode(topic, message))
        assert (envelope.topic, envelope.message) == (topic, message)
        assert envelope.stamp == (RUN, 0, counted.get(topic, 0))
        counted[topic] = counted.get(topic, 0) + 1


@pytest.mark.parametrize(("dropped", "word"), [(2, "lost"), (0, "repeated")])
def test_a_frame_that_is_left_out_or_comes_twice_is_noticed(dropped: int, word: str) -> None:
    framing, reader = Framing(RUN), Framing(RUN)
    frames = [framing.encode(topics.CONTROL, END) for _ in range(3)]
    reader.decode(frames[0])
    with pytest.raises(SequenceGap, match=word):
        reader.decode(frames[dropped])


def test_a_frame_of_another_run_is_foreign() -> None:
    with pytest.raises(ForeignFrame, match=f"run is {RUN + 1}, not {RUN}"):
        Framing(RUN).decode(Framing(RUN + 1).encode(topics.CONTROL, END))


def test_a_new_process_numbers_from_0_again_and_what_its_predecessor_left_behind_is_foreign() -> None:
    reader, before = Framing(RUN), Framing(RUN, epoch=2)
    left_behind = [before.encode(topics.CONTROL, END) for _ in range(3)]
    reader.decode(left_behind[0])
    successor = Framing(RUN, epoch=3)
    assert reader.decode(successor.encode(topics.CONTROL, END)).stamp == (RUN, 3, 0)
    with pytest.raises(ForeignFrame, match="epoch is 2, not 3"):
        reader.decode(left_behind[1])
    assert reader.decode(successor.encode(topics.CONTROL, END)).stamp == (RUN, 3, 1)


def test_a_process_that_renews_itself_is_taken_for_a_new_one() -> None:
    reader, framing = Framing(RUN), Framing(RUN, epoch=2)
    for _ in range(2):
        reader.decode(framing.encode(topics.CONTROL, END))
    framing.renew(5)
    assert reader.decode(framing.encode(topics.CONTROL, END)).stamp == (RUN, 5, 0)


def test_who_speaks_for_another_is_refused_and_the_other_is_not_disturbed() -> None:
    reader, honest = Framing(RUN), Framing(RUN)
    topic = topics.command("loader")
    reader.decode(honest.encode(topic, Attached("loader")), "loader")
    forged = Framing(RUN).encode(topic, Attached("loader"))
    with pytest.raises(MalformedFrame, match="from quality: it speaks for loader"):
        reader.decode(forged, "quality")
    assert reader.decode(honest.encode(topic, Attached("loader")), "loader").stamp.sequence == 1


@given(st.binary(max_size=200))
def test_random_bytes_are_a_protocol_error_and_nothing_else(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        Framing(RUN).decode(frame)


def test_what_is_published_to_all_is_kept_and_the_rest_is_not() -> None:
    pages = Pages()
    for topic in (topics.RAW, topics.to("a"), topics.command("a"), topics.report("a")):
        keep(pages, topic, END, b"never")
    for topic in (topics.SEALED, topics.SIGNAL, topics.CONTROL):
        keep(pages, topic, Signals("a", 0, ()), topic.encode())
    assert pages.written == [b"sealed", b"signal", b"control"]


def test_a_segment_starts_with_the_event_that_starts_its_session_and_only_then() -> None:
    pages = Pages()
    for session in (0, 1):
        for phase in Phase:
            for state in ("started", "complete"):
                keep(pages, topics.CONTROL, event(session, phase, state), b"e")
    keep(pages, topics.CONTROL, StreamClosed(), b"end")
    assert pages.written == [0, *[b"e"] * 12, 1, *[b"e"] * 12, b"end"]
