"""The processor: derived bars of every window, history and stream alike, and what trailing sessions give."""

from collections.abc import Iterable

from actors.domain.aggregation import Aggregation
from actors.domain.historical_indicators import HistoricalIndicators
from actors.domain.roles import Effect, Send
from actors.domain.session_plan import Session, SessionPlan
from actors.domain.stage_one import StageOne
from protocol.blocks import NO_BARS, as_bars, as_times, bar_block
from protocol.messages import Derived, Figure, RawWindow


class Processor(StageOne):
    """Turn raw windows into derived bars, and the sessions before one into its historical indicators."""

    def __init__(self, name: str, plan: SessionPlan) -> None:
        """Expect the run's first window."""
        super().__init__(name, plan)
        self._aggregation = Aggregation(plan)
        self._historical = HistoricalIndicators(plan)
        self._figures: tuple[Figure, ...] = ()
        """Those of the session that begins; they go out with its first window."""

    def _start_session(self, session: Session) -> None:
        self._aggregation.start_session(session)
        self._figures = self._historical.start_session(session)

    def _answer(self, window: RawWindow) -> Iterable[Effect]:
        bars = as_bars(window.block)
        folded = self._aggregation.fold(bars, int(as_times(window.steps)[-1]))
        self._historical.add(bars)
        self._historical.add(folded.bars)
        figures, self._figures = self._figures, ()
        block = bar_block(folded.bars) if len(folded.bars) else NO_BARS
        yield Send(self._report, Derived(window.seq, block, folded.suppressed, figures))
