"""The shell of the coordinator's process: lets everyone in, tells the time, and keeps the journal."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from actors.domain.lobby import Guest, Lobby
from actors.domain.roles import Done, Effect, Log, Role, Send
from actors.runtime import clock
from actors.runtime.framing import Journal, publish
from actors.runtime.remote import Admitted
from actors.runtime.shell import NotLetIn, Shell, Surroundings
from actors.runtime.transport import Arrival, Broken, Rejected, Subscription
from protocol.codec import Envelope
from protocol.messages import Attached, Drop, Hello, Invite, Join, Message, Ready, Stop


class TimedRole(Role, Protocol):
    """A role that is told the time: the coordinator."""

    def begin(self) -> Iterable[Effect]:
        """Start: everyone is there."""
        ...

    def on_time(self, now_ns: int) -> Iterable[Effect]:
        """Learn the time."""
        ...

    def on_wake(self) -> Iterable[Effect]:
        """A deadline has come."""
        ...

    def admit(self, guest: Guest) -> Iterable[Effect]:
        """Welcome an actor."""
        ...


class CoordinatorShell(Shell):
    """The coordinator's loop: binds, lets everyone in, tells the time, keeps the journal."""

    _role: TimedRole

    def __init__(self, role: TimedRole, around: Surroundings, journal: Journal, lobby: Lobby) -> None:
        """Put the coordinator into its surroundings."""
        super().__init__(role, around)
        self._journal = journal
        self._lobby = lobby
        self._doors: dict[type[Message], Callable[[Any], Iterable[Guest | Log]]] = {
            Invite: lobby.on_invite,
            Join: lobby.on_join,
            Ready: lobby.on_ready,
        }
        self._early: list[Message] = []
        """What has come before the run began: an actor that was let in need not wait for the others."""
        self._done = False
        self._knows_time = False
        """Whether the role was told the time within this turn."""

    def _greet(self) -> None:
        """Say hello; the sockets are bound already. Let everyone in, then begin."""
        self._tell(Hello(self._role.name, self._vitals.pid))
        deadline_ns = clock.monotonic_ns() + round(self._around.greeting_s * 1e9)
        while not self._lobby.is_complete and not self._stopped:
            if clock.monotonic_ns() > deadline_ns:
                raise NotLetIn(self._role.name, ", ".join(self._lobby.missing), self._around.greeting_s)
            for arrival in self._link.poll(min(self._around.heartbeat_s, self._around.greeting_s)):
                self._attend(arrival)
            self._beat_if_due()
        self._tell(Attached(self._role.name))
        if not self._stopped:
            self._perform(self._role.on_time(clock.monotonic_ns()))
            self._perform(self._role.begin())
            for message in self._early:
                self._on_message(message)
            self._early.clear()

    def _attend(self, arrival: Arrival) -> None:
        """Take what arrives before the run begins; who has read up already may answer before all are in."""
        message = arrival.message if isinstance(arrival, Envelope) else None
        if isinstance(message, Stop):
            self._stopped = True
        elif message is None or isinstance(message, Invite | Join | Ready):
            self._take(arrival)
        else:
            self._early.append(message)

    def _take(self, arrival: Arrival) -> None:
        if isinstance(arrival, Envelope):
            self._on_message(arrival.message)
        elif isinstance(arrival, Subscription):
            self._let_in(self._lobby.on_subscription(arrival.topic))
        elif isinstance(arrival, Admitted):
            self._log.write("INFO", f"Remote observer {arrival.name} listens")
        elif isinstance(arrival, Broken):
            self._write_rejected(Rejected(arrival.reason, arrival.actor))
            self._handle(Drop(arrival.actor, arrival.reason))
        else:
            super()._take(arrival)

    def _let_in(self, found: Iterable[Guest | Log]) -> None:
        for item in found:
            self._perform(self._role.admit(item) if isinstance(item, Guest) else (item,))

    def _on_message(self, message: Message) -> None:
        door = self._doors.get(type(message))
        if door is not None:
            self._let_in(door(message))
        elif isinstance(message, Stop) and self._done:
            self._stopped = True
        else:
            self._handle(message)

    def _handle(self, message: Message) -> None:
        self._perform(self._role.on_time(clock.monotonic_ns()))
        self._knows_time = True
        super()._handle(message)

    def _on_turn(self) -> None:
        now_ns = clock.monotonic_ns()
        is_due = self._wake_at_ns is not None and now_ns >= self._wake_at_ns
        if is_due or not self._knows_time:
            self._perform(self._role.on_time(now_ns))
        self._knows_time = False
        if is_due:
            self._wake_at_ns = None
            self._perform(self._role.on_wake())

    def _send(self, effect: Send) -> None:
        frame = self._link.encode(effect.topic, effect.message)
        publish(self._journal, effect.topic, effect.message, frame, self._link.send)

    def _finish(self, _: Done) -> None:
        self._done = True
