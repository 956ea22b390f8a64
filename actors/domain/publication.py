"""What everyone is sent and the journal keeps, counted."""

from actors.domain.roles import Send
from protocol.messages import Message


class Publication:
    """The records of a run's journal so far."""

    def __init__(self) -> None:
        """Nothing was published yet."""
        self.records = 0

    def publish(self, topic: str, message: Message) -> Send:
        """Publish one more message."""
        self.records += 1
        return Send(topic, message)
