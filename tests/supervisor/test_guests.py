"""Whoever attaches is watched, never waited for in vain, and never makes anything of the run's different."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.supervisor.decisions import begin, decide
from actors.supervisor.events import (
    Action,
    Asked,
    Complained,
    Concluded,
    Departed,
    Event,
    Exited,
    Follow,
    Greeted,
    Joined,
    Kill,
    Seen,
    Tell,
    Ticked,
    Vanished,
)
from actors.supervisor.guests import MAX_GUESTS
from actors.supervisor.run_state import Restarts, Stage, State
from protocol.lifecycle import ActorState
from protocol.messages import Connect, Drop, Invite, Stop
from tests.plans import make_finished
from tests.supervisor.decided import after

NAMES = ("coordinator", "loader", "analysis-a")
START_NS = 1_000_000_000_000
STALL_S = 5.0
ROLES = {name: name.partition("-")[0] for name in NAMES}
GREETINGS = [Greeted(name, pid) for pid, name in enumerate(NAMES, start=100)]
ASKED = Asked("me", "me#7", 7, member=True)


def tick(state: State, seconds: float) -> Ticked:
    return Ticked(state.now_ns + round(seconds * 1e9), {})


RUNNING, _ = after(begin(ROLES, START_NS, STALL_S), [*GREETINGS, *map(Joined, NAMES)])
ATTACHED, _ = after(RUNNING, [ASKED, Joined("me")])


def told(actions: Iterable[Action], whom: str) -> list[object]:
    return [action.message for action in actions if isinstance(action, Tell) and action.actor == whom]


def test_who_asks_is_followed_and_told_where_to_connect_in_an_epoch_of_its_own() -> None:
    state, actions = after(RUNNING, [ASKED, Asked("you", "you#8", 8, member=False)])
    assert told(actions, "me#7") == [Connect(0, 1)]
    assert told(actions, "you#8") == [Connect(0, 2)]
    assert [action for action in actions if isinstance(action, Follow)] == [Follow("me", 7), Follow("you", 8)]
    assert [guest.role for guest in state.guests.values()] == ["attached", "observer"]


@pytest.mark.parametrize(
    "name", ["loader", "analysis-a", "me", "../x", "", "A", "ctl-1", "supervisor", "x" * 33, "a/b", "a\n"]
)
def test_a_name_that_is_taken_or_none_is_refused_and_nothing_changes(name: str) -> None:
    state, actions = decide(ATTACHED, Asked(name, "x#9", 9, member=True))
    (refused,) = told(actions, "x#9")
    assert isinstance(refused, Drop)
    assert "choose another one" in refused.reason
    assert state == ATTACHED


def test_there_is_an_end_to_how_many_may_be_there() -> None:
    asking = [Asked(f"g{n}", f"g{n}#{n}", n, member=False) for n in range(MAX_GUESTS + 1)]
    state, actions = after(RUNNING, asking)
    assert len(state.guests) == MAX_GUESTS
    assert isinstance(told(actions, f"g{MAX_GUESTS}#{MAX_GUESTS}")[0], Drop)


def test_before_the_coordinator_listens_nobody_connects_and_then_everyone_does() -> None:
    state, actions = after(begin(ROLES, START_NS, STALL_S), [ASKED])
    assert told(actions, "me#7") == []
    state, actions = after(state, GREETINGS)
    assert told(actions, "me#7") == [Connect(0, 1)]


def test_whoever_is_attached_is_told_of_a_new_coordinator_and_who_has_left_is_not() -> None:
    state = replace(ATTACHED, restarts=Restarts())
    state, _ = after(state, [Asked("gone", "gone#8", 8, member=False), Departed("gone")])
    state, _ = after(state, [Exited("coordinator", -9)])
    state, _ = after(state, [Exited("loader", -9), Exited("analysis-a", -9)])
    epoch = state.actors["coordinator"].epoch
    state, actions = after(state, [Greeted("coordinator", 200)])
    assert [type(message) for message in told(actions, "me#7")] == [Connect]
    assert told(actions, "me#7") == [Connect(epoch, state.epoch)]
    assert told(actions, "gone#8") == []


@pytest.mark.parametrize(
    ("events", "how"),
    [
        ([Vanished("me"), tick(ATTACHED, 0.3)], "crashed (its process has ended)"),
        ([tick(ATTACHED, 4.0), tick(ATTACHED, 6.0)], "hung (no heartbeat for 6.0 s)"),
        ([Complained("me", 3, "oh")], "failed (oh)"),
    ],
)
def test_one_that_is_lost_is_waited_for_no_more_and_the_run_goes_on(events: list[Event], how: str) -> None:
    alive = [Seen(name) for name in NAMES]
    found: list[Action] = []
    state = ATTACHED
    for event in events:
        state, actions = after(state, [event, *alive])
        found += actions
    assert state.stage is Stage.RUNNING
    assert (state.guests["me"].state, state.guests["me"].fate) == (ActorState.FAILED, how)
    assert [type(message) for message in told(found, "coordinator")] == [Drop]
    assert not any(isinstance(action, Kill) for action in found)
    assert state.exit_code == 0


def test_one_that_leaves_is_waited_for_no_more_and_its_end_is_no_crash() -> None:
    state, actions = after(ATTACHED, [Departed("me"), Vanished("me")])
    state, more = after(state, [tick(state, 1.0)])
    assert state.guests["me"].fate == "left"
    assert [type(message) for message in told([*actions, *more], "coordinator")] == [Drop]


def test_at_the_end_of_the_run_it_is_told_and_nobody_waits_for_it() -> None:
    state, actions = after(ATTACHED, [Concluded(make_finished())])
    assert told(actions, "me#7") == [Stop("the run is over")]
    state, _ = after(state, [Exited(name, 0) for name in NAMES])
    assert (state.stage, state.exit_code) == (Stage.OVER, 0)
    state, actions = decide(replace(state, guests={}), ASKED)
    assert told(actions, "me#7") == [Stop("the run is over")]


BESIDE = Asked("b", "b#8", 8, member=False)
GUESTS_DO = st.sampled_from(
    [ASKED, BESIDE, Joined("me"), Seen("me"), Departed("me"), Vanished("me"),
     Complained("me", 3, "oh"), Joined("b"), Vanished("b"), Departed("b")]
)  # fmt: skip


@given(st.lists(GUESTS_DO, max_size=20))
def test_nothing_that_guests_do_changes_what_is_known_of_the_run_itself(events: list[Event]) -> None:
    state, actions = after(RUNNING, [ASKED, BESIDE, *events])
    assert replace(state, guests={}, epoch=0) == replace(RUNNING, epoch=0)
    for action in actions:
        assert not isinstance(action, Kill)
        if isinstance(action, Tell) and action.actor in NAMES:
            assert action.actor == "coordinator"
            assert isinstance(action.message, Drop | Invite)
