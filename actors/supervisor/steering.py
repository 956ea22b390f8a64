"""What comes in from outside while a run goes on: interrupts, and what clients ask of the clock.

Rules 4 and 7 of `decisions`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from actors.supervisor.events import Action, Answered, Interrupted, Note, Steered, Tell
from actors.supervisor.run_state import COORDINATOR, Decision, Stage, State, ns
from actors.supervisor.trouble import kill_all
from actors.supervisor.wanted import SUPERVISOR
from protocol.messages import Answer, Steer, Stop

DRAIN_S: Final = 30.0
MAX_ASKED: Final = 100
"""How many orders may wait for the coordinator's answer."""
_REFUSALS: Final[Mapping[Stage, str]] = {
    Stage.STARTING: "the run is only starting: try again in a moment",
    Stage.DRAINING: "the run is ending",
    Stage.STOPPING: "the run is ending",
    Stage.KILLING: "the run is ending",
    Stage.OVER: "the run is ending",
}
"""Why the clock cannot be steered, where it cannot."""


def on_interrupted(state: State, _: Interrupted) -> Decision:
    """Drain, or kill where that was asked for before or cannot be done."""
    if state.stage is Stage.OVER:
        return state, []
    state = replace(state, interrupts=state.interrupts + 1)
    if state.stage is Stage.RUNNING:
        state = replace(state, stage=Stage.DRAINING, deadline_ns=state.now_ns + ns(DRAIN_S))
        return state, [
            Note("WARNING", "Interrupted: draining; interrupt again to kill"),
            Tell(COORDINATOR, Stop("interrupted")),
        ]
    if state.stage is Stage.STOPPING and state.interrupts == 1:
        return state, []
    return kill_all(state)


def on_steered(state: State, event: Steered) -> Decision:
    """Pass an order on to the coordinator, or refuse it."""
    steer = event.steer
    if steer.action == "stop":
        return _on_stop_asked(state, steer)
    refusal = _REFUSALS.get(state.stage)
    if len(state.wanted.asked) >= MAX_ASKED:
        refusal = "too many orders wait for the coordinator: try again in a moment"
    if refusal is not None:
        return state, [_answer(steer, refusal, accepted=False)]
    return replace(state, wanted=state.wanted.ask(steer)), [Tell(COORDINATOR, steer)]


def _on_stop_asked(state: State, steer: Steer) -> Decision:
    if state.stage not in (Stage.STARTING, Stage.RUNNING):
        return state, [_answer(steer, "the run is ending already", accepted=False)]
    state, actions = on_interrupted(state, Interrupted())
    return state, [_answer(steer, "stops after the windows in flight", accepted=True), *actions]


def on_answered(state: State, event: Answered) -> Decision:
    """Pass the coordinator's answer on to who asked, and remember what it comes to."""
    answer = event.answer
    state = replace(state, wanted=state.wanted.answer(answer))
    return state, [] if answer.client == SUPERVISOR else [Tell(answer.client, answer)]


def _answer(steer: Steer, text: str, *, accepted: bool) -> Tell:
    return Tell(steer.client, Answer(steer.client, steer.request, accepted, text))


def steering_again(state: State) -> list[Action]:
    """Tell a coordinator that has started again how the clock is to go."""
    return [Tell(COORDINATOR, steer) for steer in state.wanted.again()]
