import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.supervisor.decisions import begin
from actors.supervisor.run_state import Stage, State, with_actor
from actors.supervisor.silence import ABSENT_S, BUSY_FACTOR, Silent, ask_for_stacks, excuse, find_silent
from protocol.lifecycle import ActorState
from protocol.messages import Finished
from tests.plans import make_finished

SECOND = 1_000_000_000
STALL_S = 10.0
FINISHED: Finished = make_finished()


def state_of(seen_s: float, busy_s: float, actor: ActorState = ActorState.RUNNING) -> State:
    """Have an actor that was seen, and busy, so long ago."""
    state = begin({"coordinator": "coordinator", "loader": "loader"}, 1000 * SECOND, STALL_S)
    state = with_actor(state, "coordinator", state=ActorState.RUNNING)
    ago = {"seen_ns": state.now_ns - round(seen_s * SECOND), "busy_ns": state.now_ns - round(busy_s * SECOND)}
    return with_actor(state, "loader", state=actor, **ago)


@given(st.floats(0.0, 300.0), st.floats(0.0, 300.0))
def test_an_idle_actor_is_stalled_after_the_limit_and_a_busy_one_after_ten_times_that(
    seen_s: float, busy_s: float
) -> None:
    found = find_silent(state_of(seen_s, busy_s))
    idle = seen_s > STALL_S and busy_s > STALL_S
    if idle or seen_s > BUSY_FACTOR * STALL_S:
        assert found is not None
        assert (found.actor, found.is_stalled) == ("loader", busy_s > STALL_S)
    else:
        assert found is None


def test_the_reason_says_how_long_and_what_the_process_was_doing() -> None:
    state = with_actor(state_of(12.5, 12.5), "loader", finding="its process is stopped (state T)")
    assert find_silent(state) == Silent(
        "loader",
        is_stalled=True,
        reason="loader is stalled: no heartbeat for 12.5 s; its process is stopped (state T)",
    )


@pytest.mark.parametrize(
    "actor", [state for state in ActorState if state not in (ActorState.GREETED, ActorState.RUNNING)], ids=str
)
def test_who_is_not_expected_to_speak_is_not_silent(actor: ActorState) -> None:
    assert find_silent(state_of(1000, 1000, actor)) is None


@pytest.mark.parametrize("changes", [{"gone": frozenset({"loader"})}, {"lost": {"loader": "why"}}])
def test_who_is_gone_or_given_up_is_not_silent(changes: dict[str, object]) -> None:
    state = state_of(1000, 1000)
    assert find_silent(State(**{**vars(state), **changes})) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", [Stage.STOPPING, Stage.KILLING, Stage.OVER])
def test_nobody_is_silent_once_the_run_is_ending(stage: Stage) -> None:
    assert find_silent(State(**{**vars(state_of(1000, 1000)), "stage": stage})) is None


@given(st.floats(0.0, 4000.0))
def test_time_in_which_the_supervisor_was_absent_is_added_to_every_deadline(passed_s: float) -> None:
    state = state_of(5, 5)
    passed_ns = round(passed_s * SECOND)
    found = excuse(state, passed_ns)
    shift = passed_ns if passed_ns > ABSENT_S * SECOND else 0
    assert found.deadline_ns == state.deadline_ns + shift
    for name, actor in state.actors.items():
        assert found.actors[name].seen_ns == actor.seen_ns + shift
        assert found.actors[name].busy_ns == actor.busy_ns + shift


def test_who_is_asked_for_its_stack_is_asked_once_for_each_deadline() -> None:
    state = State(**{**vars(state_of(9.8, 9.8)), "stage": Stage.RUNNING})
    asked, actions = ask_for_stacks(state, ())
    assert [action.actor for action in actions] == ["loader"]  # type: ignore[union-attr]
    assert ask_for_stacks(asked, ()) == (asked, [])
