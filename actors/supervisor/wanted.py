"""How the clock is to go, as clients have asked for and the coordinator has agreed."""

from dataclasses import dataclass, replace
from typing import Final

from protocol.messages import Answer, Steer

SUPERVISOR: Final = "supervisor"
"""Who asks a coordinator that was started again; nobody waits for its answers."""


@dataclass(frozen=True)
class Wanted:
    """What a coordinator that starts again has to be told."""

    steered: bool = False
    """Whether anybody has ever said anything."""
    paused: bool = False
    until_ts: int | None = None
    speed: float | None = None
    """None is the plan's."""
    asked: tuple[Steer, ...] = ()
    """What the coordinator has not answered yet, oldest first."""

    def ask(self, steer: Steer) -> "Wanted":
        """Take note of what the coordinator is told."""
        return replace(self, asked=(*self.asked, steer))

    def answer(self, answer: Answer) -> "Wanted":
        """Take note of its answer; one that nobody waits for changes nothing."""
        to = (answer.client, answer.request)
        answered = [steer for steer in self.asked if (steer.client, steer.request) == to]
        waiting = replace(self, asked=tuple(steer for steer in self.asked if steer not in answered))
        return waiting.after(answered[0]) if answered and answer.accepted else waiting

    def again(self) -> list[Steer]:
        """Give what a coordinator that starts again is told: how the clock goes, then what is not answered.

        Steps that were asked for before are not asked for again: the clock is paused.
        """
        told: list[Steer] = []
        if self.speed is not None:
            told.append(Steer(SUPERVISOR, 0, "speed", speed=self.speed))
        if self.until_ts is not None:
            told.append(Steer(SUPERVISOR, 0, "until", until_ts=self.until_ts))
        elif self.steered:
            told.append(Steer(SUPERVISOR, 0, "pause" if self.paused else "resume"))
        return [*told, *self.asked]

    def after(self, steer: Steer) -> "Wanted":
        """Agree to something."""
        if steer.action == "speed":
            return replace(self, steered=True, speed=steer.speed)
        paused = steer.action in ("pause", "step")
        return replace(self, steered=True, paused=paused, until_ts=steer.until_ts)
