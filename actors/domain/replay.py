"""Bring a role up to date from the journal: what it says again is held back, what it still owes is said.

A role that has read the same messages in the same order is in the same state. A strategy that then gives
other signals than its predecessor gave does not depend on its input alone, and the run cannot go on with it.
"""

from collections.abc import Iterable, Iterator

from actors.domain.roles import Effect, Role, RoleError, Send
from actors.domain.sealing import Streams, unseal
from protocol import topics
from protocol.messages import Ack, Derived, Message, Quality, SealedWindow, Signal, Signals, Welcome


class NotRepeatable(RoleError):
    """A strategy gave other signals from the journal than it had given live."""

    def __init__(self, actor: str, seq: int, before: int, now: int) -> None:
        """Keep the window and how many signals there were."""
        super().__init__(
            f"{actor} gave other signals for window {seq} ({now}) when replayed from the journal than it "
            f"had given before ({before}): the strategy depends on more than its bars, such as the time or "
            "unseeded random numbers, so the run cannot go on with it"
        )
        self.actor = actor
        self.seq = seq


class Replay:
    """One role that reads up."""

    def __init__(self, role: Role, welcome: Welcome, base: Streams, *, attached: bool = False) -> None:
        """Replay for a role that was welcomed; `base` holds the ids of the base streams.

        One that is attached has said nothing before: all that it logs is new, and no signals are compared.
        """
        self._role = role
        self._welcome = welcome
        self._base = base
        self._attached = attached
        self._given: dict[int, tuple[Signal, ...]] = {}
        self._published: dict[int, tuple[Signal, ...]] = {}

    def effects(self, published: Iterable[tuple[str, Message]]) -> Iterator[list[Effect]]:
        """Yield for every record of the journal, given as topic and message, what is to be done now.

        Raises NotRepeatable, and what the role raises.
        """
        for topic, message in published:
            if isinstance(message, Signals) and message.actor == self._role.name:
                self._published[message.seq] = message.signals
            for heard in self._heard(topic, message):
                yield self._due(list(self._role.on_message(heard)))
        self._compare()

    def _heard(self, topic: str, message: Message) -> Iterator[Message]:
        """Give what the role would have received live."""
        if topic in self._role.subscriptions:
            yield message
        if isinstance(message, SealedWindow) and topics.RAW in self._role.subscriptions:
            yield unseal(message, self._base)

    def _due(self, effects: list[Effect]) -> list[Effect]:
        due = [effect for effect in effects if not isinstance(effect, Send) or self._is_owed(effect.message)]
        says = any(isinstance(effect, Send) for effect in due)
        return due if says or self._attached else []

    def _is_owed(self, message: Message) -> bool:
        if not isinstance(message, Ack):
            return not isinstance(message, Derived | Quality)
        if message.signals:
            self._given[message.seq] = message.signals
        return message.seq >= self._welcome.next_ack

    def _compare(self) -> None:
        if self._attached:
            return
        for seq in sorted(self._given.keys() | self._published.keys()):
            before, now = self._published.get(seq, ()), self._given.get(seq, ())
            is_known = seq < self._welcome.next_ack or seq in self._published
            if is_known and seq < self._welcome.next_seq and before != now:
                raise NotRepeatable(self._role.name, seq, len(before), len(now))
