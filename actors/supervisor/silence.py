"""Who has been silent for too long, and where it was: pure, by the times at which actors were seen."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from actors.supervisor.events import Action, Dump
from actors.supervisor.run_state import AWAKE, OPEN, Decision, Stage, State, Watched, ns, with_actor

BUSY_FACTOR: Final = 10
"""A silent actor that uses its processor is busy, not stalled; it may be silent this much longer."""
DUMP_S: Final = 0.5
"""How long before its deadline a silent actor is asked for its stack."""
ABSENT_S: Final = 5.0
"""Ticks come a few times a second; between two that are further apart the supervisor did not run."""


class Silent(NamedTuple):
    """An actor that has missed its deadline."""

    actor: str
    is_stalled: bool
    """Whether it did nothing at all; else it was busy."""
    reason: str


def find_silent(state: State) -> Silent | None:
    """Find the first actor that has been silent for too long."""
    for name, actor in _watched(state):
        silent_s = (state.now_ns - actor.seen_ns) / 1e9
        is_stalled = (state.now_ns - actor.busy_ns) / 1e9 > state.stall_s
        if silent_s > state.stall_s and (is_stalled or silent_s > BUSY_FACTOR * state.stall_s):
            how = "stalled" if is_stalled else "busy with one window"
            finding = f"; {actor.finding}" if actor.finding else ""
            reason = f"{name} is {how}: no heartbeat for {silent_s:.1f} s{finding}"
            return Silent(name, is_stalled, reason)
    return None


def ask_for_stacks(state: State, missing: Iterable[str]) -> Decision:
    """Ask those for their stacks whose deadline is near; each once per deadline, and before it is blamed.

    `missing` names those that have not joined yet.
    """
    actions: list[Action] = []
    for name, deadline_ns in _deadlines(state, missing).items():
        due_ns = deadline_ns - ns(DUMP_S)
        if state.now_ns > due_ns >= state.actors[name].dumped_ns:
            state = with_actor(state, name, dumped_ns=state.now_ns, finding="")
            actions.append(Dump(name))
    return state, actions


def _deadlines(state: State, missing: Iterable[str]) -> dict[str, int]:
    """Say of everyone who is waited for until when."""
    left = [name for name in state.actors if name not in state.gone]
    if state.stage is Stage.STARTING:
        return dict.fromkeys((name for name in missing if name in left), state.deadline_ns)
    if state.stage is Stage.STOPPING:
        return dict.fromkeys(left, state.deadline_ns)
    return {name: _deadline_ns(actor, state.stall_s) for name, actor in _watched(state)}


def _deadline_ns(actor: Watched, stall_s: float) -> int:
    stall_ns = ns(stall_s)
    return min(max(actor.seen_ns, actor.busy_ns), actor.seen_ns + (BUSY_FACTOR - 1) * stall_ns) + stall_ns


def _watched(state: State) -> list[tuple[str, Watched]]:
    if state.stage not in OPEN:
        return []
    return [
        (name, actor)
        for name, actor in state.actors.items()
        if actor.state in AWAKE and name not in state.lost and name not in state.gone
    ]


def excuse(state: State, passed_ns: int) -> State:
    """Count nobody's silence, and no deadline, while the supervisor was absent."""
    if passed_ns <= ns(ABSENT_S):
        return state
    actors = {
        name: replace(actor, seen_ns=actor.seen_ns + passed_ns, busy_ns=actor.busy_ns + passed_ns)
        for name, actor in state.actors.items()
    }
    guests = {name: replace(guest, seen_ns=guest.seen_ns + passed_ns) for name, guest in state.guests.items()}
    return replace(state, actors=actors, guests=guests, deadline_ns=state.deadline_ns + passed_ns)
