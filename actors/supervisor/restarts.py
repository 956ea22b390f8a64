"""Start actors again: who, when, and how often.

1. Only a process that was killed or stalled is replaced; one that said what is wrong would say it again.
2. The first replacement is at once, each further one within the period waits twice as long as the one before.
3. The coordinator owns all state that is not in the journal, so everyone is started again with it.
4. Every new process has an epoch of its own, higher than all before: what an old one left behind is foreign.
"""

from dataclasses import replace
from typing import Final

from actors.supervisor.events import Action, Kill, Note, Start
from actors.supervisor.run_state import (
    COORDINATOR,
    OPEN,
    Decision,
    Stage,
    State,
    ns,
    step,
    waiting_to_start,
    with_actor,
)
from protocol.lifecycle import ActorEvent

MAX_BACKOFF_S: Final = 5.0
JOIN_S: Final = 60.0
"""How long actors that were started may take to join."""


def may_restart(state: State, name: str) -> bool:
    """Whether an actor's process may be replaced."""
    actor = state.actors[name]
    policy = state.restarts.policy.get(actor.role, "restart")
    recent = len(_recent_ends(state, name))
    return state.stage in OPEN and policy == "restart" and recent < state.restarts.limit


def used_up(state: State, name: str) -> str:
    """Say that an actor was started again too often; nothing where it never was."""
    count = len(_recent_ends(state, name))
    return f"; it had been started again {count} times within {state.restarts.period_s:g} s" if count else ""


def replace_process(state: State, name: str, why: str) -> Decision:
    """Have an actor's process replaced by a new one."""
    delay_s = _delay_s(state, name)
    ends = (*state.actors[name].ends_ns, state.now_ns)
    state = with_actor(state, name, ends_ns=ends)
    when = "at once" if delay_s == 0 else f"in {delay_s:g} s"
    what = "all actors are" if name == COORDINATOR else "it is"
    note = Note("WARNING", f"{why}; {what} started again {when} ({len(ends)})")
    names = _everyone(state) if name == COORDINATOR else [name]
    actions: list[Action] = [note]
    for other in names:
        state = step(state, other, ActorEvent.REPLACED)
        state = with_actor(state, other, start_at_ns=state.now_ns + ns(delay_s))
        if other not in state.gone:
            actions.append(Kill(other))
    if name == COORDINATOR:
        state = replace(state, stage=Stage.STARTING, deadline_ns=state.now_ns + ns(JOIN_S + delay_s))
    state, more = start_due(state)
    return state, [*actions, *more]


def start_due(state: State) -> Decision:
    """Start the actors whose time has come and whose old process is gone."""
    waiting = waiting_to_start(state)
    if COORDINATOR in waiting and not state.gone.issuperset(waiting):
        return state, []
    actions: list[Action] = []
    for name in waiting:
        if name in state.gone and state.now_ns >= state.actors[name].start_at_ns:
            state = _started(state, name)
            steered = name == COORDINATOR and state.wanted.steered
            actions.append(Start(name, state.epoch, frozenset(state.lost), steered))
    return state, actions


def _started(state: State, name: str) -> State:
    state = step(state, name, ActorEvent.STARTED)
    state = replace(state, gone=state.gone - {name}, epoch=state.epoch + 1)
    now_ns = state.now_ns
    return with_actor(state, name, pid=None, seen_ns=now_ns, busy_ns=now_ns, cpu_ns=0, epoch=state.epoch)


def _everyone(state: State) -> list[str]:
    return [name for name in state.actors if name not in state.lost]


def _recent_ends(state: State, name: str) -> list[int]:
    since_ns = state.now_ns - ns(state.restarts.period_s)
    return [end_ns for end_ns in state.actors[name].ends_ns if end_ns >= since_ns]


def _delay_s(state: State, name: str) -> float:
    count = len(_recent_ends(state, name))
    return min(MAX_BACKOFF_S, state.restarts.backoff_s * 2 ** (count - 1)) if count else 0.0
