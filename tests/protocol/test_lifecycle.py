from itertools import product

import pytest

from protocol.lifecycle import (
    ACTOR_TRANSITIONS,
    PHASE_TRANSITIONS,
    ActorEvent,
    ActorState,
    Phase,
    PhaseEnd,
)

S, E = ActorState, ActorEvent
ACTOR_STEPS = {
    S.SPAWNED: {E.HELLO: S.GREETED, E.STOP_SENT: S.STOPPING, E.EXITED_CLEANLY: S.FAILED},
    S.GREETED: {E.ATTACHED: S.RUNNING, E.STOP_SENT: S.STOPPING, E.EXITED_CLEANLY: S.FAILED},
    S.RUNNING: {E.STOP_SENT: S.STOPPING, E.EXITED_CLEANLY: S.FAILED},
    S.STOPPING: {
        E.HELLO: S.STOPPING,
        E.ATTACHED: S.STOPPING,
        E.STOP_SENT: S.STOPPING,
        E.EXITED_CLEANLY: S.EXITED,
    },
    S.EXITED: {},
    S.FAILED: {E.REPLACED: S.RESTARTING},
    S.RESTARTING: {E.STARTED: S.SPAWNED, E.STOP_SENT: S.EXITED, E.SILENT: S.FAILED},
}
for alive in (S.SPAWNED, S.GREETED, S.RUNNING, S.STOPPING):
    ACTOR_STEPS[alive] |= {E.DIED: S.FAILED, E.SILENT: S.FAILED, E.REPLACED: S.RESTARTING}


@pytest.mark.parametrize(("state", "event"), list(product(ActorState, ActorEvent)))
def test_an_actor_takes_the_steps_written_here_and_no_others(state: ActorState, event: ActorEvent) -> None:
    assert ACTOR_TRANSITIONS.get((state, event)) == ACTOR_STEPS[state].get(event)


@pytest.mark.parametrize(("phase", "end"), list(product(Phase, PhaseEnd)))
def test_a_phase_leads_to_the_next_and_the_last_to_the_first(phase: Phase, end: PhaseEnd) -> None:
    expected = {(number, PhaseEnd.DONE): number + 1 for number in range(1, 6)}
    expected[6, PhaseEnd.NEXT_SESSION] = 1
    assert PHASE_TRANSITIONS.get((phase, end)) == expected.get((phase, end))


@pytest.mark.parametrize("state", [ActorState.SPAWNED, ActorState.GREETED, ActorState.RUNNING])
def test_an_actor_that_leaves_unasked_has_failed_even_with_code_0(state: ActorState) -> None:
    assert ACTOR_TRANSITIONS[state, ActorEvent.EXITED_CLEANLY] is ActorState.FAILED


def test_every_actor_state_is_reached_from_the_first() -> None:
    reached = {ActorState.SPAWNED}
    for _ in ActorState:
        reached |= {to for (state, _), to in ACTOR_TRANSITIONS.items() if state in reached}
    assert reached == set(ActorState)


def test_every_phase_has_its_words() -> None:
    assert [phase.title for phase in Phase] == [
        "Initialization",
        "Historical Management",
        "Queue Loading",
        "Session Activation",
        "Streaming",
        "End-of-Session",
    ]
