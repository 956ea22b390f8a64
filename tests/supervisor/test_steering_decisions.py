import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.session_plan import Flow
from actors.domain.steering import Steering
from actors.domain.window_cutter import WindowCutter
from actors.supervisor.decisions import begin, decide
from actors.supervisor.events import (
    Answered,
    Complained,
    Concluded,
    Event,
    Exited,
    Greeted,
    Interrupted,
    Joined,
    Steered,
    Tell,
)
from actors.supervisor.run_state import Stage, State
from actors.supervisor.steering import MAX_ASKED, steering_again
from actors.supervisor.wanted import SUPERVISOR
from protocol.messages import Answer, Steer, Stop
from tests.plans import MINUTE, OPEN, make_finished, make_plan, make_session
from tests.supervisor.decided import after

ACTORS = ("coordinator", "loader")
CLIENT = "ctl-1"


STARTED = begin({name: name for name in ACTORS}, 0, 30.0)
JOINED: list[Event] = [*(Greeted(name, 1) for name in ACTORS), *(Joined(name) for name in ACTORS)]
RUNNING = after(STARTED, JOINED)[0]
OTHERS = {
    Stage.STARTING: STARTED,
    Stage.DRAINING: after(RUNNING, [Interrupted()])[0],
    Stage.STOPPING: after(RUNNING, [Concluded(make_finished())])[0],
    Stage.KILLING: after(RUNNING, [Complained("loader", 4, "no file")])[0],
    Stage.OVER: after(RUNNING, [Complained("loader", 4, "x"), *(Exited(name, -9) for name in ACTORS)])[0],
}
clock_orders = st.one_of(
    st.builds(Steer, st.just(CLIENT), st.integers(1, 9), st.sampled_from(["pause", "resume"])),
    st.builds(Steer, st.just(CLIENT), st.integers(1, 9), st.just("step"), st.integers(0, 5)),
    st.builds(
        lambda request, minute: Steer(CLIENT, request, "until", until_ts=OPEN + minute * MINUTE),
        st.integers(1, 9),
        st.integers(-5, 400),
    ),
    st.builds(
        lambda request, speed: Steer(CLIENT, request, "speed", speed=speed),
        st.integers(1, 9),
        st.sampled_from([0.0, 1.0, 60.0, -1.0]),
    ),
)


@given(clock_orders)
def test_while_the_run_goes_on_the_coordinator_is_asked_and_its_answer_goes_to_who_asked(
    steer: Steer,
) -> None:
    state, actions = decide(RUNNING, Steered(steer))
    assert actions == [Tell("coordinator", steer)]
    answer = Answer(CLIENT, steer.request, accepted=False, text="no")
    state, actions = decide(state, Answered(answer))
    assert actions == [Tell(CLIENT, answer)]
    assert state == RUNNING


@pytest.mark.parametrize("stage", OTHERS, ids=str)
@pytest.mark.parametrize("action", ["pause", "resume", "step", "until", "speed"])
def test_before_and_after_it_is_refused_with_a_reason(stage: Stage, action: str) -> None:
    before = OTHERS[stage]
    assert before.stage is stage
    state, actions = decide(before, Steered(Steer(CLIENT, 3, action)))  # type: ignore[arg-type]
    assert state == before
    words = (
        "the run is only starting: try again in a moment" if stage is Stage.STARTING else "the run is ending"
    )
    assert actions == [Tell(CLIENT, Answer(CLIENT, 3, accepted=False, text=words))]


@pytest.mark.parametrize("before", [STARTED, RUNNING], ids=lambda state: str(state.stage))
def test_a_stop_does_what_an_interrupt_does_and_is_answered(before: State) -> None:
    state, actions = decide(before, Steered(Steer(CLIENT, 3, "stop")))
    interrupted, expected = decide(before, Interrupted())
    assert state == interrupted
    answer = Answer(CLIENT, 3, accepted=True, text="stops after the windows in flight")
    assert actions == [Tell(CLIENT, answer), *expected]
    assert before is STARTED or Tell("coordinator", Stop("interrupted")) in actions


@pytest.mark.parametrize("stage", [stage for stage in OTHERS if stage is not Stage.STARTING], ids=str)
def test_a_stop_of_a_run_that_ends_is_refused_and_kills_nobody(stage: Stage) -> None:
    state, actions = decide(OTHERS[stage], Steered(Steer(CLIENT, 3, "stop")))
    assert state == OTHERS[stage]
    answer = Answer(CLIENT, 3, accepted=False, text="the run is ending already")
    assert actions == [Tell(CLIENT, answer)]


def test_a_coordinator_that_answers_nothing_is_not_asked_for_ever() -> None:
    steers = [Steered(Steer(CLIENT, request, "pause")) for request in range(MAX_ASKED + 1)]
    state, actions = after(RUNNING, steers)
    assert len(state.wanted.asked) == MAX_ASKED
    (refusal,) = [action.message for action in actions if isinstance(action, Tell) and action.actor == CLIENT]
    assert isinstance(refusal, Answer)
    assert not refusal.accepted


def test_a_run_that_nobody_has_steered_is_not_steered_again() -> None:
    assert steering_again(RUNNING) == []


def test_a_run_that_started_paused_is_told_so_again_and_no_more_once_it_goes_on() -> None:
    state = after(begin({name: name for name in ACTORS}, 0, 30.0, paused=True), JOINED)[0]
    assert steering_again(state) == [Tell("coordinator", Steer(SUPERVISOR, 0, "pause"))]
    state, _ = after(state, [Steered(Steer(CLIENT, 1, "resume")), Answered(Answer(CLIENT, 1, True, ""))])
    assert steering_again(state) == [Tell("coordinator", Steer(SUPERVISOR, 0, "resume"))]


def test_what_is_not_answered_is_asked_again_and_its_answer_finds_who_waits() -> None:
    state, _ = decide(RUNNING, Steered(Steer(CLIENT, 5, "pause")))
    assert steering_again(state) == [Tell("coordinator", Steer(CLIENT, 5, "pause"))]
    answer = Answer(CLIENT, 5, accepted=True, text="paused")
    assert decide(state, Answered(answer))[1] == [Tell(CLIENT, answer)]


def test_answers_to_the_supervisor_go_to_nobody() -> None:
    state, actions = decide(RUNNING, Answered(Answer(SUPERVISOR, 0, accepted=True, text="paused")))
    assert (state, actions) == (RUNNING, [])


@settings(max_examples=100)
@given(st.lists(clock_orders, max_size=12), st.sampled_from([Flow(speed=2.0), Flow(speed=2.0, paused=True)]))
def test_a_coordinator_that_starts_again_goes_as_the_one_before_it(steers: list[Steer], flow: Flow) -> None:
    plan = make_plan([make_session(0)], [], flow=flow)
    state = after(begin({name: name for name in ACTORS}, 0, 30.0, paused=flow.paused), JOINED)[0]
    first, second = (Steering(plan, WindowCutter(plan.flow, 1)) for _ in range(2))
    for steer in steers:
        answer = first.on_steer(steer, 0, over=False)
        state, _ = after(state, [Steered(steer), Answered(answer)])
    for action in steering_again(state):
        assert isinstance(action, Tell)
        assert isinstance(action.message, Steer)
        assert second.on_steer(action.message, 0, over=False).accepted
    assert (second.is_paused, second.until_ts, second.speed) == (first.is_paused, first.until_ts, first.speed)
