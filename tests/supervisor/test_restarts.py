from collections.abc import Iterable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.exit_codes import ExitCode
from actors.domain.session_plan import Restarts
from actors.supervisor.decisions import begin, decide
from actors.supervisor.events import (
    Action,
    Complained,
    Concluded,
    Event,
    Exited,
    Greeted,
    Interrupted,
    Joined,
    Kill,
    Note,
    Seen,
    Start,
    Tell,
    Ticked,
)
from actors.supervisor.restarts import JOIN_S, MAX_BACKOFF_S
from actors.supervisor.run_state import Stage, State, without
from protocol.lifecycle import ActorState
from protocol.messages import Connect, Drop, Stop
from tests.plans import make_finished
from tests.supervisor.decided import after

ACTORS = ("coordinator", "loader", "processor", "analysis-a", "analysis-b")
OTHERS = ACTORS[1:]
STALL_S = 30.0
SECOND = 1_000_000_000
KILLED = -9


def roles() -> Mapping[str, str]:
    return {name: name.partition("-")[0] for name in ACTORS}


def running(restarts: Restarts, epoch: int = 0) -> State:
    state = begin(roles(), 1000 * SECOND, STALL_S, restarts, epoch=epoch)
    greetings: list[Event] = [Greeted(name, 1) for name in ACTORS]
    return after(state, [*greetings, *(Joined(name) for name in ACTORS)])[0]


def later(state: State, seconds: float) -> Event:
    return Ticked(state.now_ns + round(seconds * SECOND), {})


def starts(actions: Iterable[Action]) -> list[str]:
    return [action.actor for action in actions if isinstance(action, Start)]


def kills(actions: Iterable[Action]) -> list[str]:
    return [action.actor for action in actions if isinstance(action, Kill)]


@pytest.mark.parametrize("name", OTHERS)
def test_who_is_killed_is_started_again_at_once_in_a_later_epoch_and_alone(name: str) -> None:
    state, actions = decide(running(Restarts(), epoch=4), Exited(name, KILLED))
    assert actions == [
        Note("WARNING", f"{name} was killed by signal 9; it is started again at once (1)"),
        Start(name, 5, frozenset()),
    ]
    assert (state.stage, state.trouble, state.restarted) == (Stage.RUNNING, None, 1)
    assert state.actors[name].state is ActorState.SPAWNED
    assert name not in state.gone
    state, actions = decide(state, Greeted(name, 77))
    assert actions == [Tell(name, Connect(4))]
    state, actions = decide(state, Joined(name))
    assert (state.stage, actions, state.actors[name].state) == (Stage.RUNNING, [], ActorState.RUNNING)


def test_with_the_coordinator_everyone_is_started_again_once_all_old_processes_are_gone() -> None:
    state, actions = decide(running(Restarts()), Exited("coordinator", KILLED))
    assert kills(actions) == list(OTHERS)
    assert starts(actions) == []
    assert state.stage is Stage.STARTING
    for name in OTHERS[:-1]:
        state, actions = decide(state, Exited(name, KILLED))
        assert actions == []
    state, actions = decide(state, Exited(OTHERS[-1], KILLED))
    assert starts(actions) == list(ACTORS)
    assert [action.epoch for action in actions if isinstance(action, Start)] == [1, 2, 3, 4, 5]
    assert state.gone == frozenset()
    state, told = after(state, [Greeted(name, 2) for name in ACTORS])
    assert told == [Tell(name, Connect(1)) for name in OTHERS]
    state, _ = after(state, [Joined(name) for name in ACTORS])
    assert (state.stage, state.restarted) == (Stage.RUNNING, 1)


def test_a_stalled_actor_is_killed_and_started_only_when_its_old_process_is_gone() -> None:
    state = running(Restarts())
    actions: list[Action] = []
    for _ in range(int(STALL_S) + 2):
        state, _ = after(state, [Seen(name) for name in ACTORS if name != "loader"])
        state, more = decide(state, later(state, 1))
        actions += more
    assert kills(actions) == ["loader"]
    assert starts(actions) == []
    assert state.actors["loader"].state is ActorState.RESTARTING
    state, actions = decide(state, Exited("loader", KILLED))
    assert starts(actions) == ["loader"]


@pytest.mark.parametrize("code", [0, 1, 3, 4])
def test_who_says_what_is_wrong_or_just_leaves_is_not_started_again(code: int) -> None:
    state, actions = decide(running(Restarts()), Exited("loader", code))
    assert (state.stage, starts(actions)) == (Stage.KILLING, [])
    state, actions = decide(running(Restarts()), Complained("loader", 3, "no"))
    assert (state.stage, starts(actions)) == (Stage.KILLING, [])


@given(st.integers(0, 6))
def test_nobody_is_started_more_often_than_the_limit_and_then_the_run_fails_and_says_so(limit: int) -> None:
    state = running(Restarts(limit, period_s=1000.0))
    for count in range(limit):
        state, _ = decide(state, Exited("loader", KILLED))
        state, _ = decide(state, later(state, MAX_BACKOFF_S - 0.1))
        state, _ = decide(state, later(state, 0.2))
        assert state.actors["loader"].state is ActorState.SPAWNED
        assert len(state.actors["loader"].ends_ns) == count + 1
        state, _ = after(state, [Greeted("loader", 5), Joined("loader"), *(Seen(name) for name in ACTORS)])
    state, actions = decide(state, Exited("loader", KILLED))
    assert (state.stage, state.exit_code) == (Stage.KILLING, ExitCode.ACTOR_FAILED)
    assert starts(actions) == []
    how_often = f"; it had been started again {limit} times within 1000 s" if limit else ""
    assert state.trouble is not None
    assert state.trouble.reason == f"loader was killed by signal 9{how_often}"


def test_what_is_longer_ago_than_the_period_is_forgotten() -> None:
    state = running(Restarts(1, period_s=10.0))
    for _ in range(5):
        state, actions = decide(state, Exited("loader", KILLED))
        assert starts(actions) == ["loader"]
        for _ in range(3):
            state, _ = decide(state, later(state, 4))
            state, _ = after(state, [Seen(name) for name in ACTORS])
    assert state.restarted == 5


@given(st.floats(0.01, 4.0), st.integers(2, 8))
def test_each_further_start_waits_twice_as_long_up_to_a_limit(backoff: float, count: int) -> None:
    state = running(Restarts(100, period_s=1e6, backoff_s=backoff))
    state, _ = decide(state, Exited("loader", KILLED))
    for number in range(count):
        due = min(MAX_BACKOFF_S, backoff * 2**number)
        state, actions = decide(state, Exited("loader", KILLED))
        assert starts(actions) == []
        state, actions = decide(state, later(state, due * 0.99))
        assert starts(actions) == []
        state, actions = decide(state, later(state, due * 0.02))
        assert starts(actions) == ["loader"]
        state, _ = after(state, [Seen(name) for name in ACTORS])


@pytest.mark.parametrize(
    ("policy", "stage", "lost"),
    [
        ({"analysis": "fail"}, Stage.KILLING, []),
        ({"analysis": "drop"}, Stage.RUNNING, ["analysis-b"]),
        ({"loader": "fail"}, Stage.RUNNING, []),
    ],
)
def test_a_role_is_treated_as_its_policy_says(policy: dict[str, str], stage: Stage, lost: list[str]) -> None:
    state, actions = decide(running(Restarts(policy=policy)), Exited("analysis-b", KILLED))  # type: ignore[arg-type]
    assert (state.stage, list(state.lost)) == (stage, lost)
    assert starts(actions) == (["analysis-b"] if policy == {"loader": "fail"} else [])


def test_an_engine_that_used_up_its_starts_is_dropped_and_stays_out_when_the_coordinator_starts_again() -> (
    None
):
    state, _ = decide(running(Restarts(1)), Exited("analysis-b", KILLED))
    state, _ = after(state, [Greeted("analysis-b", 3), Joined("analysis-b")])
    state, actions = decide(state, Exited("analysis-b", KILLED))
    why = "analysis-b was killed by signal 9; it had been started again 1 times within 60 s"
    assert state.lost == {"analysis-b": why}
    assert Tell("coordinator", Drop("analysis-b", why)) in actions
    dead: list[Event] = [Exited(name, KILLED) for name in ACTORS if name != "analysis-b"]
    state, actions = after(state, dead)
    assert starts(actions) == [name for name in ACTORS if name != "analysis-b"]
    assert {action.without for action in actions if isinstance(action, Start)} == {frozenset({"analysis-b"})}
    back = [name for name in ACTORS if name != "analysis-b"]
    state, actions = after(state, [*(Greeted(name, 9) for name in back), *(Joined(name) for name in back)])
    assert Tell("coordinator", Drop("analysis-b", why)) in actions
    assert state.stage is Stage.RUNNING


def test_an_interrupt_that_came_before_is_told_to_the_new_coordinator() -> None:
    state, _ = decide(running(Restarts()), Interrupted())
    state, actions = after(state, [Exited(name, KILLED) for name in ACTORS])
    assert starts(actions) == list(ACTORS)
    state, actions = after(state, [*(Greeted(name, 1) for name in ACTORS), *(Joined(n) for n in ACTORS)])
    assert Tell("coordinator", Stop("interrupted")) in actions
    assert state.stage is Stage.DRAINING


WAITING = after(running(Restarts()), [Exited("loader", KILLED), Exited("loader", KILLED)])[0]
"""The loader waits for its second start."""


def test_who_waits_to_be_started_when_the_verdict_is_given_is_not_started_any_more() -> None:
    assert WAITING.actors["loader"].state is ActorState.RESTARTING
    state, actions = decide(WAITING, Concluded(make_finished()))
    assert actions == [Tell(name, Stop("the run is over")) for name in ACTORS if name != "loader"]
    state, actions = decide(state, later(state, 4))
    assert actions == []
    state, _ = after(state, [Exited(name, 0) for name in ACTORS if name != "loader"])
    assert (state.stage, state.exit_code) == (Stage.OVER, ExitCode.DONE)


def test_who_was_only_just_started_when_the_verdict_is_given_is_told_to_stop_as_soon_as_it_greets() -> None:
    state, _ = decide(running(Restarts()), Exited("loader", KILLED))
    state, _ = decide(state, Concluded(make_finished()))
    state, actions = decide(state, Greeted("loader", 5))
    assert actions == [Tell("loader", Stop("the run is over"))]
    state, _ = after(state, [Exited(name, 0) for name in ACTORS])
    assert (state.stage, state.exit_code) == (Stage.OVER, ExitCode.DONE)


def test_trouble_while_somebody_waits_to_be_started_ends_the_run_with_the_last_process() -> None:
    state, actions = decide(WAITING, Complained("processor", 3, "no"))
    assert kills(actions) == [name for name in ACTORS if name != "loader"]
    state, _ = after(state, [Exited(name, KILLED) for name in ACTORS if name != "loader"])
    assert state.stage is Stage.OVER
    assert state.trouble is not None
    assert state.trouble.reason == "no"


def test_an_interrupt_while_nobody_is_there_ends_the_run_at_once() -> None:
    state, _ = after(running(Restarts()), [Exited(name, KILLED) for name in ACTORS])
    state, actions = after(state, [Exited(name, KILLED) for name in ACTORS])
    assert (starts(actions), state.gone) == ([], frozenset(ACTORS))
    state, actions = decide(state, Interrupted())
    assert (state.stage, state.exit_code, actions) == (Stage.OVER, ExitCode.INTERRUPTED, [])


def test_who_does_not_join_again_is_replaced_and_the_coordinator_is_blamed_last() -> None:
    state = begin(roles(), 0, 1000.0, Restarts())
    state, _ = after(state, [Greeted("coordinator", 1), *(Seen(name) for name in ACTORS)])
    actions: list[Action] = []
    for _ in range(int(JOIN_S) + 2):
        state, more = decide(state, later(state, 1))
        actions += more
    assert kills(actions) == ["loader"]
    assert state.stage is Stage.STARTING


names = st.sampled_from(ACTORS)
happenings = st.one_of(
    st.builds(lambda name: lambda _: Exited(name, KILLED), names),
    st.builds(lambda name: lambda _: Greeted(name, 1), names),
    st.builds(lambda name: lambda _: Joined(name), names),
    st.builds(lambda name: lambda _: Seen(name), names),
    st.builds(lambda seconds: lambda state: later(state, seconds), st.floats(0.0, 4.9)),
    st.sampled_from([lambda _: Interrupted(), lambda _: Concluded(make_finished())]),
)


@settings(max_examples=200)
@given(st.lists(happenings, max_size=40), st.integers(0, 3))
def test_whatever_happens_nobody_is_started_while_its_old_process_is_there_and_epochs_only_grow(
    made: list[Event], limit: int
) -> None:
    state = running(Restarts(limit))
    history = [state]
    epochs: list[int] = []
    alive = set(ACTORS)
    for make in made:
        event = make(state)  # type: ignore[operator]
        if isinstance(event, Exited):
            if event.actor not in alive:
                continue
            alive.remove(event.actor)
        state, actions = decide(state, event)
        history.append(state)
        for action in actions:
            if isinstance(action, Start):
                assert action.actor not in alive
                alive.add(action.actor)
                epochs.append(action.epoch)
                assert state.stage in (Stage.STARTING, Stage.RUNNING, Stage.DRAINING)
        assert state.gone == set(ACTORS) - alive
    assert epochs == sorted(set(epochs))
    for before, now in pairwise(history):
        assert before.epoch <= now.epoch
        assert before.restarted <= now.restarted


def test_a_resumed_run_goes_on_without_an_engine_that_an_earlier_life_had_lost() -> None:
    others, why = ACTORS[:-1], "analysis-b was killed by signal 9"
    state = without(begin(roles(), 1000 * SECOND, STALL_S, Restarts(), epoch=4), {"analysis-b": why})
    came: list[Event] = [*(Greeted(name, 1) for name in others), *(Joined(name) for name in others)]
    state, actions = after(state, came)
    assert state.stage is Stage.RUNNING
    assert Tell("coordinator", Drop("analysis-b", why)) in actions
    _, actions = after(state, [Exited(name, KILLED) for name in others])
    started = [action for action in actions if isinstance(action, Start)]
    assert [(start.actor, start.without) for start in started] == [
        (name, frozenset({"analysis-b"})) for name in others
    ]
    over, _ = after(state, [Concluded(make_finished()), *(Exited(name, 0) for name in others)])
    assert (over.stage, over.exit_code) == (Stage.OVER, ExitCode.ACTOR_FAILED)
    assert over.actors["analysis-b"].state is ActorState.FAILED
