import pytest

from actors.domain.speakers import MAX_GUESTS, Speakers
from protocol.codec import Envelope, Stamp
from protocol.messages import Join, LoadReport, Message, Ready, SessionBars
from protocol.topics import sender_of
from tests.plain_messages import plain

ROLES = {
    "coordinator": "coordinator",
    "loader": "loader",
    "processor": "processor",
    "quality": "quality",
    "recorder": "recorder",
    "analysis-a": "analysis",
}
TAKEN = {
    "report/loader": {"Join", "Ready", "LoadFailed", "SessionBars", "LoadReport"},
    "ingest/loader": {"Join", "Ready", "LoadFailed", "SessionBars", "LoadReport"},
    "report/processor": {"Join", "Ready", "Derived", "Leave"},
    "report/quality": {"Join", "Ready", "Quality", "Leave"},
    "report/recorder": {"Join", "Ready", "Leave"},
    "report/analysis-a": {"Join", "Ready", "Ack", "Leave"},
    "report/stranger": {"Join"},
    "report/coordinator": set(),
    "command/coordinator": set(),
    "command/loader": set(),
    "to/loader": set(),
    "sealed": set(),
    "control": set(),
    "raw": set(),
}


def envelope(topic: str, message: Message) -> Envelope:
    return Envelope(topic, sender_of(topic), Stamp(1, 0, 0), message)


def named(message: Message, actor: str) -> Message:
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return type(message)(**(fields | ({"actor": actor} if "actor" in fields else {})))


@pytest.mark.parametrize("topic", TAKEN)
def test_each_is_heard_in_the_words_of_its_role_and_nothing_else(topic: str) -> None:
    taken = set()
    for kind in Message.__subclasses__():
        speakers = Speakers(ROLES)
        if speakers.refusal(envelope(topic, named(plain(kind), sender_of(topic)))) is None:
            taken.add(kind.__name__)
    assert taken == TAKEN[topic]


def test_nobody_speaks_for_another() -> None:
    refusal = Speakers(ROLES).refusal(envelope("report/quality", Join("processor", "processor", False)))
    assert refusal == "Join from quality, which speaks for processor"


def test_a_stranger_is_heard_from_its_join_until_it_is_expelled() -> None:
    speakers = Speakers(ROLES)
    ready = envelope("report/guest", Ready("guest", 1))
    assert speakers.refusal(ready) == "Ready from guest"
    assert speakers.refusal(envelope("report/guest", Join("guest", "analysis", False))) is None
    assert speakers.refusal(ready) is None
    speakers.expel("guest")
    assert speakers.refusal(ready) == "Ready from guest"


def test_strangers_cannot_fill_the_memory_nor_send_bars() -> None:
    speakers = Speakers(ROLES)
    joins = [envelope(f"report/g{n}", Join(f"g{n}", "analysis", False)) for n in range(MAX_GUESTS + 1)]
    refusals = [speakers.refusal(join) for join in joins]
    assert refusals == [None] * MAX_GUESTS + [f"Join from g{MAX_GUESTS}"]
    for message in (plain(SessionBars), plain(LoadReport)):
        assert speakers.refusal(envelope("ingest/g0", message)) is not None
