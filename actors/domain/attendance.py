"""Take part in a run from outside: every window once, whether it comes live or is read from the journal.

1. The role needs windows in their order without a hole. One that it has handled is passed over; a hole is for
   the shell to fill from the journal, which has every window before it is published.
2. Only a member that was let in owes acknowledgements, from the window that its welcome names. A coordinator
   that starts again knows nothing of it: it parts, joins anew, and owes from the next welcome on.
3. The end is handled once; a coordinator that says it again is answered again.
"""

from collections.abc import Iterable, Iterator

from actors.domain.roles import Effect, Role, RoleError, Send
from actors.domain.signal_book import SignalBook
from protocol import topics
from protocol.blocks import as_times
from protocol.messages import Ack, Leave, Message, RunEnd, SealedWindow, Welcome


class WentOn(RoleError):
    """A window came after the run's end."""

    def __init__(self, seq: int) -> None:
        """Keep the window."""
        super().__init__(f"the run went on with window {seq} after it had ended: attach again, or replay it")
        self.seq = seq


class Attendance:
    """One attached role."""

    def __init__(self, role: Role, signals: SignalBook, *, member: bool) -> None:
        """Have handled nothing; `member` says whether the clock is to wait for it."""
        self.role = role
        self.signals = signals
        self.leave: Leave | None = None
        """What the role came to, once it has handled the end."""
        self.last_step: int | None = None
        """The last step that was handled, ns UTC."""
        self._member = member
        self._session = 0
        self._owed_from: int | None = None

    def join(self, welcome: Welcome) -> None:
        """Be let in: what is not acknowledged yet is owed, where the clock waits for it."""
        self._owed_from = welcome.next_ack if self._member else None

    def part(self) -> None:
        """Owe nothing: the coordinator is gone."""
        self._owed_from = None

    def missing_before(self, message: Message) -> range:
        """Give the windows that should have come before this message."""
        if isinstance(message, SealedWindow):
            return range(self.role.windows, message.seq)
        if isinstance(message, RunEnd) and self.leave is None:
            return range(self.role.windows, message.windows)
        return range(0)

    def take(self, message: Message) -> Iterator[Effect]:
        """Handle a message that nothing is missing before; give what is to be done.

        Raises WentOn, and what the role raises.
        """
        if isinstance(message, SealedWindow):
            yield from self._take_window(message)
        elif isinstance(message, RunEnd):
            yield from self._take_end(message)

    def _take_window(self, window: SealedWindow) -> Iterator[Effect]:
        if window.seq < self.role.windows:
            return
        if self.leave is not None:
            raise WentOn(window.seq)
        self._session = max(window.session, 0)
        self.last_step = int(as_times(window.steps)[-1])
        yield from self._answered(self.role.on_message(window))

    def _take_end(self, end: RunEnd) -> Iterator[Effect]:
        if self.leave is None:
            yield from self._answered(self.role.on_message(end))
        elif self._owed_from is not None:
            yield Send(topics.report(self.role.name), self.leave)

    def _answered(self, effects: Iterable[Effect]) -> Iterator[Effect]:
        """Keep what the role answers, and pass on what is owed."""
        for effect in effects:
            message = effect.message if isinstance(effect, Send) else None
            if isinstance(message, Ack | Leave):
                self.signals.add(self._session, message.signals)
            if isinstance(message, Leave):
                self.leave = message
            if message is None or self._is_owed(message):
                yield effect

    def _is_owed(self, message: Message) -> bool:
        if self._owed_from is None:
            return False
        return not isinstance(message, Ack) or message.seq >= self._owed_from
