"""Let actors in, at the start and later: both directions of every path are proven, nothing is timed.

1. An actor is to be welcomed once its `Join` has come and the mark that it subscribes to last is seen.
2. It is in once it has answered with the nonce of its welcome.
3. One that the plan does not know has to be invited by the supervisor, which watches it: nobody else may make
   the clock wait.
4. A process of a later epoch takes the place of an earlier one of the same name. Anything else that does not
   fit is said and left at that: a stranger's nonsense is no reason to end a run.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from actors.domain.roles import Log
from protocol import topics
from protocol.messages import Invite, Join, Ready

MAX_MARKS: Final = 100_000
"""How many subscriptions are remembered."""


MAX_UNINVITED: Final = 256
"""How many joins may wait for an invitation."""


class Guest(NamedTuple):
    """An actor whose paths to us are open and who is to be welcomed now."""

    actor: str
    member: bool
    epoch: int
    nonce: int


class Lobby:
    """Who is expected, who is at the door, who is in."""

    def __init__(self, expected: Iterable[str], nonce: int) -> None:
        """Expect these actors; the nonce is any number that an earlier run did not use."""
        self._expected = frozenset(expected)
        self._nonce = nonce
        self._joined: dict[str, Guest] = {}
        self._invited: dict[str, int] = {}
        self._uninvited: dict[str, Join] = {}
        self._marks: set[str] = set()
        self._welcomed: set[str] = set()
        self._ready: set[str] = set()

    @property
    def is_complete(self) -> bool:
        """Whether everyone expected is in."""
        return self._ready >= self._expected

    @property
    def missing(self) -> tuple[str, ...]:
        """Who is not in yet, sorted."""
        return tuple(sorted(self._expected - self._ready))

    def on_subscription(self, topic: str) -> Iterator[Guest]:
        """Take note of a subscription that has arrived."""
        if len(self._marks) < MAX_MARKS:
            self._marks.add(topic)
        yield from self._welcome()

    def on_invite(self, message: Invite) -> Iterator[Guest | Log]:
        """Take note of an invitation; its guest may be at the door already."""
        self._invited[message.actor] = message.epoch
        join = self._uninvited.pop(message.actor, None)
        if join is not None:
            yield from self.on_join(join)

    def on_join(self, message: Join) -> Iterator[Guest | Log]:
        """Take note of a join; an actor of a later epoch is let in anew."""
        actor, epoch = message.actor, message.epoch
        if actor not in self._expected and self._invited.get(actor) != epoch:
            if len(self._uninvited) < MAX_UNINVITED:
                self._uninvited[actor] = message
            return
        before = self._joined.get(actor)
        if before is not None and epoch <= before.epoch:
            yield Log("WARNING", f"Dropped: {actor} wants to join (epoch {epoch}), but has joined already")
            return
        self._joined[actor] = Guest(actor, message.member, epoch, self._nonce)
        self._welcomed.discard(actor)
        self._ready.discard(actor)
        yield from self._welcome()

    def on_ready(self, message: Ready) -> Iterator[Log]:
        """Let an actor in."""
        if message.actor in self._welcomed and message.nonce == self._nonce:
            self._ready.add(message.actor)
        else:
            yield Log("WARNING", f"Dropped: {message.actor} says it is ready without having been welcomed")

    def _welcome(self) -> Iterator[Guest]:
        for actor, guest in sorted(self._joined.items()):
            mark = topics.mark(actor, guest.epoch)
            if actor not in self._welcomed and mark in self._marks:
                self._welcomed.add(actor)
                self._marks.discard(mark)
                yield guest
