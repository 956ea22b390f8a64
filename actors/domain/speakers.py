"""Who may say what to the coordinator. The sockets for it take frames from whoever can open them.

1. An actor of the plan is heard in its role's words, and in its own name only.
2. Anyone else is heard once it has joined: it may say what an engine says, and nothing it does can end a run.
3. What does not fit is no reason to end a run: it is refused, with who claims to have sent it.
"""

from collections.abc import Mapping
from typing import Final

from protocol.codec import Envelope
from protocol.messages import (
    Ack,
    Derived,
    Join,
    Leave,
    LoadFailed,
    LoadReport,
    Message,
    Quality,
    Ready,
    SessionBars,
)

MAX_GUESTS: Final = 256
"""How many who are not of the plan may be in at once."""
_CHANNELS: Final = ("report", "ingest")
_WORDS: Final[Mapping[str, tuple[type[Message], ...]]] = {
    "loader": (Join, Ready, SessionBars, LoadReport, LoadFailed),
    "processor": (Join, Ready, Derived, Leave),
    "quality": (Join, Ready, Quality, Leave),
    "analysis": (Join, Ready, Ack, Leave),
    "recorder": (Join, Ready, Leave),
}
_GUEST: Final = "analysis"


class Speakers:
    """Those whom the coordinator listens to."""

    def __init__(self, roles: Mapping[str, str]) -> None:
        """Know the actors of the plan, by name, with their roles."""
        self._roles = roles
        self._guests: set[str] = set()

    def is_planned(self, name: str) -> bool:
        """Whether a name is that of an actor of the plan."""
        return name in self._roles

    def refusal(self, envelope: Envelope) -> str | None:
        """Say why a frame is not heard; None where it is. A join makes a guest of whoever is unknown."""
        channel, sender, message = envelope.topic.partition("/")[0], envelope.sender, envelope.message
        kind = type(message).__name__
        if channel not in _CHANNELS:
            return f"{kind} on {envelope.topic}, which is not sent to the coordinator"
        if getattr(message, "actor", sender) != sender:
            return f"{kind} from {sender}, which speaks for {message.actor}"  # type: ignore[attr-defined]
        if not isinstance(message, _WORDS.get(self._roles.get(sender, _GUEST), ())):
            return f"{kind} from {sender}, which has no such thing to say"
        return None if sender in self._roles or self._is_guest(sender, message) else f"{kind} from {sender}"

    def expel(self, name: str) -> None:
        """Listen to a guest no more, until it joins again."""
        self._guests.discard(name)

    def _is_guest(self, sender: str, message: Message) -> bool:
        if isinstance(message, Join) and len(self._guests) < MAX_GUESTS:
            self._guests.add(sender)
        return sender in self._guests
