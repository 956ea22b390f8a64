"""The barrier: at most `credit` windows are between being cut and being handled by every member.

1. A window is launched only while there is credit.
2. It is sealed once the processor and the quality manager have both answered, in the order of launch; those
   of a session that has not begun wait for it.
3. It has landed once every member has acknowledged it, in the order of launch; that returns its credit.
4. A member that is dropped owes nothing any more, not even for windows under way.
5. An actor whose process was replaced owes what its predecessor did: a member its acknowledgements, the
   processor and the quality manager their part of every window that is not sealed.
6. A new member owes the windows that are sealed from now on.
7. Answers and acknowledgements count up by one per actor. Anything else is an error, never a guess.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from actors.domain.roles import LogLines, RoleError
from protocol.messages import Derived, Quality, RawWindow, SealedWindow


class OutOfTurn(RoleError):
    """An actor answered a window that was not its next one."""

    def __init__(self, actor: str, expected: int, received: int) -> None:
        """Keep the actor and both window numbers."""
        super().__init__(f"{actor} answered window {received} where {expected} was due")
        self.actor = actor
        self.expected = expected
        self.received = received


@dataclass
class Flight:
    """A window under way, and what it still waits for."""

    window: RawWindow
    owed_by: set[str]
    derived: Derived | None = None
    quality: Quality | None = None
    sealed: bool = False
    joined: SealedWindow | None = None
    """What is to be published, where it was made before it may be."""
    lines: LogLines | None = None
    """What is to be logged once everyone has handled it."""

    @property
    def is_complete(self) -> bool:
        """Whether both parts are there."""
        return self.derived is not None and self.quality is not None


@dataclass
class Barrier:
    """The windows in flight, oldest first."""

    members: tuple[str, ...]
    credit: int
    processor: str = "processor"
    quality: str = "quality"
    _flights: deque[Flight] = field(default_factory=deque)
    _due: dict[str, int] = field(default_factory=dict)
    _oldest_seq: int = 0

    @property
    def in_flight(self) -> int:
        """How many windows are under way."""
        return len(self._flights)

    def has_landed(self, session: int) -> bool:
        """Whether no window of a session, or of one before it, is under way."""
        return not self._flights or self._flights[0].window.session > session

    def is_ahead(self, session: int) -> bool:
        """Whether a window of a later session is under way."""
        return bool(self._flights) and self._flights[-1].window.session > session

    @property
    def has_credit(self) -> bool:
        """Whether another window may be launched."""
        return len(self._flights) < self.credit

    @property
    def next_seq(self) -> int:
        """The first window that is not sealed."""
        return self._oldest_seq + sum(flight.sealed for flight in self._flights)

    def restore(self, windows: Iterable[RawWindow], next_seq: int) -> None:
        """Take up the run's last sealed windows, which perhaps not everyone has handled."""
        self._flights = deque(Flight(window, set(self.members), sealed=True) for window in windows)
        self._oldest_seq = next_seq - len(self._flights)
        self._due = dict.fromkeys(self.members, self._oldest_seq)
        self._due |= {self.processor: next_seq, self.quality: next_seq}

    def admit(self, actor: str) -> int:
        """Wait for a member, new or of a new process; give the first window it has to acknowledge."""
        if actor not in self.members:
            self.members = (*self.members, actor)
            self._due[actor] = self.next_seq
            for flight in self._flights:
                if not flight.sealed:
                    flight.owed_by.add(actor)
        return self._due.get(actor, 0)

    def readmit(self, actor: str) -> list[RawWindow]:
        """Ask a new process of the processor or the quality manager again; give the windows it answers."""
        self._due[actor] = self.next_seq
        unsealed = [flight for flight in self._flights if not flight.sealed]
        for flight in unsealed:
            if actor == self.processor:
                flight.derived = None
            else:
                flight.quality = None
            flight.joined = None
        return [flight.window for flight in unsealed]

    def launch(self, window: RawWindow) -> None:
        """Take note of a window that goes out."""
        if not self._flights:
            self._oldest_seq = window.seq
        self._flights.append(Flight(window, set(self.members)))

    def on_derived(self, message: Derived) -> bool:
        """Take the processor's part; say whether the quality manager's is there."""
        flight = self._flight(self.processor, message.seq)
        flight.derived = message
        return flight.is_complete

    def on_quality(self, message: Quality) -> bool:
        """Take the quality manager's part; say whether the processor's is there."""
        flight = self._flight(self.quality, message.seq)
        flight.quality = message
        return flight.is_complete

    def on_ack(self, actor: str, seq: int) -> None:
        """Take a member's acknowledgement."""
        flight = self._flight(actor, seq)
        if not flight.sealed or actor not in flight.owed_by:
            raise RoleError(f"{actor} acknowledged window {seq}, which was not sealed or not its own")
        flight.owed_by.discard(actor)

    def drop(self, actor: str) -> None:
        """Wait for a member no more.

        Raises RoleError where it is none.
        """
        if actor not in self.members:
            raise RoleError(f"{actor} cannot be dropped: the clock does not wait for it")
        self.members = tuple(member for member in self.members if member != actor)
        for flight in self._flights:
            flight.owed_by.discard(actor)

    def take_sealable(self, session: int) -> Iterator[Flight]:
        """Yield, in order, the windows up to a session's that are complete now; each is yielded once."""
        for flight in self._flights:
            if flight.sealed:
                continue
            if not flight.is_complete or flight.window.session > session:
                return
            flight.sealed = True
            yield flight

    def ready_ahead(self) -> Iterator[Flight]:
        """Yield, in order, the windows that are complete and may not be sealed yet."""
        for flight in self._flights:
            if flight.sealed:
                continue
            if not flight.is_complete:
                return
            yield flight

    def take_landed(self) -> Iterator[Flight]:
        """Yield, in order, the windows that everyone has handled, and return their credit."""
        while self._flights and self._flights[0].sealed and not self._flights[0].owed_by:
            self._oldest_seq += 1
            yield self._flights.popleft()

    def waiting_for(self) -> tuple[str, ...]:
        """Name whom the oldest window waits for, sorted."""
        return tuple(sorted(self._owing())) if self._flights else ()

    def owed(self) -> Mapping[str, int]:
        """Count, for everyone who answers windows, those that are in its hands."""
        owed = dict.fromkeys((self.processor, self.quality, *self.members), 0)
        for flight in self._flights:
            owed[self.processor] += flight.derived is None
            owed[self.quality] += flight.quality is None
            for member in flight.owed_by if flight.sealed else ():
                owed[member] += 1
        return owed

    def _owing(self) -> Iterable[str]:
        oldest = self._flights[0]
        if oldest.sealed:
            return oldest.owed_by
        parts = ((self.processor, oldest.derived), (self.quality, oldest.quality))
        return [actor for actor, part in parts if part is None]

    def _flight(self, actor: str, seq: int) -> Flight:
        expected = self._due.get(actor, 0)
        place = seq - self._oldest_seq
        if seq != expected or not 0 <= place < len(self._flights):
            raise OutOfTurn(actor, expected, seq)
        self._due[actor] = seq + 1
        return self._flights[place]
