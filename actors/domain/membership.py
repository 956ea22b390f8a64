"""Who takes part in a run: let in at the start and later, dropped where it is given up, let go once it left.

One that the plan does not know is attached: the clock may wait for it, but no result knows of it.
"""

from collections.abc import Iterator
from typing import Final

from actors.domain.account import Account
from actors.domain.barrier import Barrier
from actors.domain.ending import Ending
from actors.domain.lobby import Guest
from actors.domain.roles import Effect, Log, RoleError, Send
from actors.domain.session_plan import SessionPlan
from protocol import topics
from protocol.messages import Ack, Drop, Leave, Message, Welcome

LOADER: Final = "loader"
RECORDER: Final = "recorder"


class Membership:
    """The actors that the barrier and the end of the run wait for."""

    def __init__(self, plan: SessionPlan, account: Account, barrier: Barrier) -> None:
        """Wait for those of the plan."""
        self._planned = frozenset(spec.actor for spec in plan.strategies)
        self._account = account
        self._barrier = barrier
        self._stage_1 = (barrier.processor, barrier.quality)
        self._gone: set[str] = set()
        """Attached actors that the supervisor has given up; one may still knock."""
        self.ending = Ending((*barrier.members, *self._stage_1), RECORDER)

    def is_planned(self, actor: str) -> bool:
        """Whether an actor's signals are the run's."""
        return actor in self._planned

    def is_attached(self, actor: str) -> bool:
        """Whether the clock waits for an actor that the plan does not know."""
        return actor in self._barrier.members and actor not in self._planned

    def handles_raw(self, actor: str) -> bool:
        """Whether an actor handles raw windows."""
        return actor in self._stage_1

    def is_heard(self, message: Message) -> bool:
        """Whether the sender was not given up; one that was dropped may still have words on the way."""
        if not isinstance(message, Ack | Leave):
            return True
        return message.actor in (*self._barrier.members, *self._stage_1, RECORDER)

    def admit(self, guest: Guest, records: int) -> Iterator[Send]:
        """Welcome an actor, and send it the windows that it has to answer again."""
        actor = guest.actor
        again: list[Message] = []
        next_ack = 0
        if actor in self._stage_1:
            again += self._barrier.readmit(actor)
            self.ending.admit(actor)
        elif actor == RECORDER:
            self.ending.admit(actor)
        elif actor != LOADER and guest.member and actor not in (*self._account.dropped, *self._gone):
            next_ack = self._barrier.admit(actor)
            self.ending.admit(actor)
        welcome = Welcome(actor, guest.nonce, self._barrier.next_seq, next_ack, records)
        for message in (welcome, *again):
            yield Send(topics.to(actor), message)

    def drop(self, message: Drop, clock_ts: int) -> Iterator[Effect]:
        """Wait no more for a member that is given up, nor hear it."""
        actor = message.actor
        if not self.is_planned(actor):
            self._gone.add(actor)
        if self.is_attached(actor):
            yield from self.let_go(actor, message.reason)
        elif actor in self._barrier.members:
            yield Log("ERROR", f"{actor} is dropped, the run goes on without it: {message.reason}")
            self._account.dropped[actor] = clock_ts
            self._forget(actor)

    def let_go(self, actor: str, why: str) -> Iterator[Effect]:
        """Wait no more for an attached member."""
        self._forget(actor)
        yield Log("INFO", f"The clock does not wait for {actor} any more: {why}")

    def expel(self, message: Message, error: RoleError) -> Iterator[Effect]:
        """Wait no more for an attached member that says what cannot be; none of the run's own actors may.

        Raises RoleError.
        """
        if not isinstance(message, Ack | Leave) or not self.is_attached(message.actor):
            raise error
        yield from self.let_go(message.actor, str(error))

    def _forget(self, actor: str) -> None:
        self._barrier.drop(actor)
        self.ending.drop(actor)
