"""Steer the clock while it runs: pause, resume, step, until, speed. None of it changes a result.

1. While it is paused, nothing new is cut; what is in flight lands, phases and sessions go on without windows.
2. A step that was asked for goes at once, whatever its deadline, in a window of its own. History is not
   counted: what of it is left goes before the first step.
3. An instant to run until holds until the first step later than it would be cut: then the clock pauses.
4. Whenever the clock goes on, or its speed changes, deadlines are counted anew from the last step, so that it
   neither jumps nor catches up.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from actors.domain.local_time import local_stamp
from actors.domain.roles import Wake
from actors.domain.session_plan import SessionPlan
from actors.domain.window_cutter import WindowCutter
from protocol.messages import Answer, RawWindow, Steer

SLOWEST: Final = 0.001
FASTEST: Final = 1e12
"""Beyond these, deadlines are no longer exact."""


class Reply(NamedTuple):
    """Whether an order is obeyed, and what it means or why not."""

    accepted: bool
    text: str


class Steering:
    """What the clock may do now, and the cutter that does it."""

    def __init__(self, plan: SessionPlan, cutter: WindowCutter) -> None:
        """Go on, or wait where the plan says so."""
        self.is_paused = plan.flow.paused
        self.until_ts: int | None = None
        self._cutter = cutter
        self._timezone = plan.timezone
        self._steps_left = 0
        self._at_ts = plan.sessions[0].open_ns
        self._told = (False, False)
        self._orders: Mapping[str, Callable[[Steer, int], Reply]] = {
            "pause": self._on_pause,
            "resume": self._on_resume,
            "step": self._on_step,
            "until": self._on_until,
            "speed": self._on_speed,
        }

    @property
    def speed(self) -> float:
        """How fast the clock goes where it is not paused; 0 is as fast as can be."""
        return self._cutter.speed

    def on_steer(self, steer: Steer, now_ns: int, *, over: bool) -> Answer:
        """Obey, or refuse; `over` says that nothing is cut any more."""
        order = self._orders.get(steer.action)
        if order is None or over:
            reply = Reply(accepted=False, text="the run is at its end")
        else:
            reply = order(steer, now_ns)
        return Answer(steer.client, steer.request, reply.accepted, reply.text)

    def cut(self, seq: int, now_ns: int) -> RawWindow | None:
        """Cut the next window; None where no step is due or allowed."""
        window = self._cut_steps(seq, now_ns) if self.is_paused else self._cut_freely(seq, now_ns)
        if window is not None and window.session >= 0:
            self._at_ts = self._cutter.last_ts
        return window

    def has_news(self, in_flight: int) -> bool:
        """Whether the clock has paused or gone on since it was last asked, or all has landed while paused."""
        told, self._told = self._told, (self.is_paused, self.is_paused and not in_flight)
        return told != self._told

    def wake(self) -> Iterator[Wake]:
        """Say when the next step is due, where it is only time that it waits for."""
        if not self.is_paused:
            yield Wake(self._cutter.due_at())

    def _cut_steps(self, seq: int, now_ns: int) -> RawWindow | None:
        if not self._steps_left:
            return None
        if self._cutter.is_history:
            return self._cutter.cut(seq, now_ns)
        self._steps_left -= 1
        return self._cutter.cut_step(seq)

    def _cut_freely(self, seq: int, now_ns: int) -> RawWindow | None:
        if self.until_ts is None:
            return self._cutter.cut(seq, now_ns)
        limit = int(np.searchsorted(self._cutter.upcoming, self.until_ts, side="right"))
        if not limit:
            self._pause()
            return None
        return self._cutter.cut(seq, now_ns, limit)

    def _pause(self, steps: int = 0) -> None:
        self.is_paused, self.until_ts, self._steps_left = True, None, steps

    def _go(self, until_ts: int | None, now_ns: int) -> None:
        if self.is_paused:
            self._cutter.restart_pace(now_ns)
        self.is_paused, self.until_ts, self._steps_left = False, until_ts, 0

    def _on_pause(self, _steer: Steer, _now_ns: int) -> Reply:
        self._pause()
        return Reply(accepted=True, text=f"paused at {self._stamp(self._at_ts)}")

    def _on_resume(self, _steer: Steer, now_ns: int) -> Reply:
        self._go(None, now_ns)
        return Reply(accepted=True, text=f"goes on from {self._stamp(self._at_ts)}")

    def _on_step(self, steer: Steer, _now_ns: int) -> Reply:
        if not steer.steps:
            return Reply(accepted=False, text="0 steps are none")
        self._pause(self._steps_left + steer.steps)
        steps = "1 step" if self._steps_left == 1 else f"{self._steps_left} steps"
        return Reply(accepted=True, text=f"{steps} from {self._stamp(self._at_ts)}, then paused")

    def _on_until(self, steer: Steer, now_ns: int) -> Reply:
        until_ts = steer.until_ts
        if until_ts is None:
            return Reply(accepted=False, text="there is no time to run until")
        if until_ts < self._at_ts:
            return Reply(
                accepted=False,
                text=f"{self._stamp(until_ts)} is past: the clock is at {self._stamp(self._at_ts)}",
            )
        self._go(until_ts, now_ns)
        return Reply(accepted=True, text=f"runs until {self._stamp(until_ts)}, then pauses")

    def _on_speed(self, steer: Steer, now_ns: int) -> Reply:
        speed = steer.speed
        if speed is None or not (speed == 0 or SLOWEST <= speed <= FASTEST):
            return Reply(accepted=False, text=f"a speed is 0, or from {SLOWEST:g} to {FASTEST:g}")
        self._cutter.change_speed(speed, now_ns)
        words = f"speed {speed:g}" if speed else "as fast as possible"
        return Reply(accepted=True, text=words)

    def _stamp(self, instant_ns: int) -> str:
        return local_stamp(instant_ns, self._timezone)
