from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.replay import NotRepeatable, Replay
from actors.domain.roles import Effect, Log, Send
from protocol import topics
from protocol.blocks import NO_BARS, NO_QUALITY, TimeBlock
from protocol.messages import (
    Ack,
    Derived,
    Leave,
    Message,
    RawWindow,
    RunEnd,
    SealedWindow,
    Signal,
    Signals,
    Welcome,
)

BASE = np.array([0], np.uint16)
WINDOWS = 6


def signal(reason: str) -> Signal:
    return Signal(0, "A", "BUY", 1.0, 1.0, reason)


@dataclass
class Engine:
    """Acknowledge sealed windows with the signals that are written down; leave at the end."""

    signals: dict[int, tuple[Signal, ...]] = field(default_factory=dict)
    name: str = "analysis-a"
    subscriptions: tuple[str, ...] = (topics.SEALED, topics.CONTROL)
    windows: int = 0
    bars: int = 0

    def on_message(self, message: Message) -> Iterator[Effect]:
        if isinstance(message, SealedWindow):
            yield Log("INFO", f"window {message.seq}")
            yield Send(
                topics.report(self.name), Ack(self.name, message.seq, self.signals.get(message.seq, ()))
            )
        if isinstance(message, RunEnd):
            yield Send(topics.report(self.name), Leave(self.name, 0, 0, ()))


@dataclass
class Folder:
    """Answer raw windows, as the processor does."""

    name: str = "processor"
    subscriptions: tuple[str, ...] = (topics.RAW, topics.CONTROL)
    windows: int = 0
    bars: int = 0
    heard: list[Message] = field(default_factory=list)

    def on_message(self, message: Message) -> Iterator[Effect]:
        self.heard.append(message)
        if isinstance(message, RawWindow):
            yield Send(topics.report(self.name), Derived(message.seq, NO_BARS, 0))
        if isinstance(message, RunEnd):
            yield Send(topics.report(self.name), Leave(self.name, 0, 0, ()))


def sealed(seq: int) -> SealedWindow:
    return SealedWindow(seq, 0, False, False, TimeBlock(0, b""), NO_BARS, NO_QUALITY, (), ())


def journal(signals: dict[int, tuple[Signal, ...]], ended: bool = False) -> list[tuple[str, Message]]:  # noqa: FBT001, FBT002
    records: list[tuple[str, Message]] = []
    for seq in range(WINDOWS):
        records.append((topics.SEALED, sealed(seq)))
        if seq in signals:
            records.append((topics.SIGNAL, Signals("analysis-a", seq, signals[seq])))
            records.append((topics.SIGNAL, Signals("analysis-b", seq, (signal("another's"),))))
    return [*records, (topics.CONTROL, RunEnd(WINDOWS, "", ""))] if ended else records


def said(effects: Iterator[list[Effect]]) -> list[Message]:
    return [effect.message for due in effects for effect in due if isinstance(effect, Send)]


@given(st.integers(0, WINDOWS), st.booleans())
def test_acknowledgements_are_said_from_the_first_that_is_owed_and_a_leave_always(
    next_ack: int,
    ended: bool,  # noqa: FBT001
) -> None:
    replay = Replay(Engine(), Welcome("analysis-a", 1, WINDOWS, next_ack), BASE)
    messages = said(replay.effects(journal({}, ended)))
    assert [m.seq for m in messages if isinstance(m, Ack)] == list(range(next_ack, WINDOWS))
    assert sum(isinstance(m, Leave) for m in messages) == ended


@pytest.mark.parametrize(("attached", "logged"), [(False, [4, 5]), (True, list(range(WINDOWS)))])
def test_what_was_logged_before_is_not_logged_again_but_by_one_that_was_not_there(
    *, attached: bool, logged: list[int]
) -> None:
    replay = Replay(Engine(), Welcome("analysis-a", 1, WINDOWS, 4), BASE, attached=attached)
    texts = [effect.text for due in replay.effects(journal({})) for effect in due if isinstance(effect, Log)]
    assert texts == [f"window {seq}" for seq in logged]


def test_who_lives_on_raw_windows_is_given_them_from_sealed_ones_and_owes_no_answer() -> None:
    role = Folder()
    messages = said(Replay(role, Welcome("processor", 1, WINDOWS), BASE).effects(journal({}, ended=True)))
    assert [m.seq for m in role.heard if isinstance(m, RawWindow)] == list(range(WINDOWS))
    assert [type(message) for message in messages] == [Leave]


GIVEN = {1: (signal("x"),), 4: (signal("y"), signal("z"))}


def test_a_strategy_that_gives_the_same_signals_again_goes_on() -> None:
    replay = Replay(Engine(GIVEN), Welcome("analysis-a", 1, WINDOWS, WINDOWS), BASE)
    assert said(replay.effects(journal(GIVEN))) == []


@pytest.mark.parametrize(
    ("now", "seq"),
    [
        ({}, 1),
        ({1: (signal("x"),)}, 4),
        ({1: (signal("other"),), 4: GIVEN[4]}, 1),
        (GIVEN | {2: (signal("new"),)}, 2),
        ({1: GIVEN[1], 4: (signal("z"), signal("y"))}, 4),
    ],
    ids=["none", "one less", "another", "one more", "another order"],
)
def test_a_strategy_that_gives_other_signals_than_before_is_named_with_the_window(
    now: dict[int, tuple[Signal, ...]], seq: int
) -> None:
    replay = Replay(Engine(now), Welcome("analysis-a", 1, WINDOWS, WINDOWS), BASE)
    with pytest.raises(NotRepeatable, match=f"analysis-a gave other signals for window {seq}") as caught:
        said(replay.effects(journal(GIVEN)))
    assert (caught.value.actor, caught.value.seq) == ("analysis-a", seq)


def test_signals_that_were_not_known_yet_are_said_and_not_compared() -> None:
    now = {**GIVEN, 5: (signal("new"),)}
    replay = Replay(Engine(now), Welcome("analysis-a", 1, WINDOWS, 5), BASE)
    assert said(replay.effects(journal(GIVEN))) == [Ack("analysis-a", 5, (signal("new"),))]


def test_one_that_is_attached_may_signal_what_nobody_else_did() -> None:
    replay = Replay(Engine(GIVEN), Welcome("analysis-a", 1, WINDOWS, WINDOWS), BASE, attached=True)
    assert said(replay.effects(journal({}))) == []
