import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.lobby import Lobby
from actors.domain.roles import RoleError, Send
from protocol import topics
from protocol.messages import Join, Ready, Welcome

ACTORS = ("loader", "processor", "quality")
KNOCKS = [(actor, how) for actor in ACTORS for how in ("join", "subscribe")]


def join(actor: str) -> Join:
    return Join(actor, actor, member=False)


def knock(lobby: Lobby, actor: str, how: str) -> list[Send]:
    if how == "join":
        return list(lobby.on_join(join(actor)))
    return list(lobby.on_subscription(topics.to(actor)))


@given(st.permutations(KNOCKS))
def test_an_actor_is_welcomed_with_the_later_of_its_join_and_its_subscription(
    knocks: list[tuple[str, str]],
) -> None:
    lobby = Lobby(ACTORS, nonce=7)
    heard: set[str] = set()
    for actor, how in knocks:
        welcomes = knock(lobby, actor, how)
        expected = [Send(topics.to(actor), Welcome(actor, 7, 0))] if actor in heard else []
        assert welcomes == expected
        heard.add(actor)
    assert lobby.missing == tuple(sorted(ACTORS))


@given(st.permutations(ACTORS))
def test_it_is_complete_once_the_last_is_ready(order: list[str]) -> None:
    lobby = Lobby(ACTORS, nonce=7)
    for actor, how in KNOCKS:
        knock(lobby, actor, how)
    for place, actor in enumerate(order):
        assert not lobby.is_complete
        lobby.on_ready(Ready(actor, 7))
        assert lobby.missing == tuple(sorted(order[place + 1 :]))
    assert lobby.is_complete


def test_repeated_and_foreign_subscriptions_welcome_nobody() -> None:
    lobby = Lobby(ACTORS, nonce=7)
    for topic in ("raw", "control", "to/stranger", "to/loader", "to/loader"):
        assert list(lobby.on_subscription(topic)) == []
    assert len(list(lobby.on_join(join("loader")))) == 1
    assert list(lobby.on_subscription("to/loader")) == []


@pytest.mark.parametrize("actor", ["stranger", "loader"])
def test_a_stranger_and_a_second_of_the_same_name_are_refused(actor: str) -> None:
    lobby = Lobby(ACTORS, nonce=7)
    list(lobby.on_join(join("loader")))
    with pytest.raises(RoleError, match=f"{actor} wants to join"):
        list(lobby.on_join(join(actor)))


@pytest.mark.parametrize("ready", [Ready("processor", 7), Ready("loader", 8), Ready("stranger", 7)])
def test_nobody_is_ready_without_the_nonce_of_a_welcome(ready: Ready) -> None:
    lobby = Lobby(ACTORS, nonce=7)
    for how in ("join", "subscribe"):
        knock(lobby, "loader", how)
    with pytest.raises(RoleError, match=f"{ready.actor} says it is ready"):
        lobby.on_ready(ready)
    assert not lobby.is_complete


def test_where_nobody_is_expected_it_is_complete_from_the_start() -> None:
    assert Lobby((), nonce=1).is_complete
