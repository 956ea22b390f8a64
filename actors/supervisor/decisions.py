"""What the supervisor does about what it learns: `decide(state, event)` is pure, somebody else acts.

1. The coordinator binds before it greets, so everyone else is told to connect once it has greeted.
2. The first trouble is the run's: what dies after it is a consequence. Trouble kills everyone at once; what
   was published is in the journal. An actor's own words explain its exit, even where they are heard later.
   But a strategy's engine that has joined is dropped, and killed where it still runs, as long as the run has
   another one: the coordinator waits for it no more, and the run goes on to its end and fails then.
3. An interrupt drains: the coordinator ends the run between two windows. A second one kills.
4. Nobody is told to stop before the coordinator has given its verdict, and exit 0 before that is a failure.
5. Every wait has a deadline: joining, draining, stopping, killing, and each actor's silence. Time in which
   the supervisor itself did not run, stopped by Ctrl-Z or a terminal that takes no more, counts for nobody.
6. Whom a deadline is about to blame is asked for its stack shortly before. A process that even a kill does
   not end is named and left behind.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from actors.domain.exit_codes import ExitCode
from actors.supervisor.events import (
    Action,
    Complained,
    Concluded,
    Dump,
    Event,
    Examined,
    Exited,
    Greeted,
    Interrupted,
    Joined,
    Kill,
    Note,
    Seen,
    Tell,
    Ticked,
)
from protocol.lifecycle import ACTOR_TRANSITIONS, ActorEvent, ActorState
from protocol.messages import Connect, Drop, Finished, Stop

JOIN_S: Final = 60.0
DRAIN_S: Final = 30.0
STOP_S: Final = 10.0
KILL_S: Final = 10.0
DUMP_S: Final = 0.5
"""How long before its deadline a silent actor is asked for its stack."""
BUSY_FACTOR: Final = 10
"""A silent actor that uses its processor is busy, not stalled; it may be silent this much longer."""
ABSENT_S: Final = 5.0
"""Ticks come a few times a second; between two that are further apart the supervisor did not run."""
COORDINATOR: Final = "coordinator"
ANALYSIS: Final = "analysis"


class Stage(StrEnum):
    """Where a run is, for its supervisor."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"
    KILLING = "killing"
    OVER = "over"


@dataclass(frozen=True)
class Watched:
    """One actor as the supervisor knows it."""

    role: str
    state: ActorState = ActorState.SPAWNED
    pid: int | None = None
    seen_ns: int = 0
    busy_ns: int = 0
    """When it last used its processor."""
    cpu_ns: int = 0
    joined: bool = False
    """Whether it has joined the pipeline, now or before."""
    dumped_ns: int = 0
    """When it was last asked for its stack."""
    finding: str = ""
    """What its process was doing then, where the system knows."""

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs, as far as is known."""
        return self.state not in (ActorState.EXITED, ActorState.FAILED)


@dataclass(frozen=True)
class Trouble:
    """Why a run failed."""

    actor: str | None
    exit_code: int
    reason: str


@dataclass(frozen=True)
class State:
    """Everything that a decision depends on."""

    actors: Mapping[str, Watched]
    now_ns: int
    stall_s: float
    deadline_ns: int
    stage: Stage = Stage.STARTING
    interrupts: int = 0
    finished: Finished | None = None
    trouble: Trouble | None = None
    gone: frozenset[str] = field(default=frozenset())
    """Actors whose process has ended."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """Strategies' engines that the run went on without, and why."""

    @property
    def exit_code(self) -> int:
        """What the run ends with, as things stand."""
        if self.trouble is not None:
            return self.trouble.exit_code
        complete = self.finished is not None and not self.finished.interrupted
        if self.interrupts and not complete:
            return ExitCode.INTERRUPTED
        return ExitCode.ACTOR_FAILED if self.lost or has_failures(self.finished) else ExitCode.DONE


Decision = tuple[State, list[Action]]


def has_failures(finished: Finished | None) -> bool:
    """Whether a strategy was stopped because it raised."""
    return finished is not None and any(verdict.failure for verdict in finished.verdicts.values())


def begin(roles: Mapping[str, str], now_ns: int, stall_s: float) -> State:
    """Make the state of a run whose actors were just spawned."""
    actors = {name: Watched(role, seen_ns=now_ns, busy_ns=now_ns) for name, role in roles.items()}
    return State(actors, now_ns, stall_s, deadline_ns=now_ns + _ns(JOIN_S))


def decide(state: State, event: Event) -> Decision:
    """Say what follows from an event."""
    return _RULES[type(event)](state, event)


def _on_greeted(state: State, event: Greeted) -> Decision:
    state = _step(state, event.actor, ActorEvent.HELLO)
    state = _with_actor(state, event.actor, pid=event.pid, seen_ns=state.now_ns)
    if state.actors[COORDINATOR].state is ActorState.SPAWNED or state.stage is not Stage.STARTING:
        return state, []
    greeted = (name for name, actor in state.actors.items() if actor.state is ActorState.GREETED)
    told = greeted if event.actor == COORDINATOR else (event.actor,)
    return state, [Tell(name, Connect()) for name in told if name != COORDINATOR]


def _on_joined(state: State, event: Joined) -> Decision:
    state = _step(state, event.actor, ActorEvent.ATTACHED)
    state = _with_actor(state, event.actor, seen_ns=state.now_ns, joined=True)
    if state.stage is not Stage.STARTING or _missing(state):
        return state, []
    drops = [_drop(name, why) for name, why in state.lost.items()]
    return replace(state, stage=Stage.RUNNING), [Note("INFO", "All actors have joined"), *drops]


def _missing(state: State) -> list[str]:
    """Name those that have not joined yet."""
    return [
        name
        for name, actor in state.actors.items()
        if actor.state is not ActorState.RUNNING and name not in state.lost
    ]


def _on_seen(state: State, event: Seen) -> Decision:
    return _with_actor(state, event.actor, seen_ns=state.now_ns, busy_ns=state.now_ns, finding=""), []


def _on_concluded(state: State, event: Concluded) -> Decision:
    state = replace(state, finished=event.finished)
    return (state, []) if state.stage in (Stage.KILLING, Stage.OVER) else _stop_all(state)


def _stop_all(state: State) -> Decision:
    alive = [name for name, actor in state.actors.items() if actor.is_alive]
    for name in alive:
        state = _step(state, name, ActorEvent.STOP_SENT)
    state = replace(state, stage=Stage.STOPPING, deadline_ns=state.now_ns + _ns(STOP_S))
    return state, [Tell(name, Stop("the run is over")) for name in alive]


def _on_complained(state: State, event: Complained) -> Decision:
    trouble = Trouble(event.actor, event.exit_code, event.reason)
    if event.actor in state.lost:
        return _explain(state, trouble)
    if state.trouble is not None and state.trouble.actor == event.actor and event.actor in state.gone:
        return replace(state, trouble=trouble), [Note("ERROR", event.reason)]
    return _in_trouble(state, trouble)


def _explain(state: State, trouble: Trouble) -> Decision:
    """Let the words of a lost engine stand for how its process ended, where that was known before them."""
    if trouble.actor not in state.gone:
        return state, []
    lost = {name: trouble.reason if name == trouble.actor else why for name, why in state.lost.items()}
    return replace(state, lost=lost), [Note("ERROR", trouble.reason)]


def _on_exited(state: State, event: Exited) -> Decision:
    clean = event.code == 0
    before = state.actors[event.actor].state
    state = _step(state, event.actor, ActorEvent.EXITED_CLEANLY if clean else ActorEvent.DIED)
    state = replace(state, gone=state.gone | {event.actor})
    actions: list[Action] = []
    if state.actors[event.actor].state is ActorState.FAILED and before is not ActorState.FAILED:
        reason = f"{event.actor} {_ending(event.code)}"
        known = event.code == ExitCode.DATA_MISSING
        exit_code = ExitCode.DATA_MISSING if known else ExitCode.ACTOR_FAILED
        state, actions = _in_trouble(state, Trouble(event.actor, exit_code, reason))
    if state.gone == frozenset(state.actors):
        state = replace(state, stage=Stage.OVER)
    return state, actions


def _on_interrupted(state: State, _: Interrupted) -> Decision:
    if state.stage is Stage.OVER:
        return state, []
    state = replace(state, interrupts=state.interrupts + 1)
    if state.stage is Stage.RUNNING:
        state = replace(state, stage=Stage.DRAINING, deadline_ns=state.now_ns + _ns(DRAIN_S))
        return state, [
            Note("WARNING", "Interrupted: draining; interrupt again to kill"),
            Tell(COORDINATOR, Stop("interrupted")),
        ]
    if state.stage is Stage.STOPPING and state.interrupts == 1:
        return state, []
    return _kill_all(state)


def _on_examined(state: State, event: Examined) -> Decision:
    return _with_actor(state, event.actor, finding=event.finding), []


def _on_ticked(state: State, event: Ticked) -> Decision:
    state = _excuse(state, event.now_ns - state.now_ns)
    state = replace(state, now_ns=event.now_ns)
    for name, cpu_ns in event.cpu_ns.items():
        if cpu_ns > state.actors[name].cpu_ns:
            state = _with_actor(state, name, cpu_ns=cpu_ns, busy_ns=event.now_ns)
    if state.stage is Stage.KILLING:
        return (_abandon(state), []) if event.now_ns > state.deadline_ns else (state, [])
    state, dumps = _dump(state)
    trouble = _late(state) if event.now_ns > state.deadline_ns else _silent(state)
    return (state, dumps) if dumps or trouble is None else _in_trouble(state, trouble)


def _dump(state: State) -> Decision:
    """Ask those for their stacks whose deadline is near; each once per deadline, and before it is blamed."""
    actions: list[Action] = []
    for name, deadline_ns in _deadlines(state).items():
        due_ns = deadline_ns - _ns(DUMP_S)
        if state.now_ns > due_ns >= state.actors[name].dumped_ns:
            state = _with_actor(state, name, dumped_ns=state.now_ns, finding="")
            actions.append(Dump(name))
    return state, actions


def _deadlines(state: State) -> dict[str, int]:
    """Say of everyone who is waited for until when."""
    if state.stage is Stage.STARTING:
        return dict.fromkeys((name for name in _missing(state) if name not in state.gone), state.deadline_ns)
    if state.stage is Stage.STOPPING:
        return dict.fromkeys(alive(state), state.deadline_ns)
    if state.stage not in (Stage.RUNNING, Stage.DRAINING):
        return {}
    stall_ns = _ns(state.stall_s)
    return {
        name: min(max(actor.seen_ns, actor.busy_ns), actor.seen_ns + (BUSY_FACTOR - 1) * stall_ns) + stall_ns
        for name, actor in state.actors.items()
        if name not in state.lost and name not in state.gone
    }


def _abandon(state: State) -> State:
    """End without those that cannot be killed, and name them."""
    left = ", ".join(f"{name} (pid {state.actors[name].pid or 'unknown'})" for name in alive(state))
    held = "it" if len(state.actors) == len(state.gone) + 1 else "them"
    what = f"{left} did not end within {KILL_S:g} s of being killed: the kernel holds {held}"
    known = state.trouble or Trouble(None, state.exit_code or ExitCode.ACTOR_FAILED, "")
    reason = f"{known.reason}; {what}" if known.reason else what
    return replace(state, stage=Stage.OVER, trouble=replace(known, reason=reason))


def _excuse(state: State, passed_ns: int) -> State:
    """Count nobody's silence, and no deadline, while the supervisor was absent."""
    if passed_ns <= _ns(ABSENT_S):
        return state
    actors = {
        name: replace(actor, seen_ns=actor.seen_ns + passed_ns, busy_ns=actor.busy_ns + passed_ns)
        for name, actor in state.actors.items()
    }
    return replace(state, actors=actors, deadline_ns=state.deadline_ns + passed_ns)


def _late(state: State) -> Trouble | None:
    """Say who has missed the stage's deadline."""
    if state.stage is Stage.STARTING:
        missing = _missing(state)
        what = f"{', '.join(missing)} did not join within {JOIN_S:g} s"
        return Trouble(missing[0], ExitCode.ACTOR_FAILED, what)
    if state.stage is Stage.DRAINING:
        what = f"the windows in flight were not handled within {DRAIN_S:g} s of the interrupt"
        return Trouble(None, ExitCode.INTERRUPTED, what)
    if state.stage is Stage.STOPPING:
        left = [name for name in state.actors if name not in state.gone]
        what = f"{', '.join(left)} did not stop within {STOP_S:g} s"
        return Trouble(left[0], ExitCode.ACTOR_FAILED, what)
    return _silent(state)


def _silent(state: State) -> Trouble | None:
    """Say who has been silent for too long."""
    if state.stage not in (Stage.RUNNING, Stage.DRAINING):
        return None
    for name, actor in state.actors.items():
        if name in state.lost:
            continue
        silent_s = (state.now_ns - actor.seen_ns) / 1e9
        idle_s = (state.now_ns - actor.busy_ns) / 1e9
        if silent_s > state.stall_s and (idle_s > state.stall_s or silent_s > BUSY_FACTOR * state.stall_s):
            how = "stalled" if idle_s > state.stall_s else "busy with one window"
            finding = f"; {actor.finding}" if actor.finding else ""
            reason = f"{name} is {how}: no heartbeat for {silent_s:.1f} s{finding}"
            return Trouble(name, ExitCode.ACTOR_FAILED, reason)
    return None


def _in_trouble(state: State, trouble: Trouble) -> Decision:
    """Keep the first trouble and kill everyone; later ones are its consequences."""
    if state.stage in (Stage.KILLING, Stage.OVER):
        return state, []
    if trouble.actor is not None and _is_dispensable(state, trouble.actor):
        return _lose(state, trouble.actor, trouble.reason)
    state, actions = _kill_all(replace(state, trouble=state.trouble or trouble))
    return state, [Note("ERROR", trouble.reason), *actions]


def _is_dispensable(state: State, name: str) -> bool:
    """Whether the run can go on without an actor: a strategy's engine beside another one."""
    engines = [other for other, actor in state.actors.items() if actor.role == ANALYSIS]
    others = [other for other in engines if other != name and other not in state.lost]
    in_time = state.stage in (Stage.STARTING, Stage.RUNNING, Stage.DRAINING)
    return in_time and name in engines and state.actors[name].joined and bool(others)


def _lose(state: State, name: str, why: str) -> Decision:
    """Go on without a strategy's engine; the coordinator learns of it as soon as it listens."""
    state = _step(state, name, ActorEvent.SILENT)
    state = replace(state, lost={**state.lost, name: why})
    actions: list[Action] = [Note("ERROR", f"{why}; the run goes on without it")]
    if name not in state.gone:
        actions.append(Kill(name))
    if state.stage is not Stage.STARTING:
        actions.append(_drop(name, why))
    return state, actions


def _drop(name: str, why: str) -> Tell:
    return Tell(COORDINATOR, Drop(name, why))


def _kill_all(state: State) -> Decision:
    left = [name for name in state.actors if name not in state.gone]
    for name in left:
        event = ActorEvent.SILENT if _is_blamed(state, name) else ActorEvent.STOP_SENT
        state = _step(state, name, event)
    if state.stage is not Stage.KILLING:
        state = replace(state, stage=Stage.KILLING, deadline_ns=state.now_ns + _ns(KILL_S))
    return state, [Kill(name) for name in left]


def _is_blamed(state: State, name: str) -> bool:
    return state.trouble is not None and state.trouble.actor == name


def _step(state: State, name: str, event: ActorEvent) -> State:
    """Move an actor along its table; where it has no such step, it stays."""
    actor = state.actors[name]
    if state.stage is Stage.KILLING and event is ActorEvent.DIED and actor.state is ActorState.STOPPING:
        return _with_actor(state, name, state=ActorState.EXITED)
    return _with_actor(state, name, state=ACTOR_TRANSITIONS.get((actor.state, event), actor.state))


def _with_actor(run: State, name: str, **changes: Any) -> State:  # noqa: ANN401
    return replace(run, actors={**run.actors, name: replace(run.actors[name], **changes)})


def _ending(code: int) -> str:
    """Say how a process ended."""
    if code < 0:
        return f"was killed by signal {-code}"
    return f"exited with code {code}" if code else "exited before it was asked to"


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def alive(state: State) -> Iterator[str]:
    """Name the actors whose process has not ended."""
    return (name for name in state.actors if name not in state.gone)


_RULES: Final[Mapping[type[Any], Callable[[State, Any], Decision]]] = {
    Greeted: _on_greeted,
    Joined: _on_joined,
    Seen: _on_seen,
    Concluded: _on_concluded,
    Complained: _on_complained,
    Examined: _on_examined,
    Exited: _on_exited,
    Interrupted: _on_interrupted,
    Ticked: _on_ticked,
}
