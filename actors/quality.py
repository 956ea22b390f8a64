"""The quality manager: what was expected, received, missing and wrong in every window."""

from collections.abc import Iterable, Iterator

from actors.domain.local_time import clock_text
from actors.domain.quality_ledger import QualityLedger, Steps
from actors.domain.roles import Effect, LogLines, RoleError, Send
from actors.domain.session_plan import SessionPlan
from protocol import topics
from protocol.blocks import as_bars, as_times, quality_block
from protocol.messages import Defect, Gap, Leave, Message, Quality, RawWindow, RunEnd


class QualityManager:
    """Turn raw windows into quality records and gaps."""

    def __init__(self, name: str, plan: SessionPlan) -> None:
        """Expect the run's first window."""
        self.name = name
        self.windows = 0
        self.bars = 0
        self._plan = plan
        self._ledger = QualityLedger(plan)
        self._report = topics.report(name)
        self._timezone = plan.timezone
        self._names = [f"{stream.symbol} {stream.interval}" for stream in plan.served]

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Raw windows, and the end of the run."""
        return (topics.RAW, topics.CONTROL)

    def on_message(self, message: Message) -> Iterable[Effect]:
        """Answer a raw window with its quality, and the end of the run with the final counts.

        Raises RoleError where a window is missing or repeated.
        """
        match message:
            case RawWindow():
                answer = self._on_window(message)
                return (*self._findings(message, answer), Send(self._report, answer))
            case RunEnd():
                return (Send(self._report, Leave(self.name, self.windows, self.bars, signals=())),)
            case _:
                return ()

    def _findings(self, window: RawWindow, answer: Quality) -> Iterator[LogLines]:
        """Write every gap and every defect to the log."""
        found = [(gap.known_ts, self._gap_text(gap)) for gap in answer.gaps]
        found += [(defect.known_ts, self._defect_text(defect)) for defect in window.defects]
        if found:
            instants, texts = zip(*sorted(found), strict=True)
            yield LogLines(texts, instants)

    def _gap_text(self, gap: Gap) -> str:
        span = f"{clock_text(gap.from_ts, self._timezone)} to {clock_text(gap.to_ts, self._timezone)}"
        return f"GAP {self._names[gap.stream]}: {gap.count} missing, {span}"

    def _defect_text(self, defect: Defect) -> str:
        opening = clock_text(defect.open_ts, self._timezone)
        place = f"{defect.file} row {defect.row}"
        return f"DEFECT {self._names[defect.stream]} {opening}: {defect.kind}: {defect.detail} ({place})"

    def _on_window(self, window: RawWindow) -> Quality:
        if window.seq != self.windows:
            raise RoleError(
                f"raw window {window.seq} came where {self.windows} was due: run the session again"
            )
        if window.first:
            self._ledger.start_session(self._plan.session(window.session))
        steps = Steps(as_times(window.steps), window.last, as_bars(window.block), window.defects)
        appraisal = self._ledger.appraise(steps)
        self.windows += 1
        self.bars += window.block.n
        return Quality(window.seq, quality_block(appraisal.records), appraisal.gaps)
