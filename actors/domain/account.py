"""What a run came to: counts, digests and signals, kept by the coordinator."""

from dataclasses import dataclass

from actors.domain.digest import DataDigest, SignalsDigest, StreamDigest
from actors.domain.equal_runs import run_starts
from actors.domain.roles import RoleError
from actors.domain.session_plan import SessionPlan
from actors.domain.tally import Tally
from protocol.blocks import as_bars, only_time
from protocol.messages import (
    Finished,
    Leave,
    RawWindow,
    RunEnd,
    SealedWindow,
    SessionReport,
    Signals,
    Verdict,
)


class LostInTransit(RoleError):
    """An actor has handled another number of windows or bars than were published."""

    def __init__(self, leave: Leave, windows: int, bars: int) -> None:
        """Keep what the actor counted and what was published."""
        super().__init__(
            f"{leave.actor} handled {leave.windows} windows and {leave.bars} bars, "
            f"but {windows} windows and {bars} bars were published to it"
        )
        self.leave = leave
        self.windows = windows
        self.bars = bars


@dataclass
class SessionCount:
    """What one session came to so far, by the windows that everyone has handled."""

    windows: int = 0
    steps: int = 0
    iterations: int = 0
    bars: int = 0
    last_ts: int = 0
    """The last step at which a base bar was processed; 0 before the first."""

    def add(self, window: RawWindow) -> None:
        """Count a window."""
        self.windows += 1
        self.steps += window.steps.n
        if window.block.n:
            self.bars += window.block.n
            self._add_times(window)

    def _add_times(self, window: RawWindow) -> None:
        if window.steps.n == 1:  # all bars close at it
            self.iterations += 1
            self.last_ts = only_time(window.steps)
            return
        closes = as_bars(window.block)["close_ts"]
        self.iterations += len(run_starts(closes))
        self.last_ts = int(closes[-1])

    def report(self, session: int, lag_ns: int) -> SessionReport:
        """Make the report of a finished session."""
        return SessionReport(session, self.windows, self.steps, self.iterations, self.bars, lag_ns)


class Account:
    """Counts and digests of the whole run."""

    def __init__(self, plan: SessionPlan) -> None:
        """Count nothing yet."""
        self._base = {stream.id for stream in plan.base_streams}
        self._data, self._stream, self._signals_digest = DataDigest(), StreamDigest(), SignalsDigest()
        self._signals = {spec.actor: 0 for spec in plan.strategies}
        self._verdicts: dict[str, Verdict] = {}
        self._phase_wall_ns: dict[str, int] = {}
        self._tally = Tally(plan)
        self.dropped: dict[str, int] = {}
        """Members that were dropped, each with the step that all had handled by then."""
        self.windows = 0
        self.base_bars = 0
        """Base bars launched, history included."""
        self.suppressed = 0
        """Derived bars held back for want of coverage, without those of history."""

    def add_raw(self, window: RawWindow) -> None:
        """Count a window that goes out to the processor and the quality manager."""
        self.windows += 1
        self.base_bars += window.block.n
        self._data.update(window)

    def add_sealed(self, window: SealedWindow) -> None:
        """Count a window that goes out to everyone."""
        self._stream.update(window)
        self._tally.add(window)
        if window.session >= 0:
            self.suppressed += window.suppressed

    def add_signals(self, message: Signals) -> None:
        """Count the signals of one actor."""
        self._signals[message.actor] += len(message.signals)
        self._signals_digest.update(message.actor, message.signals)

    def add_verdict(self, leave: Leave) -> None:
        """Keep what the trading of an analysis engine came to."""
        if leave.verdict is not None:
            self._verdicts[leave.actor] = leave.verdict

    def add_phase(self, name: str, elapsed_ns: int) -> None:
        """Add to the wall time of a phase."""
        self._phase_wall_ns[name] = self._phase_wall_ns.get(name, 0) + elapsed_ns

    def check(self, leave: Leave, *, raw: bool) -> None:
        """Compare what an actor counted with what it was sent.

        Raises LostInTransit.
        """
        bars = self.base_bars if raw else self._tally.published_bars
        if (leave.windows, leave.bars) != (self.windows, bars):
            raise LostInTransit(leave, self.windows, bars)

    def history_score(self, session: int) -> float:
        """Give the quality of the sessions that trail `session`, in percent."""
        return self._tally.history_score(session)

    def run_end(self) -> RunEnd:
        """Make the last message of the stream."""
        return RunEnd(self.windows, self._data.hexdigest(), self._stream.hexdigest())

    def finished(self, *, interrupted: bool, lag_ns: int) -> Finished:
        """Make the verdict for the supervisor."""
        totals = self._tally.totals()
        return Finished(
            interrupted=interrupted,
            bars=sum(total.bars for total in totals if total.stream in self._base),
            data_digest=self._data.hexdigest(),
            stream_digest=self._stream.hexdigest(),
            signals_digest=self._signals_digest.hexdigest(),
            signals=dict(self._signals),
            phase_wall_ns=dict(self._phase_wall_ns),
            streams=totals,
            suppressed=self.suppressed,
            lag_ns=lag_ns,
            verdicts=dict(self._verdicts),
            dropped=dict(self.dropped),
            signals_digests={actor: self._signals_digest.of(actor) for actor in self._signals},
        )
