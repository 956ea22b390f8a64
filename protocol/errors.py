"""What can be wrong with a frame or a record; every error carries its data."""


class ProtocolError(Exception):
    """Somebody else's bytes are wrong. The frame is dropped and its sender named."""


class MalformedFrame(ProtocolError):
    """A frame that does not follow the layout of `docs/protocol.md`."""

    def __init__(self, sender: str, reason: str) -> None:
        """Name the sender as far as it is known, and what is wrong."""
        super().__init__(f"malformed frame from {sender or 'an unknown sender'}: {reason}")
        self.sender = sender
        self.reason = reason


class UnwelcomeFrame(ProtocolError):
    """A well-formed frame that its sender has no business sending here."""

    def __init__(self, sender: str, reason: str) -> None:
        """Name the sender, and what it sent."""
        super().__init__(reason)
        self.sender = sender
        self.reason = reason


class ForeignFrame(ProtocolError):
    """A well-formed frame of another run, or of an epoch that is over."""

    def __init__(self, sender: str, field: str, expected: int, received: int) -> None:
        """Name the header field that differs."""
        super().__init__(f"foreign frame from {sender}: {field} is {received}, not {expected}")
        self.sender = sender
        self.field = field
        self.expected = expected
        self.received = received


class SequenceGap(ProtocolError):
    """A channel skipped or repeated a message."""

    def __init__(self, channel: str, expected: int, received: int) -> None:
        """Name the channel and both numbers."""
        verb = "lost" if received > expected else "repeated"
        super().__init__(f"{channel}: sequence {received} where {expected} was due (messages were {verb})")
        self.channel = channel
        self.expected = expected
        self.received = received


class JournalCorrupt(ProtocolError):
    """A journal whose header or whole records do not add up."""

    def __init__(self, where: str, offset: int, reason: str) -> None:
        """Name the segment and the byte."""
        super().__init__(f"journal {where} at byte {offset}: {reason}")
        self.where = where
        self.offset = offset
        self.reason = reason


class FrameTooLarge(ValueError):
    """Our own message is above the size limit; nothing was sent."""

    def __init__(self, kind: str, size_bytes: int, limit_bytes: int) -> None:
        """Name the message type and both sizes."""
        super().__init__(f"{kind} is {size_bytes} bytes, above the limit of {limit_bytes}")
        self.kind = kind
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
