from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.attendance import Attendance, WentOn
from actors.domain.indicator_recording import NO_TABLES
from actors.domain.roles import Effect, Log, RoleError, Send
from actors.domain.session_plan import StrategySpec
from actors.domain.signal_book import SignalBook
from protocol import topics
from protocol.blocks import NO_BARS, NO_QUALITY, TimeBlock
from protocol.messages import Ack, Leave, Message, RunEnd, SealedWindow, Signal, Welcome
from tests.plans import OPEN, make_plan, make_session

STEP = TimeBlock(1, (OPEN).to_bytes(8, "little"))
PLAN = make_plan([make_session(0)], [], strategies=(StrategySpec("x", "x", "m:X", {}),))
TOPIC = topics.report("x")


def window(seq: int) -> SealedWindow:
    return SealedWindow(seq, 0, seq == 0, False, STEP, NO_BARS, NO_QUALITY, (), ())


def signal(seq: int) -> Signal:
    return Signal(OPEN + seq, "AAPL", "BUY", 1.0, 1.0, "")


@dataclass
class Strict:
    """A role that takes every window once, in order, and signals in each."""

    name: str = "x"
    windows: int = 0
    bars: int = 0
    subscriptions: tuple[str, ...] = ()
    ends: list[Message] = field(default_factory=list)

    def on_message(self, message: Message) -> Iterator[Effect]:
        if isinstance(message, SealedWindow):
            if message.seq != self.windows:
                raise RoleError(f"{message.seq} came where {self.windows} was due")
            self.windows += 1
            yield Log("INFO", f"window {message.seq}")
            yield Send(TOPIC, Ack("x", message.seq, (signal(message.seq),)))
        else:
            self.ends.append(message)
            yield Send(TOPIC, Leave("x", self.windows, 0, ()))


def attendance(*, member: bool = True) -> Attendance:
    return Attendance(Strict(), SignalBook(PLAN, "x", NO_TABLES), member=member)


def sent(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Send)]


def acks(effects: list[Effect]) -> list[int]:
    return [
        effect.message.seq
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.message, Ack)
    ]


def taken(attended: Attendance, *messages: Message) -> list[Effect]:
    return [effect for message in messages for effect in attended.take(message)]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30), st.integers(0, 10))
def test_however_windows_come_live_and_from_the_journal_each_is_handled_once_and_those_owed_acknowledged(
    arrivals: list[tuple[int, bool]], joined_at: int
) -> None:
    attended = attendance()
    effects = taken(attended, *map(window, range(joined_at)))
    attended.join(Welcome("x", 1, joined_at, joined_at))
    for seq, _ in arrivals:
        live = window(seq)
        for missing in attended.missing_before(live):
            effects += taken(attended, window(missing))
        effects += taken(attended, live)
    windows = attended.role.windows
    assert acks(effects) == list(range(joined_at, windows))
    assert [effect.text for effect in effects if isinstance(effect, Log)] == [
        f"window {seq}" for seq in range(windows)
    ]
    early = attendance()
    taken(early, *map(window, range(windows)))
    assert (attended.signals.digest, attended.signals.count) == (early.signals.digest, windows)


def test_who_is_not_let_in_or_only_looks_on_acknowledges_nothing() -> None:
    looking_on = attendance(member=False)
    looking_on.join(Welcome("x", 1, 0, 0))
    assert acks(taken(looking_on, window(0))) == []
    parted = attendance()
    parted.join(Welcome("x", 1, 0, 0))
    assert acks(taken(parted, window(0))) == [0]
    parted.part()
    assert acks(taken(parted, window(1))) == []
    parted.join(Welcome("x", 2, 3, 3))
    assert acks(taken(parted, window(2), window(3))) == [3]


def test_the_end_is_handled_once_and_answered_as_often_as_it_is_said_to_a_member_that_is_in() -> None:
    attended = attendance()
    attended.join(Welcome("x", 1, 0, 0))
    first = taken(attended, window(0), RunEnd(1, "", ""))
    assert attended.leave == Leave("x", 1, 0, ())
    assert first[-1] == Send(TOPIC, attended.leave)
    assert taken(attended, RunEnd(1, "", "")) == [Send(TOPIC, attended.leave)]
    attended.part()
    assert taken(attended, RunEnd(1, "", "")) == []
    assert isinstance(attended.role, Strict)
    assert len(attended.role.ends) == 1


def test_an_end_that_names_more_windows_than_were_handled_shows_which_are_missing() -> None:
    attended = attendance()
    taken(attended, window(0))
    assert list(attended.missing_before(RunEnd(3, "", ""))) == [1, 2]


def test_a_window_after_the_end_cannot_be() -> None:
    attended = attendance()
    taken(attended, window(0), RunEnd(1, "", ""))
    with pytest.raises(WentOn, match="went on with window 1"):
        taken(attended, window(1))
