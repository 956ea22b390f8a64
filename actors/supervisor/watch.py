"""Follow what actors say of themselves, and make the snapshots that the screen and `status.json` show."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from actors.assembly.places import actor_roles
from actors.domain.session_plan import SessionPlan
from actors.supervisor.run_state import NOBODY
from actors.supervisor.status import ActorStatus, RunState, RunStatus
from protocol.lifecycle import ActorState, Phase
from protocol.messages import Heartbeat, Progress

Show = Callable[[RunStatus], None]
"""Who wants to see snapshots."""


@dataclass(frozen=True)
class Beat:
    """A heartbeat and when it came."""

    at_ns: int
    heartbeat: Heartbeat


@dataclass(frozen=True)
class ActorLine:
    """What a snapshot shows of one actor besides its heartbeat."""

    role: str
    pid: int | None
    state: ActorState
    restarts: int = 0


class Watch:
    """The latest heartbeats and the latest progress of one run."""

    def __init__(self, plan: SessionPlan, run: str, began_ns: int) -> None:
        """Know nothing yet."""
        self._plan = plan
        self._run = run
        self._zone = ZoneInfo(plan.timezone)
        self._actors = actor_roles(plan)
        self._began_ns = began_ns
        self._beats: dict[str, tuple[Beat | None, Beat]] = {}
        self._progress: Progress | None = None
        self._expected = sum(held.expected for held in plan.stored if held.session >= 0)

    def on_heartbeat(self, heartbeat: Heartbeat, now_ns: int) -> None:
        """Take a heartbeat."""
        before = self._beats.get(heartbeat.actor)
        self._beats[heartbeat.actor] = (before[1] if before else None, Beat(now_ns, heartbeat))

    def on_progress(self, progress: Progress) -> None:
        """Take the coordinator's progress."""
        self._progress = progress

    @property
    def sessions_done(self) -> int:
        """How many sessions have ended."""
        if self._progress is None:
            return 0
        return self._progress.session + (self._progress.phase == Phase.END_OF_SESSION)

    @property
    def sim_time(self) -> str | None:
        """Where the clock is, exchange-local."""
        return None if self._progress is None else self._stamp(self._progress.sim_ts)

    @property
    def phase(self) -> int | None:
        """The phase the coordinator is in."""
        return None if self._progress is None else self._progress.phase

    def peak_rss_bytes(self) -> Mapping[str, int]:
        """Give each actor's highest memory; whoever is attached is no affair of the run."""
        return {name: beat.peak_rss_bytes for name, beat in self._own_beats()}

    def cpu_ns(self) -> Mapping[str, int]:
        """Give the processor time that each actor has used."""
        return {name: beat.cpu_ns for name, beat in self._own_beats()}

    def _own_beats(self) -> Iterator[tuple[str, Heartbeat]]:
        for name, (_, latest) in self._beats.items():
            if name in self._actors:
                yield name, latest.heartbeat

    def snapshot(
        self,
        actors: Mapping[str, ActorLine],
        state: RunState,
        now_ns: int,
        message: str | None,
        lost: Mapping[str, str] = NOBODY,
    ) -> RunStatus:
        """Make a snapshot."""
        progress = self._progress
        elapsed_s = (now_ns - self._began_ns) / 1e9
        bars = progress.bars if progress else 0
        return RunStatus(
            run=self._run,
            state="paused" if state == "running" and progress and progress.paused else state,
            phase=self.phase,
            session=self._plan.sessions[progress.session].date if progress else None,
            sessions_done=self.sessions_done,
            sessions_total=len(self._plan.sessions),
            sim_time=self.sim_time,
            bars=bars,
            bars_expected=self._expected,
            elapsed_s=elapsed_s,
            bars_per_s=bars / elapsed_s if elapsed_s > 0 else 0.0,
            windows_in_flight=progress.windows_in_flight if progress else 0,
            waiting_for=progress.waiting_for if progress else (),
            actors={name: self._actor(name, line) for name, line in actors.items()},
            speed=progress.speed if progress else self._plan.flow.speed,
            credit=progress.credit if progress else self._plan.flow.credit,
            until=self._stamp(progress.until_ts) if progress and progress.until_ts is not None else None,
            message=message,
            lost=lost,
        )

    def _stamp(self, instant_ns: int) -> str:
        return datetime.fromtimestamp(instant_ns / 1e9, self._zone).isoformat()

    def _actor(self, name: str, line: ActorLine) -> ActorStatus:
        queue = self._progress.owed.get(name) if self._progress else None
        if name not in self._beats:
            return ActorStatus(
                role=line.role, pid=line.pid, state=line.state, queue=queue, restarts=line.restarts
            )
        before, latest = self._beats[name]
        beat = latest.heartbeat
        return ActorStatus(
            role=line.role,
            pid=line.pid,
            state=line.state,
            restarts=line.restarts,
            windows=beat.windows,
            messages=beat.messages,
            bars=beat.bars,
            bars_per_s=_rate(before, latest, "bars"),
            rss_bytes=beat.rss_bytes,
            peak_rss_bytes=beat.peak_rss_bytes,
            cpu_percent=100 * _rate(before, latest, "cpu_ns") / 1e9,
            handle_p50_us=beat.handle_p50_ns / 1e3,
            handle_p99_us=beat.handle_p99_ns / 1e3,
            queue=queue,
        )


def _rate(before: Beat | None, latest: Beat, what: str) -> float:
    """Give a counter's growth per second between two heartbeats."""
    if before is None or latest.at_ns <= before.at_ns:
        return 0.0
    grown = getattr(latest.heartbeat, what) - getattr(before.heartbeat, what)
    return float(grown) / ((latest.at_ns - before.at_ns) / 1e9)
