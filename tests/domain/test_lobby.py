import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.lobby import Guest, Lobby
from actors.domain.roles import Log
from protocol import topics
from protocol.messages import Invite, Join, Ready

ACTORS = ("loader", "processor", "quality")
KNOCKS = [(actor, how) for actor in ACTORS for how in ("join", "subscribe")]
NONCE = 7


def join(actor: str, epoch: int = 0) -> Join:
    return Join(actor, actor, member=False, epoch=epoch)


def knock(lobby: Lobby, actor: str, how: str, epoch: int = 0) -> list[Guest | Log]:
    if how == "join":
        return list(lobby.on_join(join(actor, epoch)))
    return list(lobby.on_subscription(topics.mark(actor, epoch)))


def let_in(lobby: Lobby, actor: str, epoch: int = 0) -> None:
    for how in ("join", "subscribe"):
        knock(lobby, actor, how, epoch)
    assert list(lobby.on_ready(Ready(actor, NONCE))) == []


@given(st.permutations(KNOCKS))
def test_an_actor_is_to_be_welcomed_with_the_later_of_its_join_and_its_mark(
    knocks: list[tuple[str, str]],
) -> None:
    lobby = Lobby(ACTORS, NONCE)
    heard: set[str] = set()
    for actor, how in knocks:
        guests = knock(lobby, actor, how)
        assert guests == ([Guest(actor, member=False, epoch=0, nonce=NONCE)] if actor in heard else [])
        heard.add(actor)
    assert lobby.missing == tuple(sorted(ACTORS))


@given(st.permutations(ACTORS))
def test_it_is_complete_once_the_last_is_ready(order: list[str]) -> None:
    lobby = Lobby(ACTORS, NONCE)
    for actor, how in KNOCKS:
        knock(lobby, actor, how)
    for place, actor in enumerate(order):
        assert not lobby.is_complete
        assert list(lobby.on_ready(Ready(actor, NONCE))) == []
        assert lobby.missing == tuple(sorted(order[place + 1 :]))
    assert lobby.is_complete


def test_subscriptions_that_are_no_mark_or_come_again_welcome_nobody() -> None:
    lobby = Lobby(ACTORS, NONCE)
    for topic in ("raw", "control", "to/loader", "to/stranger@0", "to/loader@0", "to/loader@0"):
        assert list(lobby.on_subscription(topic)) == []
    assert len(list(lobby.on_join(join("loader")))) == 1
    assert list(lobby.on_subscription("to/loader@0")) == []


@given(st.permutations(["join", "subscribe"]), st.integers(1, 2**31))
def test_a_later_process_of_an_actor_is_welcomed_in_place_of_the_earlier_one(
    order: list[str], epoch: int
) -> None:
    lobby = Lobby(ACTORS, NONCE)
    for actor in ACTORS:
        let_in(lobby, actor)
    first, second = (knock(lobby, "loader", how, epoch) for how in order)
    assert (first, second) == ([], [Guest("loader", member=False, epoch=epoch, nonce=NONCE)])
    assert lobby.missing == ("loader",)
    assert list(lobby.on_ready(Ready("loader", NONCE))) == []
    assert lobby.is_complete


def test_the_mark_of_an_earlier_process_does_not_let_the_later_one_in() -> None:
    lobby = Lobby(ACTORS, NONCE)
    knock(lobby, "loader", "subscribe", epoch=0)
    assert knock(lobby, "loader", "join", epoch=1) == []
    assert len(knock(lobby, "loader", "subscribe", epoch=1)) == 1


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_process_that_is_not_later_is_left_outside_and_said(epoch: int, before: int) -> None:
    lobby = Lobby(ACTORS, NONCE)
    let_in(lobby, "loader", epoch + before)
    knock(lobby, "loader", "subscribe", epoch)
    (said,) = knock(lobby, "loader", "join", epoch)
    assert said == Log("WARNING", f"Dropped: loader wants to join (epoch {epoch}), but has joined already")
    assert "loader" not in lobby.missing


@pytest.mark.parametrize("invited_first", [True, False])
def test_one_that_nobody_expected_is_welcomed_with_the_supervisors_word_alone(*, invited_first: bool) -> None:
    lobby = Lobby(ACTORS, NONCE)
    invite = Invite("watcher", 0)
    guests = [*lobby.on_invite(invite)] if invited_first else []
    for how in ("join", "subscribe"):
        guests += knock(lobby, "watcher", how)
    assert bool(guests) is invited_first
    guests += [] if invited_first else [*lobby.on_invite(invite)]
    assert guests == [Guest("watcher", member=False, epoch=0, nonce=NONCE)]


def test_an_invitation_is_for_one_process() -> None:
    lobby = Lobby(ACTORS, NONCE)
    assert not [*lobby.on_invite(Invite("watcher", 7))]
    assert not [item for how in ("join", "subscribe") for item in knock(lobby, "watcher", how)]


def test_one_that_nobody_expected_holds_nobody_up() -> None:
    lobby = Lobby(ACTORS, NONCE)
    for name in ("watcher", "late"):
        assert not [*lobby.on_invite(Invite(name, 0))]
    let_in(lobby, "watcher")
    assert lobby.missing == ACTORS
    for actor in ACTORS:
        let_in(lobby, actor)
    assert lobby.is_complete
    guests = [item for how in ("join", "subscribe") for item in knock(lobby, "late", how)]
    assert guests == [Guest("late", member=False, epoch=0, nonce=NONCE)]
    assert lobby.is_complete


@pytest.mark.parametrize("ready", [Ready("processor", 7), Ready("loader", 8), Ready("stranger", 7)])
def test_nobody_is_ready_without_the_nonce_of_a_welcome(ready: Ready) -> None:
    lobby = Lobby(ACTORS, NONCE)
    for how in ("join", "subscribe"):
        knock(lobby, "loader", how)
    reason = f"Dropped: {ready.actor} says it is ready without having been welcomed"
    assert list(lobby.on_ready(ready)) == [Log("WARNING", reason)]
    assert lobby.missing == ACTORS


def test_where_nobody_is_expected_it_is_complete_from_the_start() -> None:
    assert Lobby((), nonce=1).is_complete
