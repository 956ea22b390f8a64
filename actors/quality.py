"""The quality manager: what was expected, received, missing and wrong in every window."""

from collections.abc import Iterable

from actors.domain.local_time import clock_text
from actors.domain.quality_ledger import QualityLedger, Steps
from actors.domain.roles import Effect, LogLines, Send
from actors.domain.session_plan import Session, SessionPlan
from actors.domain.stage_one import StageOne
from protocol.blocks import NO_QUALITY, as_bars, as_times, quality_block
from protocol.messages import Defect, Gap, Quality, RawWindow


class QualityManager(StageOne):
    """Turn raw windows into quality records and gaps."""

    def __init__(self, name: str, plan: SessionPlan) -> None:
        """Expect the run's first window."""
        super().__init__(name, plan)
        self._ledger = QualityLedger(plan)
        self._timezone = plan.timezone
        self._names = [f"{stream.symbol} {stream.interval}" for stream in plan.served]

    def _start_session(self, session: Session) -> None:
        self._ledger.start_session(session)

    def _answer(self, window: RawWindow) -> Iterable[Effect]:
        steps = Steps(as_times(window.steps), window.last, as_bars(window.block), window.defects)
        appraisal = self._ledger.appraise(steps)
        if appraisal.gaps or window.defects:
            yield self._findings(window, appraisal.gaps)
        records = quality_block(appraisal.records) if len(appraisal.records) else NO_QUALITY
        yield Send(self._report, Quality(window.seq, records, appraisal.gaps))

    def _findings(self, window: RawWindow, gaps: tuple[Gap, ...]) -> LogLines:
        """Write every gap and every defect to the log; there is one."""
        found = [(gap.known_ts, self._gap_text(gap)) for gap in gaps]
        found += [(defect.known_ts, self._defect_text(defect)) for defect in window.defects]
        instants, texts = zip(*sorted(found), strict=True)
        return LogLines(texts, instants)

    def _gap_text(self, gap: Gap) -> str:
        span = f"{clock_text(gap.from_ts, self._timezone)} to {clock_text(gap.to_ts, self._timezone)}"
        return f"GAP {self._names[gap.stream]}: {gap.count} missing, {span}"

    def _defect_text(self, defect: Defect) -> str:
        opening = clock_text(defect.open_ts, self._timezone)
        place = f"{defect.file} {defect.span}"
        return f"DEFECT {self._names[defect.stream]} {opening}: {defect.kind}: {defect.detail} ({place})"
