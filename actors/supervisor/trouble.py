"""What the supervisor does about trouble: replaces a process, goes on without an engine, or kills everyone.

Rules 2 and 3 of `decisions`.
"""

from dataclasses import replace
from typing import Final

from actors.domain.exit_codes import ExitCode
from actors.supervisor import guests
from actors.supervisor.events import Action, Kill, Note, Tell
from actors.supervisor.restarts import may_restart, replace_process, used_up
from actors.supervisor.run_state import (
    ANALYSIS,
    COORDINATOR,
    OPEN,
    Decision,
    Stage,
    State,
    Trouble,
    alive,
    ns,
    step,
    waiting_to_start,
)
from protocol.lifecycle import ActorEvent
from protocol.messages import Drop

KILL_S: Final = 10.0


def in_need(state: State, name: str, why: str) -> Decision:
    """Start an actor again whose process has ended or is about to, if that is allowed; else be in trouble."""
    if may_restart(state, name):
        return replace_process(state, name, why)
    return in_trouble(state, Trouble(name, ExitCode.ACTOR_FAILED, why + used_up(state, name)))


def in_trouble(state: State, trouble: Trouble) -> Decision:
    """Keep the first trouble and kill everyone; later ones are its consequences."""
    if state.stage in (Stage.KILLING, Stage.OVER):
        return state, []
    if trouble.actor is not None and _is_dispensable(state, trouble.actor):
        return _lose(state, trouble.actor, trouble.reason)
    state, actions = kill_all(replace(state, trouble=state.trouble or trouble))
    return state, [Note("ERROR", trouble.reason), *actions]


def _is_dispensable(state: State, name: str) -> bool:
    """Whether the run can go on without an actor: a strategy's engine beside another one."""
    engines = [other for other, actor in state.actors.items() if actor.role == ANALYSIS]
    others = [other for other in engines if other != name and other not in state.lost]
    in_time = state.stage in OPEN and state.restarts.policy.get(ANALYSIS) != "fail"
    return in_time and name in engines and state.actors[name].joined and bool(others)


def _lose(state: State, name: str, why: str) -> Decision:
    """Go on without a strategy's engine; the coordinator learns of it as soon as it listens."""
    state = step(state, name, ActorEvent.SILENT)
    state = replace(state, lost={**state.lost, name: why})
    actions: list[Action] = [Note("ERROR", f"{why}; the run goes on without it")]
    if name not in state.gone:
        actions.append(Kill(name))
    if state.stage is not Stage.STARTING:
        actions.append(drop(name, why))
    return state, actions


def drop(name: str, why: str) -> Tell:
    """Have the coordinator wait for an engine no more."""
    return Tell(COORDINATOR, Drop(name, why))


def kill_all(state: State) -> Decision:
    """Kill whoever is left; where nobody is, the run is over."""
    left = list(alive(state))
    for name in {*left, *waiting_to_start(state)}:
        event = ActorEvent.SILENT if _is_blamed(state, name) else ActorEvent.STOP_SENT
        state = step(state, name, event)
    told: list[Action] = []
    if not left:
        return replace(state, stage=Stage.OVER), [*guests.farewell(state, "the run has ended early")]
    if state.stage is not Stage.KILLING:
        state = replace(state, stage=Stage.KILLING, deadline_ns=state.now_ns + ns(KILL_S))
        told = guests.farewell(state, "the run has ended early")
    return state, [*(Kill(name) for name in left), *told]


def _is_blamed(state: State, name: str) -> bool:
    return state.trouble is not None and state.trouble.actor == name
