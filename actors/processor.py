"""The processor: derived bars of every window, history and stream alike."""

from collections.abc import Iterable

from actors.domain.aggregation import Aggregation
from actors.domain.roles import Effect, Send
from actors.domain.session_plan import Session, SessionPlan
from actors.domain.stage_one import StageOne
from protocol.blocks import as_bars, as_times, bar_block
from protocol.messages import Derived, RawWindow


class Processor(StageOne):
    """Turn raw windows into derived bars."""

    def __init__(self, name: str, plan: SessionPlan) -> None:
        """Expect the run's first window."""
        super().__init__(name, plan)
        self._aggregation = Aggregation(plan)

    def _start_session(self, session: Session) -> None:
        self._aggregation.start_session(session)

    def _answer(self, window: RawWindow) -> Iterable[Effect]:
        folded = self._aggregation.fold(as_bars(window.block), int(as_times(window.steps)[-1]))
        yield Send(self._report, Derived(window.seq, bar_block(folded.bars), folded.suppressed))
