"""A process that is attached to a run, as its supervisor knows it."""

from dataclasses import dataclass

from protocol.lifecycle import ActorState


@dataclass(frozen=True)
class Guest:
    """Somebody attached: watched like an actor, never started, never killed."""

    process: str
    """The process on `command`: its name and a number."""
    pid: int
    member: bool
    seen_ns: int
    state: ActorState = ActorState.SPAWNED
    ended: bool = False
    """Whether its process has ended without a word so far."""
    fate: str = ""
    """How it parted from the run; empty as long as it takes part."""

    @property
    def role(self) -> str:
        """What it is called in `status`."""
        return "attached" if self.member else "observer"
