"""The same roles in one process, without sockets: for notebooks, sweeps and fast tests.

Messages wait in one queue and are handed over in the order in which they were sent. Results, journal, tables
and logs are the same as those of a run by processes. A strategy that never returns cannot be stopped here.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Any

from actors.assembly import build_role
from actors.assembly.places import ActorSpec, RunPlaces, actor_roles
from actors.coordinator import Coordinator
from actors.domain.exit_codes import ExitCode
from actors.domain.lobby import Guest
from actors.domain.replay import Replay
from actors.domain.roles import Done, Effect, Log, LogLines, Role, RoleError, Send, Wake
from actors.domain.sealing import base_ids
from actors.domain.session_plan import SessionPlan
from actors.runtime import clock
from actors.runtime.failures import write_failure
from actors.runtime.framing import Framing, keep
from actors.runtime.freed_memory import FreedMemory
from actors.runtime.journal_files import JournalReader, JournalWriter
from actors.runtime.journal_repair import take_over
from actors.runtime.logs import LINES_NS, ActorLog, open_log
from actors.runtime.vitals import Vitals
from actors.supervisor.interrupts import Interrupts, handling, leave_the_first
from actors.supervisor.life import FIRST_LIFE, Life
from actors.supervisor.run_state import ANALYSIS, COORDINATOR, Trouble, has_failures
from actors.supervisor.status import RunStatus
from actors.supervisor.verdict import Verdict
from actors.supervisor.watch import ActorLine, Show, Watch
from protocol import topics
from protocol.lifecycle import ActorState
from protocol.messages import Drop, Finished, Heartbeat, Message, Progress, Stop, Welcome


class InlinePipeline:
    """One run in this process."""

    def __init__(
        self,
        plan: SessionPlan,
        places: RunPlaces,
        interrupts: Interrupts,
        watch: Watch,
        life: Life = FIRST_LIFE,
    ) -> None:
        """Build nothing yet but the coordinator."""
        self._plan = plan
        self._places = places
        self._watch = watch
        self._vitals = Vitals()
        self._freed = FreedMemory()
        self._framing = Framing(places.run, life.epoch)
        self._lost = life.lost
        self._kinds = {name: kind for name, kind in actor_roles(plan).items() if name not in life.lost}
        self._journal = JournalWriter(places.journal, places.run)
        self._coordinator = Coordinator(COORDINATOR, plan)
        self._roles: dict[str, Role] = {}
        self._listeners: dict[str, list[Role]] = {}
        self._logs: dict[str, ActorLog] = {}
        self._queue: deque[tuple[Role, Message]] = deque()
        self._acting = COORDINATOR
        self._wake_at_ns: int | None = None
        self._lines_due_ns = 0
        self._finished: Finished | None = None
        self._interrupts = interrupts
        self._interrupted = False
        self._show: Show = _show_nothing
        self._hands: Mapping[type[Any], Callable[[Any], None]] = {
            Send: self._send,
            Log: self._write,
            LogLines: self._write_lines,
            Wake: self._set_wake,
            Done: lambda _: None,
        }

    def run(self, show: Show) -> Verdict:
        """Run to the end; `show` is called with a snapshot whenever the coordinator tells its progress."""
        self._show = show
        trouble: Trouble | None = None
        with ExitStack() as stack, handling(self._interrupt):
            self._interrupted = self._interrupted or self._interrupts.take() > 0
            try:
                with self._journal:
                    self._build(stack)
                    self._take_over()
                    self._play()
            except KeyboardInterrupt:
                self._logs[self._acting].write("WARNING", "Interrupted twice: stopped at once")
            except Exception as error:  # noqa: BLE001  (the one broad net of a process)
                trouble = Trouble(self._acting, *write_failure(self._logs[self._acting], error))
        return Verdict(self._exit_code(trouble), self._finished, trouble, self._snapshot(trouble), self._lost)

    def _build(self, stack: ExitStack) -> None:
        for name, role in self._kinds.items():
            self._logs[name] = stack.enter_context(open_log(self._places.logs, name, self._plan))
            self._acting = name
            built = self._coordinator if name == COORDINATOR else self._build_role(name, role)
            self._roles[name] = built
            for topic in (*built.subscriptions, topics.to(name)):
                self._listeners.setdefault(topic, []).append(built)

    def _build_role(self, name: str, role: str) -> Role:
        return build_role(ActorSpec(name, role, self._places), self._plan)

    def _take_over(self) -> None:
        """Where there is a journal, bring everyone to where it ends."""
        log, recall = self._logs[COORDINATOR], self._coordinator.recall
        if not take_over(self._places.journal, self._journal, log, recall):
            return
        reader = JournalReader(self._places.journal)
        for name, kind in self._kinds.items():
            if name != COORDINATOR:
                self._read_up(self._roles[name], kind, reader)

    def _read_up(self, role: Role, kind: str, reader: JournalReader) -> None:
        """Have a role read what was published; what it still owes is done."""
        guest = Guest(role.name, kind == ANALYSIS, self._framing.epoch, 0)
        for sent in self._coordinator.admit(guest):
            if isinstance(sent, Send) and isinstance(sent.message, Welcome):
                replay = Replay(role, sent.message, base_ids(self._plan))
                published = ((found.topic, found.message) for found in reader.all_envelopes())
                for effects in replay.effects(published):
                    self._perform(role, effects)

    def _play(self) -> None:
        coordinator = self._coordinator
        self._perform(coordinator, coordinator.on_time(clock.monotonic_ns()))
        for name, why in self._lost.items():
            self._perform(coordinator, coordinator.on_message(Drop(name, why)))
        self._perform(coordinator, coordinator.begin())
        while self._finished is None:
            now_ns = clock.monotonic_ns()
            if now_ns >= self._lines_due_ns:
                self._flush_logs(now_ns)
            self._perform(coordinator, coordinator.on_time(now_ns))
            if self._interrupted:
                self._interrupted = False
                self._interrupts.take()
                self._perform(coordinator, coordinator.on_message(Stop("interrupted")))
            elif self._queue:
                role, message = self._queue.popleft()
                self._hand_over(role, message)
            else:
                self._sleep()

    def _hand_over(self, role: Role, message: Message) -> None:
        self._acting = role.name
        started = clock.monotonic_ns()
        self._perform(role, role.on_message(message))
        self._vitals.handled(clock.monotonic_ns() - started)

    def _perform(self, role: Role, effects: Iterable[Effect]) -> None:
        self._acting = role.name
        for effect in effects:
            self._hands[type(effect)](effect)
        if self._logs[role.name].is_urgent:
            self._logs[role.name].flush()

    def _sleep(self) -> None:
        """Wait for the coordinator's deadline; without one nothing could ever happen again."""
        self._flush_logs(clock.monotonic_ns())
        if self._wake_at_ns is None:
            raise RoleError("the run is stuck: no message is on its way and no deadline is set")
        if self._interrupts.wait_until(self._wake_at_ns):
            return
        self._wake_at_ns = None
        self._perform(self._coordinator, self._coordinator.on_time(clock.monotonic_ns()))
        self._perform(self._coordinator, self._coordinator.on_wake())

    def _send(self, effect: Send) -> None:
        topic, message = effect
        if topic in topics.JOURNALED:
            keep(self._journal, topic, message, self._framing.encode(topic, message))
        if topic.startswith(("report/", "ingest/")):
            self._queue.append((self._coordinator, message))
        elif topic.startswith("command/"):
            self._on_command(message)
        else:
            self._queue.extend((role, message) for role in self._listeners.get(topic, ()))

    def _on_command(self, message: Message) -> None:
        if isinstance(message, Finished):
            self._finished = message
        elif isinstance(message, Progress):
            self._watch.on_progress(message)
            self._beat()
            self._show(self._snapshot(None))

    def _beat(self) -> None:
        """Say for every role what it has done; memory and processor are the whole process's."""
        now_ns, vitals = clock.monotonic_ns(), self._vitals
        self._freed.on_time(now_ns)
        rss_bytes, peak_bytes, cpu_ns = vitals.rss_bytes, vitals.peak_rss_bytes, vitals.cpu_ns
        for name, role in self._roles.items():
            self._watch.on_heartbeat(
                Heartbeat(name, role.windows, 0, role.bars, rss_bytes, peak_bytes, cpu_ns, 0, 0), now_ns
            )

    def _write(self, effect: Log) -> None:
        self._logs[self._acting].gather_one(effect.level, effect.text, effect.sim_ts)

    def _write_lines(self, effect: LogLines) -> None:
        self._logs[self._acting].gather(effect.texts, effect.sim_ts)

    def _flush_logs(self, now_ns: int) -> None:
        """Write the lines that wait: many at once take less time."""
        self._lines_due_ns = now_ns + LINES_NS
        for log in self._logs.values():
            log.flush()

    def _set_wake(self, effect: Wake) -> None:
        self._wake_at_ns = effect.at_ns

    def _snapshot(self, trouble: Trouble | None) -> RunStatus:
        lines = {name: self._line(name, role) for name, role in actor_roles(self._plan).items()}
        message = trouble.reason if trouble else "; ".join(self._lost.values()) or None
        return self._watch.snapshot(lines, "running", clock.monotonic_ns(), message, self._lost)

    def _line(self, name: str, role: str) -> ActorLine:
        if name in self._lost:
            return ActorLine(role, None, ActorState.FAILED)
        state = ActorState.RUNNING if name in self._roles else ActorState.SPAWNED
        return ActorLine(role, self._vitals.pid, ActorState.EXITED if self._finished else state)

    def _exit_code(self, trouble: Trouble | None) -> ExitCode:
        if trouble is not None:
            return ExitCode(trouble.exit_code)
        interrupted = self._finished is None or self._finished.interrupted
        if interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.ACTOR_FAILED if self._lost or has_failures(self._finished) else ExitCode.DONE

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Obey the first SIGINT or SIGTERM between two messages, the second at once."""
        self._interrupted = True
        leave_the_first(number, frame)


def _show_nothing(_status: RunStatus) -> None:
    """Wait for somebody who wants to see."""
