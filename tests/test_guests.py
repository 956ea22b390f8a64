"""Actors that the plan does not know: what they say wrong is their own trouble, never the run's."""

import pytest

from actors.coordinator import Coordinator
from actors.domain.barrier import OutOfTurn
from actors.domain.lobby import Guest
from actors.domain.roles import Log, RoleError, Send
from actors.domain.session_plan import StrategySpec, Stream
from protocol.messages import Ack, Drop, Leave, Progress
from tests.plans import make_plan, make_session

MEMBER = "analysis-a"


@pytest.fixture
def coordinator() -> Coordinator:
    plan = make_plan(
        [make_session(0)],
        [Stream(0, "A", "1m", "STREAMED", "", None, 0)],
        strategies=(StrategySpec("a", MEMBER, "", {}),),
    )
    made = Coordinator("coordinator", plan)
    list(made.begin())
    list(made.admit(Guest("guest", member=True, epoch=0, nonce=1)))
    return made


def owed(coordinator: Coordinator, now_ns: int = 10**9) -> set[str]:
    """Say whom the coordinator counts on."""
    told = list(coordinator.on_time(now_ns))
    (progress,) = (each.message for each in told if isinstance(each, Send))
    assert isinstance(progress, Progress)
    return set(progress.owed)


def test_a_guest_that_acknowledges_what_it_never_got_is_let_go_and_named(coordinator: Coordinator) -> None:
    assert owed(coordinator) == {MEMBER, "processor", "quality", "guest"}
    lines = [each.text for each in coordinator.on_message(Ack("guest", 7, ())) if isinstance(each, Log)]
    assert lines[:1] == [
        "The clock does not wait for guest any more: guest answered window 7 where 0 was due",
    ]
    assert owed(coordinator, 2 * 10**9) == {MEMBER, "processor", "quality"}
    assert list(coordinator.on_message(Ack("guest", 8, ()))) == []


def test_a_guest_whose_frames_have_a_hole_is_dropped(coordinator: Coordinator) -> None:
    list(coordinator.on_message(Drop("guest", "its frames have a hole")))
    assert owed(coordinator) == {MEMBER, "processor", "quality"}


def test_the_runs_own_actors_are_held_to_what_they_say(coordinator: Coordinator) -> None:
    with pytest.raises(OutOfTurn):
        list(coordinator.on_message(Ack(MEMBER, 7, ())))
    with pytest.raises(RoleError, match="left before the run's end"):
        list(coordinator.on_message(Leave(MEMBER, 0, 0, ())))
    with pytest.raises(RoleError):
        list(coordinator.on_message(Leave("processor", 0, 0, ())))


def test_words_of_somebody_who_is_no_member_are_not_heard(coordinator: Coordinator) -> None:
    assert list(coordinator.on_message(Ack("nobody", 7, ()))) == []
    assert list(coordinator.on_message(Leave("nobody", 7, 7, ()))) == []
