"""Let everyone in before the run begins: both directions of every path are proven, nothing is timed.

An actor is welcomed once its `Join` has come and its subscription to `to/<actor>`, which it makes last, is
seen; it is in once it has answered with the nonce of its welcome.
"""

from collections.abc import Iterable, Iterator

from actors.domain.roles import RoleError, Send
from protocol import topics
from protocol.messages import Join, Ready, Welcome


class Lobby:
    """Who is expected, who is at the door, who is in."""

    def __init__(self, expected: Iterable[str], nonce: int) -> None:
        """Expect these actors; the nonce is any number that an earlier run did not use."""
        self._expected = frozenset(expected)
        self._nonce = nonce
        self._joined: set[str] = set()
        self._subscribed: set[str] = set()
        self._welcomed: set[str] = set()
        self._ready: set[str] = set()

    @property
    def is_complete(self) -> bool:
        """Whether everyone expected is in."""
        return self._ready == self._expected

    @property
    def missing(self) -> tuple[str, ...]:
        """Who is not in yet, sorted."""
        return tuple(sorted(self._expected - self._ready))

    def on_subscription(self, topic: str) -> Iterator[Send]:
        """Take note of a subscription that has arrived."""
        self._subscribed.add(topic)
        yield from self._welcome()

    def on_join(self, message: Join) -> Iterator[Send]:
        """Take note of a join.

        Raises RoleError for an actor that is not expected or is there already.
        """
        if message.actor not in self._expected or message.actor in self._joined:
            raise RoleError(f"{message.actor} wants to join but is not expected, or has joined already")
        self._joined.add(message.actor)
        yield from self._welcome()

    def on_ready(self, message: Ready) -> None:
        """Let an actor in.

        Raises RoleError where the nonce is not the one it was given.
        """
        if message.actor not in self._welcomed or message.nonce != self._nonce:
            raise RoleError(f"{message.actor} says it is ready without having been welcomed")
        self._ready.add(message.actor)

    def _welcome(self) -> Iterator[Send]:
        for actor in sorted(self._joined - self._welcomed):
            if topics.to(actor) in self._subscribed:
                self._welcomed.add(actor)
                yield Send(topics.to(actor), Welcome(actor, self._nonce, 0))
