"""What the supervisor knows of a run. Everything that a decision depends on is here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from actors.domain.exit_codes import ExitCode
from actors.domain.session_plan import Restarts
from actors.supervisor.events import Action
from actors.supervisor.guest import Guest
from actors.supervisor.wanted import Wanted
from protocol.lifecycle import ACTOR_TRANSITIONS, ActorEvent, ActorState
from protocol.messages import Finished

NO_RESTARTS: Final = Restarts(limit=0)
NOBODY: Final[Mapping[str, str]] = {}
"""No strategy's engine was lost."""
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
    epoch: int = 0
    """Of its process."""
    ends_ns: tuple[int, ...] = ()
    """When processes of it ended that were replaced."""
    start_at_ns: int = 0
    """Where it is to be started again: when."""

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs, as far as is known."""
        return self.state not in (ActorState.EXITED, ActorState.FAILED, ActorState.RESTARTING)


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
    wanted: Wanted = field(default=Wanted())
    """How the clock is to go."""
    restarts: Restarts = NO_RESTARTS
    epoch: int = 0
    """The last one that a process was given."""
    guests: Mapping[str, Guest] = field(default_factory=dict)
    """Processes that are attached, or were."""

    @property
    def restarted(self) -> int:
        """How often an actor was started again."""
        return sum(len(actor.ends_ns) for actor in self.actors.values())

    @property
    def exit_code(self) -> int:
        """What the run ends with, as things stand."""
        if self.trouble is not None:
            return self.trouble.exit_code
        complete = self.finished is not None and not self.finished.interrupted
        if self.interrupts and not complete:
            return ExitCode.INTERRUPTED
        return ExitCode.ACTOR_FAILED if self.lost or has_failures(self.finished) else ExitCode.DONE


OPEN: Final = (Stage.STARTING, Stage.RUNNING, Stage.DRAINING)
"""The stages in which the run has still to come to its end."""
AWAKE: Final = (ActorState.GREETED, ActorState.RUNNING)
"""The states of an actor whose process hears what it is told, and of which heartbeats come."""
Decision = tuple[State, list[Action]]


def has_failures(finished: Finished | None) -> bool:
    """Whether a strategy was stopped because it raised."""
    return finished is not None and any(verdict.failure for verdict in finished.verdicts.values())


def is_current(state: State, name: str, epoch: int) -> bool:
    """Whether a process of this epoch is the one that now stands for an actor; others are dead and late."""
    return name in state.actors and state.actors[name].epoch == epoch


def ns(seconds: float) -> int:
    """Turn seconds into nanoseconds."""
    return round(seconds * 1e9)


def step(state: State, name: str, event: ActorEvent) -> State:
    """Move an actor along its table; where it has no such step, it stays."""
    actor = state.actors[name]
    if state.stage is Stage.KILLING and event is ActorEvent.DIED and actor.state is ActorState.STOPPING:
        return with_actor(state, name, state=ActorState.EXITED)
    return with_actor(state, name, state=ACTOR_TRANSITIONS.get((actor.state, event), actor.state))


def without(run: State, lost: Mapping[str, str]) -> State:
    """Begin without strategies' engines that an earlier life of the run had lost."""
    for name in lost:
        run = with_actor(run, name, state=ActorState.FAILED)
    return replace(run, gone=frozenset(lost), lost=lost)


def alive(state: State) -> Iterator[str]:
    """Name the actors whose process has not ended."""
    return (name for name in state.actors if name not in state.gone)


def waiting_to_start(state: State) -> list[str]:
    """Name those of whom a new process is about to be started."""
    return [name for name, actor in state.actors.items() if actor.state is ActorState.RESTARTING]


def with_actor(run: State, name: str, **changes: Any) -> State:  # noqa: ANN401
    """Change what is known of an actor."""
    return replace(run, actors={**run.actors, name: replace(run.actors[name], **changes)})
