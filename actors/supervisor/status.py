"""A snapshot of a run while it runs: what the screen draws and `status.json` holds."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from protocol.lifecycle import ActorState

FinalState = Literal["done", "failed", "interrupted"]
RunState = Literal["starting", "running", "paused", "stopping"] | FinalState


class ActorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One actor, as of its last heartbeat."""

    role: str
    pid: int | None = None
    state: ActorState = ActorState.SPAWNED
    windows: int = 0
    messages: int = 0
    bars: int = 0
    bars_per_s: float = 0.0
    rss_bytes: int = 0
    peak_rss_bytes: int = 0
    cpu_percent: float = 0.0
    handle_p50_us: float = 0.0
    handle_p99_us: float = 0.0
    queue: int | None = None
    """Windows in its hands that it has not answered; None for who answers none."""
    restarts: int = 0


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run."""

    run: str
    """The run folder's name."""
    state: RunState
    phase: int | None
    """1 to 6, None before the first session."""
    session: str | None
    """The session's date."""
    sessions_done: int
    sessions_total: int
    sim_time: str | None
    """Exchange-local `2025-07-02T10:31:00-04:00`."""
    bars: int
    bars_expected: int
    elapsed_s: float
    bars_per_s: float
    windows_in_flight: int
    waiting_for: tuple[str, ...]
    actors: Mapping[str, ActorStatus]
    speed: float = 0.0
    """0 is as fast as possible."""
    credit: int = 0
    """How many windows may be in flight."""
    until: str | None = None
    """The simulated time at which the clock will pause by itself."""
    message: str | None = None
    """Why the run failed, or which engines it goes on without and why, in one line."""
    lost: Mapping[str, str] = {}
    """Strategies' engines that the run goes on without, and why."""
