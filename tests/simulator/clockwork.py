"""Simulated time: what happens next is decided by one seed, and by nothing else."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Final, Protocol

US: Final = 1_000
MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
SLOW: Final = 0.2
"""The share of links that are slow."""
SLOW_NS: Final = 200 * MS
Act = Callable[[], None]


class Clockwork:
    """Do what is due, one act after another."""

    def __init__(self, seed: int, trace: list[str] | None = None) -> None:
        """Start at time 0; `trace` takes a line for whatever happens."""
        self.now_ns = 0
        self.turns = 0
        self.chance = random.Random(seed)
        self.pending = 0
        """Acts that are due some time and bring the run forward: all but ticks and heartbeats."""
        self._trace = trace
        self._due: list[tuple[int, int, bool, Act]] = []
        self._count = 0

    def at(self, at_ns: int, act: Act, *, idle: bool = False) -> None:
        """Do something at an instant; `idle` brings nothing forward."""
        self._count += 1
        self.pending += not idle
        heappush(self._due, (at_ns, self._count, idle, act))

    def within(self, limit_ns: int, act: Act) -> None:
        """Do something before so much time has passed."""
        self.at(self.now_ns + self.chance.randrange(limit_ns), act)

    def turn(self) -> None:
        """Do the next act."""
        at_ns, _, idle, act = heappop(self._due)
        self.now_ns = max(self.now_ns, at_ns)
        self.pending -= not idle
        self.turns += not idle
        act()

    def say(self, who: str, *what: object) -> None:
        """Write a line of the trace."""
        if self._trace is not None:
            text = " ".join(" ".join(map(str, what)).split())
            self._trace.append(f"{self.now_ns / MS:12.3f} ms  {who:20} {text[:160]}")

    def delay_ns(self) -> int:
        """Choose how long a frame is on its way: mostly short, now and then long."""
        draw = self.chance.random()
        return int(draw * 900 * US) if draw < 0.95 else int((draw - 0.94) * 800 * MS)


class End(Protocol):
    """Where frames arrive."""

    name: str

    def arrive(self, link: "Link", frame: bytes) -> None:
        """Take a frame off a link."""
        ...


@dataclass(eq=False)
class Link:
    """One way between two processes: first in, first out, after a while."""

    clock: Clockwork
    kind: str
    sender: End
    receiver: End
    frames: deque[bytes] = field(default_factory=deque)
    is_cut: bool = False
    late_ns: int = 0
    """What is on its way does not arrive before."""
    _last_ns: int = 0
    _slow_ns: int = 0
    """How much longer than others it takes."""

    def __post_init__(self) -> None:
        if self.clock.chance.random() < SLOW:
            self._slow_ns = self.clock.chance.randrange(SLOW_NS)

    def send(self, frame: bytes, *, idle: bool = False) -> None:
        """Have a frame arrive some time later; once the link is cut, nothing does."""
        if self.is_cut:
            return
        self._last_ns = max(self._last_ns, self.clock.now_ns + self._slow_ns + self.clock.delay_ns())
        self.frames.append(frame)
        self.clock.at(self._last_ns, partial(self._deliver, idle=idle), idle=idle)

    @property
    def idle_at_ns(self) -> int:
        """When all that was sent has arrived."""
        return self._last_ns if self.frames else self.clock.now_ns

    def cut(self, kept: int, late_ns: int) -> None:
        """Take no more; the first frames under way still arrive, not before some instant."""
        self.is_cut, self.late_ns = True, late_ns
        while len(self.frames) > kept:
            self.frames.pop()

    def _deliver(self, *, idle: bool) -> None:
        if self.clock.now_ns < self.late_ns:
            self.clock.at(self.late_ns, partial(self._deliver, idle=idle), idle=idle)
        elif self.frames:
            self.receiver.arrive(self, self.frames.popleft())
