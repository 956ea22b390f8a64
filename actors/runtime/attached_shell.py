"""The loop of a process that takes part in a run from outside, in a terminal of its own.

1. It reads the journal to near its end before it asks to take part, so that the run is held up no longer
   than a moment. Then: Attach; Connect; sockets; Join; Welcome; Ready; the rest of the journal; live.
2. What it misses live, because the coordinator does not wait for it or was replaced, it reads from the
   journal, which has every window before it is published. So nothing is handled twice or left out.
3. It ends with the run, by Ctrl-C, by being dropped, or by an error of its own. The run does not mind.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from actors.domain.attendance import Attendance
from actors.domain.exit_codes import ExitCode
from actors.domain.roles import Effect, RoleError, Send
from actors.runtime import clock
from actors.runtime.journal_files import JournalReader, Position
from actors.runtime.shell import NotLetIn, Shell, Surroundings
from actors.runtime.transport import PeerStalled
from protocol import topics
from protocol.codec import Envelope
from protocol.messages import (
    Attach,
    Attached,
    Connect,
    Drop,
    Join,
    Leave,
    Level,
    Message,
    Ready,
    RunEnd,
    SealedWindow,
    Stop,
    StreamClosed,
    Welcome,
)

NEAR_WINDOWS: Final = 16
"""So close to the journal's end a process asks to take part."""
PASSES: Final = 20
"""How often it reads on before it asks all the same: the run may be faster than it is."""
ENDING_S: Final = 60.0
"""How long a run that is over may take until its journal is complete."""


class Dropped(RoleError):
    """The run takes no notice of us (any more)."""

    def __init__(self, reason: str) -> None:
        """Keep the supervisor's words."""
        super().__init__(f"dropped by the run: {reason}")
        self.reason = reason


class Interrupts(Protocol):
    """Where Ctrl-C is counted."""

    @property
    def descriptor(self) -> int:
        """Readable when there is something to take."""
        ...

    def take(self) -> int:
        """Say how many have come since the last call."""
        ...


class JournalPlay:
    """Feed an attached role from the journal, pass by pass."""

    def __init__(self, journal: JournalReader, attendance: Attendance) -> None:
        """Begin at the journal's beginning."""
        self._journal = journal
        self._attendance = attendance
        self._behind_windows = Position()
        """Behind the last window that was handled, or before it: what is there is never cut off."""
        self._end = Position()

    @property
    def torn_bytes(self) -> int:
        """How many bytes lie behind the last whole record, after a pass to the end."""
        return self._journal.bytes_behind(self._end)

    def read_on(self, perform: Callable[[Iterable[Effect]], None], may_go_on: Callable[[], bool]) -> int:
        """Read to the last whole record, or until `may_go_on` says no; give how many windows were new.

        Raises what the journal and the role raise.
        """
        windows = self._attendance.role.windows
        self._end = self._behind_windows
        for position, envelope in self._journal.envelopes_from(self._behind_windows):
            perform(self._attendance.take(envelope.message))
            self._end = position
            if isinstance(envelope.message, SealedWindow):
                self._behind_windows = position
            if not may_go_on():
                break
        return self._attendance.role.windows - windows

    def skip_to(self, session: int) -> None:
        """Pass over the sessions before one of which all windows were handled live."""
        if session > self._behind_windows.segment:
            self._behind_windows = Position(session)


@dataclass
class Visit:
    """How a process takes part, and what came of it."""

    attendance: Attendance
    play: JournalPlay
    member: bool
    is_running: Callable[[], bool]
    """Whether the run's supervisor is there."""
    interrupts: Interrupts
    begin_at: Callable[[int], None] | None = None
    """Where only what comes from now on counts: says with which window that begins."""
    tell: Callable[[str], object] = print
    """Says on the terminal what its user wants to know."""
    joined_at: int | None = None
    """The first window that was to come live."""
    joined_ts: int | None = None
    """The step that was reached when it had caught up, ns UTC."""
    holes: list[tuple[int, int]] = field(default_factory=list)
    """Windows that should have come live and did not; read from the journal."""
    interrupted: bool = False
    is_complete: bool = True
    """Whether the journal says that the run has ended."""
    reason: str | None = None


class AttachedShell(Shell):
    """The loop of one attached process."""

    def __init__(self, visit: Visit, around: Surroundings) -> None:
        """Put an attached role into its surroundings."""
        super().__init__(visit.attendance.role, around)
        self._visit = visit
        self._attendance = visit.attendance
        self._connect: Connect | None = None
        """What is to be obeyed next."""
        self._is_known = False
        """Whether the supervisor has taken us in."""
        self._is_in = False
        """Whether the coordinator has."""
        self._is_over = False
        self._waiting_for: str | None = None
        self._patience_ns = 0
        self._link.watch(visit.interrupts.descriptor)

    def _greet(self) -> None:
        self._say("INFO", "reading the journal")
        for _ in range(PASSES):
            if self._visit.play.read_on(self._perform, self._may_read) <= NEAR_WINDOWS or self._stopped:
                break
        if not self._stopped:
            name, member = self._role.name, self._visit.member
            self._tell(Attach(name, self._vitals.pid, member))
            self._wait_for("the supervisor's Connect")

    def _on_turn(self) -> None:
        self._look_for_interrupt()
        if self._connect is not None and not self._stopped:
            connect, self._connect = self._connect, None
            self._join(connect)
        if self._waiting_for is not None and clock.monotonic_ns() > self._patience_ns:
            raise NotLetIn(self._role.name, self._waiting_for, self._around.greeting_s)

    def _on_message(self, message: Message) -> None:
        match message:
            case Stop():
                self._end()
            case Drop():
                raise Dropped(message.reason)
            case Connect():
                self._is_known = True
                self._connect = message
            case Welcome():
                self._enter(message)
            case SealedWindow() | RunEnd() if self._is_in:
                self._take_live(message)
            case StreamClosed() if self._is_in:
                self._end()
            case _:
                pass

    def _join(self, connect: Connect) -> None:
        """Knock at a coordinator's door; one that is gone already will be replaced by another."""
        name = self._role.name
        self._is_in = False
        self._attendance.part()
        self._link.renew(connect.own_epoch)
        self._link.attach(name, self._role.subscriptions, connect.epoch)
        self._wait_for("the coordinator's Welcome")
        join = Join(name, self._around.kind, self._visit.member, connect.own_epoch)
        self._send(Send(topics.report(name), join))

    def _enter(self, welcome: Welcome) -> None:
        name = self._role.name
        self._waiting_for = None
        self._is_in = True
        self._attendance.join(welcome)
        is_new = self._visit.joined_at is None
        if is_new and self._visit.begin_at is not None:
            self._visit.begin_at(welcome.next_seq)
        self._send(Send(topics.report(name), Ready(name, welcome.nonce)))
        self._tell(Attached(name))
        self._read_on()
        if is_new:
            self._visit.joined_at, self._visit.joined_ts = welcome.next_seq, self._attendance.last_step
        self._say("INFO", f"joined{'' if is_new else ' again'} at window {welcome.next_seq}")

    def _take_live(self, message: SealedWindow | RunEnd) -> None:
        missing = self._attendance.missing_before(message)
        if missing:
            self._visit.holes.append((missing[0], missing[-1]))
            which = f"windows {missing[0]} to {missing[-1]}"
            self._say("WARNING", f"missed {which} live; reading them from the journal")
            self._read_on()
        if isinstance(message, SealedWindow):
            self._visit.play.skip_to(message.session)
        self._handle(message)

    def _handle(self, message: Message) -> None:
        started = clock.monotonic_ns()
        self._perform(self._attendance.take(message))
        self._vitals.handled(clock.monotonic_ns() - started)

    def _read_on(self) -> None:
        self._visit.play.read_on(self._perform, self._may_read)

    def _may_read(self) -> bool:
        """Between two records: give a sign of life when one is due, and obey; a new Connect waits."""
        if clock.monotonic_ns() < self._next_beat_ns:
            return True
        for arrival in self._link.take_commands():
            if isinstance(arrival, Envelope):
                self._on_message(arrival.message)
        self._look_for_interrupt()
        self._beat()
        return not self._visit.interrupted

    def _send(self, effect: Send) -> None:
        """Send; where no coordinator listens any more, part from it until there is another."""
        try:
            super()._send(effect)
        except PeerStalled:
            self._is_in = False
            self._attendance.part()
            self._say("WARNING", "the coordinator does not listen; waiting for another")
            self._wait_for("the supervisor's Connect")

    def _say(self, level: Level, text: str) -> None:
        self._log.write(level, text)
        self._visit.tell(text)

    def _tell(self, message: Message) -> None:
        """Speak to the supervisor; before it has taken us in, only to ask for that."""
        if self._is_known or isinstance(message, Attach):
            super()._tell(message)

    def _look_for_interrupt(self) -> None:
        if self._visit.interrupts.take():
            self._visit.interrupted = self._stopped = True

    def _beat(self) -> None:
        super()._beat()
        if not self._is_over and not self._visit.is_running():
            self._say("WARNING", "the run does not go on: its supervisor has ended")
            self._end()

    def _end(self) -> None:
        self._stopped = self._is_over = True
        self._waiting_for = None

    def _wait_for(self, what: str) -> None:
        self._waiting_for = what
        self._patience_ns = clock.monotonic_ns() + round(self._around.greeting_s * 1e9)

    def _farewell(self) -> None:
        if self._visit.interrupted:
            self._perform(self._attendance.take(RunEnd(self._role.windows, "", "")))
        else:
            self._read_to_the_end()
        windows, bars = self._role.windows, self._role.bars
        self._tell(Leave(self._role.name, windows, bars, ()))
        self._log.write("INFO", f"Left after {windows} windows and {bars} bars")

    def _read_to_the_end(self) -> None:
        """Read what is left, as soon as the run has written all of it."""
        self._attendance.part()
        deadline_ns = clock.monotonic_ns() + round(ENDING_S * 1e9)
        while True:
            is_final = not self._visit.is_running() or clock.monotonic_ns() > deadline_ns
            self._read_on()
            if is_final or self._attendance.leave is not None or self._visit.interrupted:
                break
            list(self._link.poll(self._around.heartbeat_s))
            self._look_for_interrupt()
        conclude(self._visit, self._perform)

    def _fail(self, code: ExitCode, reason: str) -> ExitCode:
        self._visit.reason = reason
        return super()._fail(code, reason)


def conclude(visit: Visit, perform: Callable[[Iterable[Effect]], None]) -> None:
    """Have the role end where the journal does not say that the run has ended."""
    if visit.attendance.leave is None:
        visit.is_complete = False
        perform(visit.attendance.take(RunEnd(visit.attendance.role.windows, "", "")))
