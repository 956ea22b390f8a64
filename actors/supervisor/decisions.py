"""What the supervisor does about what it learns: `decide(state, event)` is pure, somebody else acts.

1. The coordinator binds before it greets, so everyone else is told to connect once it has greeted.
2. An actor that was killed or has stalled is started again, within limits (`restarts`). What follows is for
   trouble that a restart does not cure.
3. The first trouble (`trouble`) is the run's: what dies after it is a consequence. It kills everyone at once;
   what was published is in the journal. An actor's own words explain its exit, even where they are heard
   later. But a strategy's engine that has joined is dropped, and killed where it still runs, as long as the
   run has another one: the coordinator waits for it no more, and the run goes on to its end and fails then.
4. An interrupt drains: the coordinator ends the run between two windows. A second one kills (`steering`).
5. Nobody is told to stop before the coordinator has given its verdict, and exit 0 before that is a failure.
   Once it is given everything is on the disk, so that nobody's death matters any more; who does not stop
   then is killed, and the run is what the verdict says.
6. Every wait has a deadline: joining, draining, stopping, killing, and each actor's silence. Time in which
   the supervisor itself did not run, stopped by Ctrl-Z or a terminal that takes no more, counts for nobody.
7. What a client asks of the clock is the coordinator's to judge, and only while the run goes on; to stop is
   an interrupt. How the clock is to go is remembered, for a coordinator that starts again (`steering`).
8. Whom a deadline is about to blame is asked for its stack shortly before. A process that even a kill does
   not end is named and left behind.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from actors.domain.exit_codes import ExitCode
from actors.domain.session_plan import Restarts
from actors.supervisor import guests
from actors.supervisor.events import (
    Action,
    Answered,
    Asked,
    Complained,
    Concluded,
    Event,
    Examined,
    Exited,
    Greeted,
    Interrupted,
    Joined,
    Note,
    Seen,
    Steered,
    Tell,
    Ticked,
)
from actors.supervisor.restarts import JOIN_S, start_due
from actors.supervisor.run_state import (
    AWAKE,
    COORDINATOR,
    NO_RESTARTS,
    OPEN,
    Decision,
    Stage,
    State,
    Trouble,
    Watched,
    alive,
    ns,
    step,
    waiting_to_start,
    with_actor,
)
from actors.supervisor.silence import ask_for_stacks, excuse, find_silent
from actors.supervisor.steering import DRAIN_S, on_answered, on_interrupted, on_steered, steering_again
from actors.supervisor.trouble import KILL_S, drop, in_need, in_trouble, kill_all
from actors.supervisor.wanted import Wanted
from protocol.lifecycle import ActorEvent, ActorState
from protocol.messages import Connect, Stop

STOP_S: Final = 10.0
_STOP: Final = Stop("the run is over")


def begin(
    roles: Mapping[str, str],
    now_ns: int,
    stall_s: float,
    restarts: Restarts = NO_RESTARTS,
    *,
    epoch: int = 0,
    paused: bool = False,
) -> State:
    """Make the state of a run whose actors were just spawned, all in the same epoch.

    Its clock may wait to be told to go.
    """
    actors = {
        name: Watched(role, seen_ns=now_ns, busy_ns=now_ns, epoch=epoch) for name, role in roles.items()
    }
    deadline_ns = now_ns + ns(JOIN_S)
    wanted = Wanted(steered=paused, paused=paused)
    return State(
        actors, now_ns, stall_s, deadline_ns=deadline_ns, restarts=restarts, epoch=epoch, wanted=wanted
    )


def decide(state: State, event: Event) -> Decision:
    """Say what follows from an event."""
    if isinstance(event, Asked) or getattr(event, "actor", None) in state.guests:
        return guests.decide(state, event)
    rule = _RULES.get(type(event))
    return (state, []) if rule is None else rule(state, event)


def _on_greeted(state: State, event: Greeted) -> Decision:
    state = step(state, event.actor, ActorEvent.HELLO)
    state = with_actor(state, event.actor, pid=event.pid, seen_ns=state.now_ns)
    coordinator = state.actors[COORDINATOR]
    if state.stage is Stage.STOPPING and event.actor not in state.gone:
        return state, [Tell(event.actor, _STOP)]
    if coordinator.state not in AWAKE or state.stage not in OPEN:
        return state, []
    if event.actor != COORDINATOR:
        return state, [Tell(event.actor, Connect(coordinator.epoch))]
    greeted = (name for name, actor in state.actors.items() if actor.state is ActorState.GREETED)
    actions = [Tell(name, Connect(coordinator.epoch)) for name in greeted if name != COORDINATOR]
    state, more = guests.connect_all(state)
    return state, [*actions, *more]


def _on_joined(state: State, event: Joined) -> Decision:
    state = step(state, event.actor, ActorEvent.ATTACHED)
    state = with_actor(state, event.actor, seen_ns=state.now_ns, joined=True)
    if state.stage is not Stage.STARTING or _missing(state):
        return state, []
    told: list[Action] = [drop(name, why) for name, why in state.lost.items()]
    if state.interrupts:
        told.append(Tell(COORDINATOR, Stop("interrupted")))
    if state.actors[COORDINATOR].ends_ns:
        told += steering_again(state)
    state = replace(state, stage=Stage.DRAINING if state.interrupts else Stage.RUNNING)
    return state, [Note("INFO", "All actors have joined"), *told]


def _missing(state: State) -> list[str]:
    """Name those that have not joined yet."""
    return [
        name
        for name, actor in state.actors.items()
        if actor.state is not ActorState.RUNNING and name not in state.lost
    ]


def _on_seen(state: State, event: Seen) -> Decision:
    return with_actor(state, event.actor, seen_ns=state.now_ns, busy_ns=state.now_ns, finding=""), []


def _on_concluded(state: State, event: Concluded) -> Decision:
    state = replace(state, finished=event.finished)
    return (state, []) if state.stage in (Stage.KILLING, Stage.OVER) else _stop_all(state)


def _stop_all(state: State) -> Decision:
    """Ask everyone to stop; whoever was about to be started again is not."""
    alive = [name for name, actor in state.actors.items() if actor.is_alive]
    for name in [*alive, *waiting_to_start(state)]:
        state = step(state, name, ActorEvent.STOP_SENT)
    stage = Stage.OVER if state.gone == frozenset(state.actors) else Stage.STOPPING
    state = replace(state, stage=stage, deadline_ns=state.now_ns + ns(STOP_S))
    told = [Tell(name, _STOP) for name in alive]
    return state, [*told, *guests.farewell(state, "the run is over")]


def _on_complained(state: State, event: Complained) -> Decision:
    trouble = Trouble(event.actor, event.exit_code, event.reason)
    if event.actor in state.lost:
        return _explain(state, trouble)
    if state.trouble is not None and state.trouble.actor == event.actor and event.actor in state.gone:
        return replace(state, trouble=trouble), [Note("ERROR", event.reason)]
    return in_trouble(state, trouble)


def _explain(state: State, trouble: Trouble) -> Decision:
    """Let the words of a lost engine stand for how its process ended, where that was known before them."""
    if trouble.actor not in state.gone:
        return state, []
    lost = {name: trouble.reason if name == trouble.actor else why for name, why in state.lost.items()}
    return replace(state, lost=lost), [Note("ERROR", trouble.reason)]


def _on_exited(state: State, event: Exited) -> Decision:
    before = state.actors[event.actor]
    state = step(state, event.actor, ActorEvent.DIED if event.code else ActorEvent.EXITED_CLEANLY)
    state = replace(state, gone=state.gone | {event.actor})
    actions: list[Action] = []
    if state.finished is not None and state.stage is Stage.STOPPING:
        state = with_actor(state, event.actor, state=ActorState.EXITED)
    elif before.state is ActorState.RESTARTING:
        return start_due(state)
    elif _has_failed(state, event.actor, before) and event.code < 0:
        state, actions = in_need(state, event.actor, f"{event.actor} {_ending(event.code)}")
    elif _has_failed(state, event.actor, before):
        reason = f"{event.actor} {_ending(event.code)}"
        known = event.code == ExitCode.DATA_MISSING
        exit_code = ExitCode.DATA_MISSING if known else ExitCode.ACTOR_FAILED
        state, actions = in_trouble(state, Trouble(event.actor, exit_code, reason))
    if state.gone == frozenset(state.actors) and not waiting_to_start(state):
        state = replace(state, stage=Stage.OVER)
    return state, actions


def _has_failed(state: State, name: str, before: Watched) -> bool:
    return state.actors[name].state is ActorState.FAILED and before.state is not ActorState.FAILED


def _on_examined(state: State, event: Examined) -> Decision:
    return with_actor(state, event.actor, finding=event.finding), []


def _on_ticked(state: State, event: Ticked) -> Decision:
    state = excuse(state, event.now_ns - state.now_ns)
    state = replace(state, now_ns=event.now_ns)
    for name, cpu_ns in event.cpu_ns.items():
        if cpu_ns > state.actors[name].cpu_ns:
            state = with_actor(state, name, cpu_ns=cpu_ns, busy_ns=event.now_ns)
    if state.stage is Stage.KILLING:
        return (_abandon(state), []) if event.now_ns > state.deadline_ns else (state, [])
    state, started = start_due(state)
    state, dumps = ask_for_stacks(state, _missing(state))
    if dumps:
        return state, [*started, *dumps]
    overdue = event.now_ns > state.deadline_ns
    state, actions = _on_time_up(state) if overdue else _look_for_silence(state)
    state, parted = guests.look_for_guests(state)
    return state, [*started, *actions, *parted]


def _abandon(state: State) -> State:
    """End without those that cannot be killed, and name them."""
    left = ", ".join(f"{name} (pid {state.actors[name].pid or 'unknown'})" for name in alive(state))
    held = "it" if len(state.actors) == len(state.gone) + 1 else "them"
    what = f"{left} did not end within {KILL_S:g} s of being killed: the kernel holds {held}"
    known = state.trouble or Trouble(None, state.exit_code or ExitCode.ACTOR_FAILED, "")
    reason = f"{known.reason}; {what}" if known.reason else what
    return replace(state, stage=Stage.OVER, trouble=replace(known, reason=reason))


def _on_time_up(state: State) -> Decision:
    """Say who has missed the stage's deadline, and what follows."""
    if state.stage is Stage.STARTING:
        return _on_nobody_joined(state)
    if state.stage is Stage.DRAINING:
        what = f"the windows in flight were not handled within {DRAIN_S:g} s of the interrupt"
        return in_trouble(state, Trouble(None, ExitCode.INTERRUPTED, what))
    if state.stage is Stage.STOPPING:
        note = Note("WARNING", f"{', '.join(alive(state))} did not stop within {STOP_S:g} s: killed")
        state, actions = kill_all(state)
        return state, [note, *actions]
    return _look_for_silence(state)


def _on_nobody_joined(state: State) -> Decision:
    """Start whoever holds the others up again; the coordinator joins last, so it is asked last."""
    missing = sorted(
        _missing(state), key=lambda name: (name == COORDINATOR, state.actors[name].pid is not None)
    )
    why = f"{', '.join(_missing(state))} did not join within {JOIN_S:g} s"
    state, actions = in_need(state, missing[0], why)
    return replace(state, deadline_ns=state.now_ns + ns(JOIN_S)), actions


def _look_for_silence(state: State) -> Decision:
    """Replace who has been silent for too long; one that is only busy would be so again."""
    found = find_silent(state)
    if found is None:
        return state, []
    if found.is_stalled:
        return in_need(state, found.actor, found.reason)
    return in_trouble(state, Trouble(found.actor, ExitCode.ACTOR_FAILED, found.reason))


def _ending(code: int) -> str:
    """Say how a process ended."""
    if code < 0:
        return f"was killed by signal {-code}"
    return f"exited with code {code}" if code else "exited before it was asked to"


_RULES: Final[Mapping[type[Any], Callable[[State, Any], Decision]]] = {
    Greeted: _on_greeted,
    Joined: _on_joined,
    Seen: _on_seen,
    Concluded: _on_concluded,
    Complained: _on_complained,
    Examined: _on_examined,
    Exited: _on_exited,
    Interrupted: on_interrupted,
    Ticked: _on_ticked,
    Steered: on_steered,
    Answered: on_answered,
}
