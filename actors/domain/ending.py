"""The end of a run, in order: members leave, the recorder finishes, the verdict is given. Each once.

1. When the last window has landed, members and both stage-1 actors are told, and say what they handled.
2. When all of them have left, nothing is published any more, and the recorder is told.
3. When the recorder has left too, the run is over.
4. An actor that is dropped holds nothing up, whether it has left or not.
5. One that is let in, for the first time or in a new process, is waited for as long as its turn is not over;
   after that it may leave once more, and nobody waits for it.
"""

from collections.abc import Iterable
from enum import IntEnum

from actors.domain.roles import RoleError


class Step(IntEnum):
    """How far the end has come."""

    OPEN = 0
    LEAVING = 1
    RECORDING = 2
    OVER = 3


class Ending:
    """Who has still to leave."""

    def __init__(self, actors: Iterable[str], recorder: str) -> None:
        """Nobody is asked to leave yet."""
        self._recorder = recorder
        self._waves = {Step.LEAVING: set(actors), Step.RECORDING: {recorder}}
        self._step = Step.OPEN
        self._late: set[str] = set()
        """Who was let in when its turn was over."""

    def on_leave(self, actor: str) -> None:
        """Let an actor go.

        Raises RoleError where it was not asked to, or has left already.
        """
        if actor in self._late:
            self._late.remove(actor)
            return
        waiting = self._waves.get(self._step, set())
        if actor not in waiting:
            raise RoleError(f"{actor} left before the run's end, or twice")
        waiting.remove(actor)

    def admit(self, actor: str) -> None:
        """Wait for an actor, also where an earlier process of it has left."""
        turn = Step.RECORDING if actor == self._recorder else Step.LEAVING
        if self._step <= turn:
            self._waves[turn].add(actor)
        else:
            self._late.add(actor)

    def drop(self, actor: str) -> None:
        """Wait for an actor no more."""
        self._waves[Step.LEAVING].discard(actor)

    def advance(self) -> Step | None:
        """Go a step further if nobody holds it up; give the step that has begun, or None."""
        if self._step is Step.OVER or self._waves.get(self._step):
            return None
        self._step = Step(self._step + 1)
        return self._step
