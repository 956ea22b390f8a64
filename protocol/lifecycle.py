"""The six phases of a session and the states of an actor, each as a table of legal steps."""

from enum import IntEnum, StrEnum
from typing import Final


class Phase(IntEnum):
    """Where the coordinator is within a session."""

    INITIALIZATION = 1
    HISTORICAL_MANAGEMENT = 2
    QUEUE_LOADING = 3
    SESSION_ACTIVATION = 4
    STREAMING = 5
    END_OF_SESSION = 6

    @property
    def title(self) -> str:
        """The words of the log line."""
        return _TITLES[self]


_TITLES: Final = {
    Phase.INITIALIZATION: "Initialization",
    Phase.HISTORICAL_MANAGEMENT: "Historical Management",
    Phase.QUEUE_LOADING: "Queue Loading",
    Phase.SESSION_ACTIVATION: "Session Activation",
    Phase.STREAMING: "Streaming",
    Phase.END_OF_SESSION: "End-of-Session",
}


class PhaseEnd(StrEnum):
    """Why a phase is over."""

    DONE = "done"
    NEXT_SESSION = "next_session"


PHASE_TRANSITIONS: Final = {
    (Phase.INITIALIZATION, PhaseEnd.DONE): Phase.HISTORICAL_MANAGEMENT,
    (Phase.HISTORICAL_MANAGEMENT, PhaseEnd.DONE): Phase.QUEUE_LOADING,
    (Phase.QUEUE_LOADING, PhaseEnd.DONE): Phase.SESSION_ACTIVATION,
    (Phase.SESSION_ACTIVATION, PhaseEnd.DONE): Phase.STREAMING,
    (Phase.STREAMING, PhaseEnd.DONE): Phase.END_OF_SESSION,
    (Phase.END_OF_SESSION, PhaseEnd.NEXT_SESSION): Phase.INITIALIZATION,
}


class ActorState(StrEnum):
    """What the supervisor knows of an actor."""

    SPAWNED = "spawned"
    """Its process was started."""
    GREETED = "greeted"
    """It said hello; it waits for the coordinator's sockets."""
    RUNNING = "running"
    """It has joined the pipeline."""
    STOPPING = "stopping"
    """It was asked to stop."""
    EXITED = "exited"
    """It left with code 0 after it was asked to."""
    FAILED = "failed"
    """It left in any other way, or fell silent."""
    RESTARTING = "restarting"
    """Its process ended or is to end; another one is about to take its place."""


class ActorEvent(StrEnum):
    """What the supervisor learns of an actor."""

    HELLO = "hello"
    ATTACHED = "attached"
    STOP_SENT = "stop_sent"
    EXITED_CLEANLY = "exited_cleanly"
    DIED = "died"
    SILENT = "silent"
    REPLACED = "replaced"
    STARTED = "started"


_ALIVE: Final = (
    ActorState.SPAWNED,
    ActorState.GREETED,
    ActorState.RUNNING,
    ActorState.STOPPING,
)
ACTOR_TRANSITIONS: Final = (
    {
        (ActorState.SPAWNED, ActorEvent.HELLO): ActorState.GREETED,
        (ActorState.GREETED, ActorEvent.ATTACHED): ActorState.RUNNING,
        (ActorState.STOPPING, ActorEvent.HELLO): ActorState.STOPPING,
        (ActorState.STOPPING, ActorEvent.ATTACHED): ActorState.STOPPING,
        (ActorState.STOPPING, ActorEvent.EXITED_CLEANLY): ActorState.EXITED,
        (ActorState.FAILED, ActorEvent.REPLACED): ActorState.RESTARTING,
        (ActorState.RESTARTING, ActorEvent.STARTED): ActorState.SPAWNED,
        (ActorState.RESTARTING, ActorEvent.STOP_SENT): ActorState.EXITED,
        (ActorState.RESTARTING, ActorEvent.SILENT): ActorState.FAILED,
    }
    | {(state, ActorEvent.REPLACED): ActorState.RESTARTING for state in _ALIVE}
    | {(state, ActorEvent.STOP_SENT): ActorState.STOPPING for state in _ALIVE}
    | {(state, ActorEvent.DIED): ActorState.FAILED for state in _ALIVE}
    | {(state, ActorEvent.SILENT): ActorState.FAILED for state in _ALIVE}
    | {
        (state, ActorEvent.EXITED_CLEANLY): ActorState.FAILED
        for state in _ALIVE
        if state is not ActorState.STOPPING
    }
)
"""Exit 0 before being asked to stop is a failure: nothing may end early in silence."""
