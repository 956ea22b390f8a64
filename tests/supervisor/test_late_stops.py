"""Who hangs after the verdict is killed, and takes nothing from the run."""

import signal

import pytest

from actors.domain.exit_codes import ExitCode
from actors.supervisor.decisions import STOP_S, begin, decide
from actors.supervisor.events import Concluded, Exited, Greeted, Interrupted, Joined, Kill, Note, Ticked
from actors.supervisor.run_state import Stage, State
from tests.plans import make_finished

ROLES = {"coordinator": "coordinator", "loader": "loader", "recorder": "recorder"}


def after(state: State, events: list[object]) -> State:
    for event in events:
        state, _ = decide(state, event)  # type: ignore[arg-type]
    return state


@pytest.fixture
def stopping() -> State:
    """Give a run that has its verdict, and whose recorder has stopped."""
    joined = [each for n, name in enumerate(ROLES) for each in (Greeted(name, n), Joined(name))]
    state = after(begin(ROLES, 0, 30.0), [*joined, Concluded(make_finished()), Exited("recorder", 0)])
    assert state.stage is Stage.STOPPING
    return state


def late(state: State) -> tuple[State, list[object]]:
    state, actions = decide(state, Ticked(1, {}))
    for second in range(int(STOP_S) + 2):
        state, more = decide(state, Ticked(second * 10**9, {}))
        actions += more
    return state, list(actions)


def test_who_does_not_stop_in_time_is_killed_and_the_run_is_done(stopping: State) -> None:
    state, actions = late(stopping)
    assert [action for action in actions if isinstance(action, Kill)] == [Kill("coordinator"), Kill("loader")]
    assert Note("WARNING", f"coordinator, loader did not stop within {STOP_S:g} s: killed") in actions
    state = after(state, [Exited("coordinator", -signal.SIGKILL), Exited("loader", -signal.SIGKILL)])
    assert (state.stage, state.trouble, state.exit_code) == (Stage.OVER, None, ExitCode.DONE)


def test_an_interrupted_run_stays_interrupted() -> None:
    state = after(begin(ROLES, 0, 30.0), [Greeted(name, n) for n, name in enumerate(ROLES)])
    joined = [Joined(name) for name in ROLES]
    state = after(state, [*joined, Interrupted(), Concluded(make_finished(interrupted=True))])
    state, _ = late(state)
    state = after(state, [Exited(name, -signal.SIGKILL) for name in ROLES])
    assert (state.stage, state.trouble, state.exit_code) == (Stage.OVER, None, ExitCode.INTERRUPTED)
