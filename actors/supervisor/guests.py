"""What the supervisor does about processes that attach: pure, as all of `decide`.

1. A name is given once in a run; who asks for one that is taken, or not a name, is refused.
2. They connect when the coordinator's sockets are bound, and anew whenever those are of another coordinator.
3. One that leaves, ends, fails or falls silent is waited for no more, and takes no part any more: the run
   goes on. It is not killed and not started again; should it wake up, it finds that it was dropped.
4. When the run is over, or has failed, they are told, and read the rest from the journal.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from actors.supervisor.events import (
    Action,
    Asked,
    Complained,
    Departed,
    Event,
    Follow,
    Joined,
    Note,
    Seen,
    Tell,
    Vanished,
)
from actors.supervisor.guest import Guest
from actors.supervisor.run_state import AWAKE, COORDINATOR, OPEN, Decision, State, ns
from protocol import topics
from protocol.lifecycle import ActorState
from protocol.messages import Connect, Drop, Invite, Stop

MAX_GUESTS: Final = 32
"""How many may take part at once."""
GRACE_S: Final = 0.2
"""How long the last words of a process that has ended may take."""
RESERVED: Final = ("supervisor", "ctl-")
"""Names that begin so are not given."""


def decide(state: State, event: Event) -> Decision:
    """Say what follows from what somebody attached says or does, or asks for."""
    rule = _RULES.get(type(event))
    return (state, []) if rule is None else rule(state, event)


def connect_all(state: State) -> Decision:
    """Have everyone who is attached join the coordinator whose sockets are bound now."""
    actions: list[Action] = []
    for name in _present(state):
        state, connect = _connect(state, name)
        actions += connect
    return state, actions


def farewell(state: State, reason: str) -> list[Action]:
    """Tell everyone who is attached that the run is over."""
    return [Tell(guest.process, Stop(reason)) for guest in _present(state).values()]


def look_for_guests(state: State) -> Decision:
    """Part from those that have ended without a word, or have been silent for too long."""
    actions: list[Action] = []
    present = _present(state) if state.stage in OPEN else {}
    for name, guest in present.items():
        silent_ns = state.now_ns - guest.seen_ns
        if guest.ended and silent_ns > ns(GRACE_S):
            state, more = _part(state, name, "crashed", "its process has ended")
        elif not guest.ended and silent_ns > ns(state.stall_s):
            why = f"no heartbeat for {silent_ns / 1e9:.1f} s"
            state, more = _part(state, name, "hung", why)
        else:
            continue
        actions += more
    return state, actions


def describe(state: State) -> list[str]:
    """Say of those that were lost what became of them."""
    return [
        f"attached {name}: {guest.fate}; the run goes on"
        for name, guest in state.guests.items()
        if guest.state is ActorState.FAILED
    ]


def _connect(state: State, name: str) -> Decision:
    """Have somebody join, and have it let in: the coordinator lets nobody in who is not watched."""
    guest = state.guests[name]
    state = replace(state, epoch=state.epoch + 1)
    connect = Tell(guest.process, Connect(state.actors[COORDINATOR].epoch, state.epoch))
    return state, [Tell(COORDINATOR, Invite(name, state.epoch)), connect]


def _present(state: State) -> Mapping[str, Guest]:
    return {name: guest for name, guest in state.guests.items() if not guest.fate}


def _with_guest(run: State, name: str, **changes: Any) -> State:  # noqa: ANN401
    guest = replace(run.guests[name], **changes)
    return replace(run, guests={**run.guests, name: guest})


def _on_asked(state: State, event: Asked) -> Decision:
    refusal = _refusal(state, event.actor)
    if refusal is not None:
        return state, [Tell(event.process, Drop(event.actor, refusal))]
    if state.stage not in OPEN:
        return state, [Tell(event.process, Stop("the run is over"))]
    guest = Guest(event.process, event.pid, event.member, state.now_ns)
    state = replace(state, guests={**state.guests, event.actor: guest})
    how = "the clock will wait for it" if event.member else "it only looks on"
    actions: list[Action] = [
        Note("INFO", f"{event.actor} (pid {event.pid}) attaches; {how}"),
        Follow(event.actor, event.pid),
    ]
    if state.actors[COORDINATOR].state in AWAKE:
        state, connect = _connect(state, event.actor)
        actions += connect
    return state, actions


def _refusal(state: State, name: str) -> str | None:
    """Say why a name is not given; None where it is."""
    if topics.ACTOR_NAME.fullmatch(name) is None or name.startswith(RESERVED):
        return f"{name!r} is no name for somebody attached: choose another one"
    if name in state.actors or name in state.guests:
        return f"the name {name} is taken in this run: choose another one"
    if len(_present(state)) >= MAX_GUESTS:
        return f"{MAX_GUESTS} are attached already: end one of them first"
    return None


def _on_joined(state: State, event: Joined) -> Decision:
    if state.guests[event.actor].fate:
        return state, []
    state = _with_guest(state, event.actor, state=ActorState.RUNNING, seen_ns=state.now_ns)
    return state, [Note("INFO", f"{event.actor} has joined")]


def _on_seen(state: State, event: Seen) -> Decision:
    return _with_guest(state, event.actor, seen_ns=state.now_ns), []


def _on_departed(state: State, event: Departed) -> Decision:
    guest = state.guests[event.actor]
    if guest.fate:
        return state, []
    state = _with_guest(state, event.actor, state=ActorState.EXITED, fate="left")
    note = Note("INFO", f"attached {event.actor} has left")
    return state, [note, *_dropped(state, event.actor, guest, "it has left")]


def _on_vanished(state: State, event: Vanished) -> Decision:
    return _with_guest(state, event.actor, ended=True, seen_ns=state.now_ns), []


def _on_complained(state: State, event: Complained) -> Decision:
    if state.guests[event.actor].fate:
        return state, []
    return _part(state, event.actor, "failed", event.reason)


def _part(state: State, name: str, how: str, why: str) -> Decision:
    """Go on without somebody attached, and say so."""
    guest = state.guests[name]
    state = _with_guest(state, name, state=ActorState.FAILED, fate=f"{how} ({why})")
    actions: list[Action] = [Note("WARNING", f"attached {name} {how}: {why}; the run goes on without it")]
    if not guest.ended:
        told = f"it {how} ({why}) and takes no part in the run any more; it can be attached anew"
        actions.append(Tell(guest.process, Drop(name, told)))
    return state, [*actions, *_dropped(state, name, guest, why)]


def _dropped(state: State, name: str, guest: Guest, why: str) -> list[Action]:
    """Have the coordinator wait for a member no more, where there is one that could."""
    told = guest.member and state.stage in OPEN
    listens = state.actors[COORDINATOR].state in AWAKE
    return [Tell(COORDINATOR, Drop(name, why))] if told and listens else []


_RULES: Final[Mapping[type[Any], Callable[[State, Any], Decision]]] = {
    Asked: _on_asked,
    Joined: _on_joined,
    Seen: _on_seen,
    Departed: _on_departed,
    Vanished: _on_vanished,
    Complained: _on_complained,
}
