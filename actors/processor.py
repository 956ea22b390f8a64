"""The processor: derived bars of every window, history and stream alike."""

from collections.abc import Iterable

from actors.domain.aggregation import Aggregation
from actors.domain.roles import Effect, RoleError, Send
from actors.domain.session_plan import SessionPlan
from protocol import topics
from protocol.blocks import as_bars, as_times, bar_block
from protocol.messages import Derived, Leave, Message, RawWindow, RunEnd


class Processor:
    """Turn raw windows into derived bars."""

    def __init__(self, name: str, plan: SessionPlan) -> None:
        """Expect the run's first window."""
        self.name = name
        self.windows = 0
        self.bars = 0
        self._plan = plan
        self._aggregation = Aggregation(plan)
        self._report = topics.report(name)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Raw windows, and the end of the run."""
        return (topics.RAW, topics.CONTROL)

    def on_message(self, message: Message) -> Iterable[Effect]:
        """Answer a raw window with its derived bars, and the end of the run with the final counts.

        Raises RoleError where a window is missing or repeated.
        """
        match message:
            case RawWindow():
                return (Send(self._report, self._on_window(message)),)
            case RunEnd():
                return (Send(self._report, Leave(self.name, self.windows, self.bars, signals=())),)
            case _:
                return ()

    def _on_window(self, window: RawWindow) -> Derived:
        if window.seq != self.windows:
            raise RoleError(
                f"raw window {window.seq} came where {self.windows} was due: run the session again"
            )
        if window.first:
            self._aggregation.start_session(self._plan.session(window.session))
        folded = self._aggregation.fold(as_bars(window.block), int(as_times(window.steps)[-1]))
        self.windows += 1
        self.bars += window.block.n
        return Derived(window.seq, bar_block(folded.bars), folded.suppressed)
