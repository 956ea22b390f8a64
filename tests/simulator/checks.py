"""What must hold at every step, whatever happens to the processes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from msgspec import structs

from actors.domain.roles import Effect, Role, Send
from actors.domain.session_plan import SessionPlan
from protocol import topics
from protocol.blocks import as_bars, as_quality, as_times
from protocol.codec import Envelope
from protocol.lifecycle import Phase
from protocol.messages import (
    Ack,
    Finished,
    Leave,
    Message,
    PhaseEvent,
    RawWindow,
    RunEnd,
    SealedWindow,
    SessionBars,
    SessionReport,
    Signal,
    Signals,
    StreamClosed,
)
from tests.simulator.memory import Disk, Rows, by_actor

TIMES: Final = ("phase_wall_ns", "lag_ns", "dropped")
"""Fields of the verdict that speak of the wall clock or of who is gone."""


class Violation(BaseException):
    """Something that must hold does not."""


def require(holds: object, what: str, *found: object) -> None:
    """Raise Violation where something does not hold."""
    if not holds:
        raise Violation(" ".join((what, *map(str, found))))


class Stretch:
    """Records of a whole run by the step that makes them known, to compare windows with."""

    def __init__(self, steps: Sequence[int], records: np.ndarray[Any, Any], by: str) -> None:
        self._records = records
        self._ends = np.searchsorted(records[by], np.array(steps, dtype=np.int64), side="right").tolist()

    def between(self, start: int, stop: int) -> bytes:
        """Give the records of steps `start` to `stop`, as they are in a window."""
        first = self._ends[start - 1] if start else 0
        return self._records[first : self._ends[stop - 1]].tobytes()


@dataclass(frozen=True)
class Reference:
    """An undisturbed run of the same market."""

    finished: Finished
    steps: tuple[int, ...]
    bars: Stretch
    quality: Stretch
    signals: Mapping[str, tuple[Signal, ...]]
    reports: tuple[tuple[int, ...], ...]
    tables: Mapping[str, Rows]

    @classmethod
    def of(cls, messages: Iterable[Message], finished: Finished, tables: Mapping[str, Rows]) -> "Reference":
        """Take what a run has left."""
        kept = list(messages)
        windows = [message for message in kept if isinstance(message, SealedWindow)]
        steps = tuple(step for window in windows for step in as_times(window.steps).tolist())
        signals: dict[str, tuple[Signal, ...]] = {}
        for said in (message for message in kept if isinstance(message, Signals)):
            signals[said.actor] = signals.get(said.actor, ()) + said.signals
        return cls(
            finished=finished,
            steps=steps,
            bars=Stretch(steps, np.concatenate([as_bars(window.block) for window in windows]), "close_ts"),
            quality=Stretch(
                steps, np.concatenate([as_quality(window.quality) for window in windows]), "event_ts"
            ),
            signals=signals,
            reports=_reports(kept),
            tables=tables,
        )


def _reports(messages: Iterable[Message]) -> tuple[tuple[int, ...], ...]:
    """Give of every session's report what does not depend on how windows are cut."""
    reports = (message for message in messages if isinstance(message, SessionReport))
    return tuple((one.session, one.steps, one.iterations, one.bars) for one in reports)


class Checks:
    """The rules of a whole run."""

    def __init__(self, plan: SessionPlan, reference: Reference | None) -> None:
        """Compare with a reference, where there is one yet."""
        self.reference = reference
        self.sealed_ts = 0
        """Up to where the coordinator has sealed."""
        self.excluded: set[str] = set()
        """Engines that the supervisor has given up."""
        self._plan = plan
        self._acked = {spec.actor: -1 for spec in plan.strategies}
        self._heard: dict[tuple[int, str], int] = {}
        self._streaming = -1
        self._epoch = -1

    def on_started(self, actor: str, epoch: int) -> None:
        """Check a new process's epoch; the first ones of a life share theirs."""
        require(epoch > self._epoch, "no new epoch for", actor, epoch)

    def on_epoch(self, epoch: int) -> None:
        """Take note of the highest epoch given so far."""
        self._epoch = max(self._epoch, epoch)

    def on_accepted(self, receiver: int, envelope: Envelope) -> None:
        """Check that nothing of a dead process is heard after its successor."""
        sender, epoch = (receiver, envelope.sender), envelope.stamp.epoch
        require(epoch >= self._heard.get(sender, epoch), "a dead process is heard:", envelope)
        self._heard[sender] = epoch

    def on_writing(self, message: Message) -> None:
        """Take note of how far the coordinator has come, be it published or only in the journal."""
        if isinstance(message, SealedWindow):
            self.sealed_ts = max(self.sealed_ts, int(as_times(message.steps)[-1]))
        elif isinstance(message, PhaseEvent) and message.phase == Phase.STREAMING:
            self._streaming = message.session

    def on_published(self, topic: str, message: Message, frame: bytes, disk: Disk) -> None:
        """Check what the coordinator sends."""
        if topic in topics.JOURNALED:
            require(disk.last_frame is frame, "published before it was appended:", message)
        if isinstance(message, RawWindow):
            behind = {actor: seq for actor, seq in self._acked.items() if actor not in self.excluded}
            late = [actor for actor, seq in behind.items() if message.seq - seq > self._plan.flow.credit]
            require(not late, f"window {message.seq} is beyond the credit of", late, behind)

    def on_delivered(self, message: SessionBars) -> None:
        """Check how far ahead the loader is."""
        limit = self._streaming + self._plan.flow.prefetch_sessions
        require(message.session <= limit, f"session {message.session} was read ahead of", limit)

    def on_acknowledged(self, actor: str, seq: int) -> None:
        """Take note of what an engine has answered; in a replay it does so again."""
        if actor in self._acked:
            self._acked[actor] = max(seq, self._acked[actor])

    def on_attached(self, actor: str, next_seq: int) -> None:
        """Wait for an attached member from here on."""
        self._acked[actor] = next_seq - 1

    def on_let_go(self, actor: str) -> None:
        """Wait for an attached member no more."""
        if all(actor != spec.actor for spec in self._plan.strategies):
            self._acked.pop(actor, None)

    def on_new_life(self, disk: Disk) -> None:
        """Forget what the journal does not know; it must be readable as it is."""
        windows = check_journal(disk.envelopes())
        self._acked = {
            spec.actor: min(self._acked[spec.actor], windows - 1) for spec in self._plan.strategies
        }
        self.excluded.clear()

    def at_end(self, finished: Finished, disk: Disk, tables: Mapping[str, Rows]) -> None:
        """Compare a run that is done with the reference; engines that were given up are left out."""
        check_journal(disk.envelopes())
        messages = [envelope.message for envelope in disk.envelopes()]
        check_phases(messages, len(self._plan.sessions))
        if self.reference is None:
            return
        expected = self.reference
        require(_reports(messages) == expected.reports, "session reports differ:", _reports(messages))
        left_out = set(TIMES + _OF_ENGINES if self.excluded else TIMES)
        mine, theirs = structs.asdict(finished), structs.asdict(expected.finished)
        for name in mine.keys() - left_out:
            require(mine[name] == theirs[name], f"{name} differs:", mine[name], "is not", theirs[name])
        self._check_tables(tables, expected.tables)

    def _check_tables(self, tables: Mapping[str, Rows], expected: Mapping[str, Rows]) -> None:
        for path, rows in expected.items():
            owner = path.partition("/")[0]
            if not self.excluded or owner not in (*self.excluded, "recorder"):
                require(by_actor(tables.get(path, {})) == by_actor(rows), "table differs:", path)
        mine = {path for path in tables if not path.startswith("guest")}
        if not self.excluded:
            require(mine == expected.keys(), "other tables:", mine ^ expected.keys())


_OF_ENGINES: Final = ("signals", "signals_digest", "signals_digests", "verdicts")


@dataclass
class Witness:
    """A role, and what it may see and say from its first message on."""

    role: Role
    checks: Checks
    speaks_as: str
    """The engine of the reference that it is compared with."""
    position: int = 0
    said: int = 0
    subscriptions: tuple[str, ...] = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.subscriptions, self.name = self.role.subscriptions, self.role.name

    @property
    def windows(self) -> int:
        return self.role.windows

    @property
    def bars(self) -> int:
        return self.role.bars

    def on_message(self, message: Message) -> Iterator[Effect]:
        """Hand a message on, and check it and all that follows from it."""
        if isinstance(message, RawWindow | SealedWindow):
            self._on_window(message)
        for effect in self.role.on_message(message):
            if isinstance(effect, Send):
                self._on_said(effect.message)
            yield effect

    def _on_window(self, window: RawWindow | SealedWindow) -> None:
        steps = tuple(as_times(window.steps).tolist())
        start, stop = self.position, self.position + len(steps)
        self.position = stop
        reference = self.checks.reference
        if reference is None:
            return
        require(steps == reference.steps[start:stop], f"{self.name} sees other steps in", window.seq, start)
        if isinstance(window, SealedWindow):
            require(
                steps[-1] <= self.checks.sealed_ts, f"{self.name} sees beyond what is sealed:", window.seq
            )
            same = window.block.records == reference.bars.between(start, stop)
            require(same, f"{self.name} sees other bars in window", window.seq)
            same = window.quality.records == reference.quality.between(start, stop)
            require(same, f"{self.name} sees another quality in window", window.seq)

    def _on_said(self, message: Message) -> None:
        if isinstance(message, SessionBars):
            self.checks.on_delivered(message)
        if not isinstance(message, Ack | Leave):
            return
        reference = self.checks.reference
        if reference is None or self._is_broken_off(message, reference):
            return
        if message.signals:
            expected = reference.signals.get(self.speaks_as, ())
            self.said += len(message.signals)
            same = message.signals == expected[self.said - len(message.signals) : self.said]
            require(same, f"{self.name} gives other signals:", message)

    def _is_broken_off(self, message: Message, reference: Reference) -> bool:
        """Whether these are the words at the end of a run that was interrupted; they are cut off again."""
        return isinstance(message, Leave) and self.position < len(reference.steps)


def check_journal(envelopes: Iterable[Envelope]) -> int:
    """Check that every window and every word is there once, in the order of epochs; count the windows."""
    windows, epoch, said = 0, 0, set()
    for envelope in envelopes:
        require(envelope.stamp.epoch >= epoch, "the journal goes back to epoch", envelope.stamp)
        epoch = envelope.stamp.epoch
        message = envelope.message
        if isinstance(message, SealedWindow):
            require(message.seq == windows, f"the journal has window {message.seq} in place of", windows)
            windows += 1
        elif isinstance(message, Signals):
            require((message.actor, message.seq) not in said, "signals twice:", message)
            said.add((message.actor, message.seq))
    return windows


def check_phases(messages: Sequence[Message], sessions: int) -> None:
    """Check that every phase of every session began once and was complete once, and how it all ended."""
    events = [(one.session, one.phase, one.state) for one in messages if isinstance(one, PhaseEvent)]
    expected = [
        (session, phase.value, state)
        for session in range(sessions)
        for phase in Phase
        for state in ("started", "complete")
    ]
    require(events == expected, "other phases:", events)
    ends = [type(one) for one in messages if isinstance(one, RunEnd | StreamClosed)]
    require(ends == [RunEnd, StreamClosed], "other ends:", ends)
    require(isinstance(messages[-1], StreamClosed), "something comes after the end:", messages[-1])
