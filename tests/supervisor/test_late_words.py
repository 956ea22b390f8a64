"""What is heard of a process after its death."""

from actors.domain.session_plan import Restarts
from actors.supervisor.decisions import begin, decide
from actors.supervisor.events import Concluded, Event, Exited, Greeted, Joined, Kill, Start, Tell, Ticked
from actors.supervisor.run_state import Stage, State, is_current
from protocol.messages import Stop
from tests.plans import make_finished

ROLES = {"coordinator": "coordinator", "loader": "loader", "analysis-a": "analysis"}
START_NS = 1_000_000_000_000
RUNNING: list[Event] = [
    *(Greeted(name, 1) for name in ROLES),
    *(Joined(name) for name in ROLES),
]


def after(events: list[Event]) -> tuple[State, list[object]]:
    state = begin(ROLES, START_NS, 30.0, Restarts(limit=3))
    actions: list[object] = []
    for event in events:
        state, found = decide(state, event)
        actions += found
    return state, actions


def test_a_verdict_that_is_heard_after_its_coordinators_death_is_the_last_word() -> None:
    events = [*RUNNING, Exited("coordinator", -9), Exited("loader", -9), Concluded(make_finished())]
    state, _ = after(events)
    assert state.stage is Stage.STOPPING
    state, actions = after([*events, Exited("analysis-a", -9), Ticked(START_NS + 10**9, {})])
    assert state.stage is Stage.OVER
    assert state.exit_code == 0
    assert not [one for one in actions if isinstance(one, Start)]
    assert [one.actor for one in actions if isinstance(one, Kill)] == ["loader", "analysis-a"]


def test_a_verdict_that_is_heard_when_all_are_gone_ends_the_run() -> None:
    actors = ["coordinator", "loader", "analysis-a"]
    state, _ = after([*RUNNING, *(Exited(name, -9) for name in actors[:2]), Concluded(make_finished())])
    state, actions = decide(state, Exited("analysis-a", -9))
    assert (state.stage, actions) == (Stage.OVER, [])


def test_who_was_being_started_when_the_verdict_came_is_told_to_stop_once_it_greets() -> None:
    state, _ = after([*RUNNING, Exited("loader", -9), Concluded(make_finished())])
    assert decide(state, Greeted("loader", 2))[1] == [Tell("loader", Stop("the run is over"))]


def test_only_the_process_that_was_started_last_is_heard() -> None:
    state, actions = after([*RUNNING, Exited("loader", -9)])
    (started,) = [one for one in actions if isinstance(one, Start)]
    assert is_current(state, "loader", started.epoch)
    assert not is_current(state, "loader", started.epoch - 1)
    assert not is_current(state, "stranger", started.epoch)
