"""A coordinator that takes over from a journal: what it hears before everyone is in, and where it goes on."""

from collections.abc import Sequence

import pytest

from actors.coordinator import Coordinator
from actors.domain.roles import Effect, Send
from actors.domain.session_plan import Flow, SessionPlan
from protocol.lifecycle import Phase
from protocol.messages import (
    Ack,
    LoadReport,
    LoadSessions,
    Message,
    PhaseEvent,
    RawWindow,
    SealedWindow,
    SessionBars,
    Signals,
    StreamLoad,
)
from protocol.topics import JOURNALED
from tests.test_coordinator import LENGTH, MEMBER, SIGNAL, Desk, plan_of, session_block

FLOW = Flow(window_steps=LENGTH, credit=2)


def journal_of(plan: SessionPlan) -> list[Message]:
    desk = Desk(plan).begin()
    return [
        effect.message for effect in desk.effects if isinstance(effect, Send) and effect.topic in JOURNALED
    ]


def sent(effects: Sequence[Effect], kind: type[Message]) -> list[Message]:
    return [
        effect.message for effect in effects if isinstance(effect, Send) and isinstance(effect.message, kind)
    ]


def up_to_phase(messages: list[Message], phase: Phase, session: int) -> list[Message]:
    entered = next(
        place
        for place, message in enumerate(messages)
        if isinstance(message, PhaseEvent)
        and (message.phase, message.session, message.state) == (phase, session, "started")
    )
    return messages[: entered + 1]


def test_what_a_member_still_owed_counts_even_where_it_is_said_before_everyone_is_in() -> None:
    plan = plan_of(FLOW)
    journal = journal_of(plan)
    first = next(
        place for place, one in enumerate(journal) if isinstance(one, SealedWindow) and one.session == 0
    )
    seq = journal[first].seq  # type: ignore[union-attr]
    coordinator = Coordinator("coordinator", plan)
    coordinator.recall(journal[: first + 1])
    early = list(coordinator.on_message(Ack(MEMBER, seq, (SIGNAL,))))
    assert [effect.message for effect in early if isinstance(effect, Send)] == [
        Signals(MEMBER, seq, (SIGNAL,))
    ]
    begun = list(coordinator.begin())
    completed = [event.phase for event in sent(begun, PhaseEvent) if event.state == "complete"]  # type: ignore[attr-defined]
    assert completed == [
        Phase.STREAMING,
        Phase.END_OF_SESSION,
        Phase.INITIALIZATION,
        Phase.HISTORICAL_MANAGEMENT,
    ]


@pytest.mark.parametrize("session", [0, 1])
def test_a_session_that_was_being_activated_is_loaded_again_before_it_streams(session: int) -> None:
    plan = plan_of(FLOW)
    coordinator = Coordinator("coordinator", plan)
    coordinator.recall(up_to_phase(journal_of(plan), Phase.SESSION_ACTIVATION, session))
    begun = list(coordinator.begin())
    (asked,) = sent(begun, LoadSessions)
    assert asked == LoadSessions(session, session)
    assert not sent(begun, PhaseEvent)
    block = session_block(plan.session(session))
    loaded = [
        *coordinator.on_message(SessionBars(session, block, ())),
        *coordinator.on_message(LoadReport(session, (StreamLoad(0, LENGTH, block.n),), 0)),
    ]
    assert [window.session for window in sent(loaded, RawWindow)] == [session]  # type: ignore[attr-defined]
