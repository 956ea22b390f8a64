"""What the processor and the quality manager have in common: they answer every raw window, in order."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from actors.domain.roles import Effect, RoleError, Send
from actors.domain.session_plan import Session, SessionPlan
from protocol import topics
from protocol.messages import Leave, Message, RawWindow, RunEnd


class StageOne(ABC):
    """A role between raw and sealed windows."""

    def __init__(self, name: str, plan: SessionPlan) -> None:
        """Expect the run's first window."""
        self.name = name
        self.windows = 0
        self.bars = 0
        self._plan = plan
        self._report = topics.report(name)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Raw windows, and the end of the run."""
        return (topics.RAW, topics.CONTROL)

    def on_message(self, message: Message) -> Iterable[Effect]:
        """Answer a raw window with this role's part of it, and the end of the run with the final counts.

        Raises RoleError where a window is missing or repeated.
        """
        match message:
            case RawWindow():
                return self._on_window(message)
            case RunEnd():
                return (Send(self._report, Leave(self.name, self.windows, self.bars, signals=())),)
            case _:
                return ()

    def _on_window(self, window: RawWindow) -> Iterable[Effect]:
        if window.seq != self.windows:
            raise RoleError(
                f"raw window {window.seq} came where {self.windows} was due: run the session again"
            )
        if window.first:
            self._start_session(self._plan.session(window.session))
        self.windows += 1
        self.bars += window.block.n
        return self._answer(window)

    @abstractmethod
    def _start_session(self, session: Session) -> None:
        """Begin a session; its first window follows."""

    @abstractmethod
    def _answer(self, window: RawWindow) -> Iterable[Effect]:
        """Do this role's part of a window."""
