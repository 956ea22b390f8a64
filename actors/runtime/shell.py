"""The shell of one process: greets, then moves messages between the sockets and the role.

1. Greeting: Hello to the supervisor; Connect; sockets; Join to the coordinator; Welcome; Ready; Attached.
   What the journal holds by then is read first, so that a process may take the place of one that died.
2. Serving: poll, hand each arrival to the role, carry its effects out in order, heartbeat when due.
3. Every wait has a deadline. What ends the process ends it through one of three doors: Stop (code 0), a known
   error (its message, no traceback), or an unknown one (with traceback); the last two say `Failed` first.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from actors.domain.exit_codes import ExitCode
from actors.domain.refusals import Refusals
from actors.domain.replay import Replay
from actors.domain.roles import Done, Effect, Log, LogLines, Role, RoleError, Send, Wake
from actors.domain.sealing import Streams
from actors.runtime import clock
from actors.runtime.failures import write_failure
from actors.runtime.freed_memory import FreedMemory
from actors.runtime.journal_files import JournalReader
from actors.runtime.logs import ActorLog, CapturedOutput
from actors.runtime.transport import Arrival, Link, PeerStalled, Rejected, SupervisorGone
from actors.runtime.vitals import Vitals
from protocol import topics
from protocol.codec import Envelope
from protocol.messages import (
    Attached,
    Connect,
    Failed,
    Heartbeat,
    Hello,
    Join,
    Message,
    Ready,
    Stop,
    Welcome,
)

NS_PER_MS: Final = 1_000_000
GREETING_S: Final = 60.0
"""How long the supervisor and the coordinator may take to let an actor in."""


class NotLetIn(RoleError):
    """The greeting was not over in time."""

    def __init__(self, actor: str, waiting_for: str, waited_s: float) -> None:
        """Keep who waited for whom."""
        super().__init__(f"{actor} waited {waited_s:g} s for {waiting_for}; it never came")
        self.actor = actor
        self.waiting_for = waiting_for


@dataclass(frozen=True)
class Surroundings:
    """What a shell works with."""

    link: Link
    log: ActorLog
    kind: str
    """The role's name, as the supervisor and the coordinator know it."""
    member: bool
    heartbeat_s: float
    journal: JournalReader
    base: Streams
    """The ids of the base streams."""
    greeting_s: float = GREETING_S
    output: CapturedOutput | None = None


class Shell:
    """The loop of one actor."""

    def __init__(self, role: Role, around: Surroundings) -> None:
        """Put a role into its surroundings."""
        self._role = role
        self._around = around
        self._link = around.link
        self._log = around.log
        self._vitals = Vitals()
        self._freed = FreedMemory()
        self._refusals = Refusals()
        self._stopped = False
        self._wake_at_ns: int | None = None
        self._next_beat_ns = 0
        self._hands: dict[type[Any], Callable[[Any], None]] = {
            Send: self._send,
            Log: self._write,
            LogLines: self._write_lines,
            Wake: self._set_wake,
            Done: self._finish,
        }

    def run(self) -> ExitCode:
        """Live until told to stop, and say how it ended."""
        try:
            self._greet()
            while not self._stopped:
                self._turn()
            self._farewell()
        except SupervisorGone:
            self._log.write("ERROR", "The supervisor is gone; stopping")
            return ExitCode.ACTOR_FAILED
        except Exception as error:  # noqa: BLE001  (the one broad net of a process)
            return self._fail(*write_failure(self._log, error))
        return ExitCode.DONE

    def _turn(self) -> None:
        is_idle = True
        for arrival in self._link.poll(self._timeout_s()):
            is_idle = False
            self._take(arrival)
        self._on_turn()
        self._beat_if_due()
        due_ns = self._log.due_ns
        if due_ns is not None and ((is_idle and self._log.has_many) or clock.monotonic_ns() >= due_ns):
            self._log.flush()

    def _beat_if_due(self) -> None:
        if clock.monotonic_ns() >= self._next_beat_ns:
            self._beat()

    def _on_turn(self) -> None:
        """Do what is due once per turn."""

    def _timeout_s(self) -> float:
        if self._log.has_many:
            return 0.0
        until = self._next_beat_ns + NS_PER_MS  # waits end up to that much early, which only a wake-up needs
        if self._log.due_ns is not None:
            until = min(until, self._log.due_ns + NS_PER_MS)
        if self._wake_at_ns is not None:
            until = min(until, self._wake_at_ns)
        return max(0.0, (until - clock.monotonic_ns()) / 1e9)

    def _take(self, arrival: Arrival) -> None:
        if isinstance(arrival, Rejected):
            self._write_rejected(arrival)
        elif isinstance(arrival, Envelope):
            self._on_message(arrival.message)

    def _write_rejected(self, arrival: Rejected) -> None:
        self._warn(self._refusals.on_refused(clock.monotonic_ns(), arrival.reason, arrival.sender))

    def _warn(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._log.write("WARNING", line)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Stop):
            self._stopped = True
        else:
            self._handle(message)

    def _handle(self, message: Message) -> None:
        started = clock.monotonic_ns()
        self._perform(self._role.on_message(message))
        self._vitals.handled(clock.monotonic_ns() - started)

    def _perform(self, effects: Iterable[Effect]) -> None:
        """Carry effects out, in order; log lines are written once all is sent: nobody waits for a file."""
        try:
            for effect in effects:
                self._hands[type(effect)](effect)
        finally:
            if self._log.is_urgent:
                self._log.flush()

    def _send(self, effect: Send) -> None:
        self._link.send(effect.topic, self._link.encode(effect.topic, effect.message))

    def _write(self, effect: Log) -> None:
        self._log.gather_one(effect.level, effect.text, effect.sim_ts)

    def _write_lines(self, effect: LogLines) -> None:
        self._log.gather(effect.texts, effect.sim_ts)

    def _set_wake(self, effect: Wake) -> None:
        self._wake_at_ns = effect.at_ns

    def _finish(self, _: Done) -> None:
        """Wait to be stopped."""

    def _tell(self, message: Message) -> None:
        self._send(Send(topics.command(self._role.name), message))

    def _greet(self) -> None:
        name = self._role.name
        self._tell(Hello(name, self._vitals.pid))
        connect = self._await(Connect, "the supervisor's Connect")
        if not isinstance(connect, Connect):
            return
        self._link.connect(name, self._role.subscriptions, connect.epoch)
        join = Join(name, self._around.kind, self._around.member, self._link.epoch)
        self._send(Send(topics.report(name), join))
        welcome = self._await(Welcome, "the coordinator's Welcome")
        if isinstance(welcome, Welcome):
            self._send(Send(topics.report(name), Ready(name, welcome.nonce)))
            self._tell(Attached(name))
            self._log.write("INFO", f"{name} has joined the pipeline")
            self._catch_up(welcome)

    def _catch_up(self, welcome: Welcome) -> None:
        """Read what the journal holds before what will come live; the supervisor is not kept waiting."""
        if welcome.records == 0:
            return
        self._log.write("INFO", f"Reading {welcome.records} records of the journal")
        replay = Replay(self._role, welcome, self._around.base)
        records = islice(self._around.journal.all_envelopes(), welcome.records)
        for effects in replay.effects((envelope.topic, envelope.message) for envelope in records):
            self._perform(effects)
            self._mind_supervisor()
            if self._stopped:
                return
        self._log.write("INFO", f"Up to date after {self._role.windows} windows; going on live")

    def _mind_supervisor(self) -> None:
        """Between two records: take its commands, and give a sign of life when one is due."""
        if clock.monotonic_ns() < self._next_beat_ns:
            return
        for arrival in self._link.take_commands():
            if isinstance(arrival, Envelope) and isinstance(arrival.message, Stop):
                self._stopped = True
        self._beat()

    def _await(self, kind: type[Message], described: str) -> Message | None:
        """Wait for a message; None where a Stop came first."""
        deadline_ns = clock.monotonic_ns() + round(self._around.greeting_s * 1e9)
        while not self._stopped:
            left_s = (deadline_ns - clock.monotonic_ns()) / 1e9
            if left_s <= 0:
                raise NotLetIn(self._role.name, described, self._around.greeting_s)
            for message in self._messages(min(left_s, self._around.heartbeat_s)):
                if isinstance(message, kind):
                    return message
                self._stopped = self._stopped or isinstance(message, Stop)
            self._beat_if_due()
        return None

    def _messages(self, timeout_s: float) -> Iterator[Message]:
        for arrival in self._link.poll(timeout_s):
            if isinstance(arrival, Rejected):
                self._write_rejected(arrival)
            elif isinstance(arrival, Envelope):
                yield arrival.message

    def _farewell(self) -> None:
        """Say what it came to, so that the last figures are the final ones."""
        self._beat()
        self._warn(self._refusals.on_end())
        self._log.write("INFO", f"Stopped after {self._role.windows} windows and {self._role.bars} bars")

    def _beat(self) -> None:
        now_ns, vitals = clock.monotonic_ns(), self._vitals
        self._next_beat_ns = now_ns + round(self._around.heartbeat_s * 1e9)
        self._freed.on_time(now_ns)
        self._warn(self._refusals.on_time(now_ns))
        if self._around.output is not None:
            self._around.output.keep_short()
        self._tell(
            Heartbeat(
                actor=self._role.name,
                windows=self._role.windows,
                messages=vitals.messages,
                bars=self._role.bars,
                rss_bytes=vitals.rss_bytes,
                peak_rss_bytes=vitals.peak_rss_bytes,
                cpu_ns=vitals.cpu_ns,
                handle_p50_ns=vitals.percentile_ns(50),
                handle_p99_ns=vitals.percentile_ns(99),
            )
        )

    def _fail(self, code: ExitCode, reason: str) -> ExitCode:
        try:
            self._tell(Failed(self._role.name, code, reason[:4096]))
        except PeerStalled:
            self._log.write("ERROR", "The supervisor does not listen")
        return code
