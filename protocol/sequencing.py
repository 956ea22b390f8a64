"""Number what goes out and notice what is missing from what comes in."""

from collections import defaultdict

from protocol.errors import ForeignFrame, SequenceGap
from protocol.topics import sender_of


class Numbering:
    """Give every channel its own sequence, from 0."""

    def __init__(self) -> None:
        """Start every channel at 0."""
        self._next: defaultdict[str, int] = defaultdict(int)

    def take(self, channel: str) -> int:
        """Take the channel's next number."""
        number = self._next[channel]
        self._next[channel] = number + 1
        return number


class SequenceCheck:
    """Expect every channel to count up by one; the first number seen of a newer epoch starts it anew.

    An epoch is a process: once it was seen on one of a sender's channels, earlier ones are over on all.
    """

    def __init__(self) -> None:
        """Know no channel yet."""
        self._expected: dict[str, tuple[int, int]] = {}
        self._epochs: dict[str, int] = {}
        """The latest of every sender."""

    def accept(self, channel: str, epoch: int, sequence: int) -> None:
        """Take note of a number.

        Raises SequenceGap where it is not the one that was due, and ForeignFrame where its epoch is over.
        """
        sender = sender_of(channel)
        latest = self._epochs.get(sender, epoch)
        if epoch < latest:
            raise ForeignFrame(channel, "epoch", latest, epoch)
        current, expected = self._expected.get(channel, (epoch, sequence))
        if epoch == current and sequence != expected:
            raise SequenceGap(channel, expected, sequence)
        self._epochs[sender] = epoch
        self._expected[channel] = epoch, sequence + 1

    def forget(self, channel: str) -> None:
        """Expect nothing of a channel any more: whatever number comes next starts it."""
        self._expected.pop(channel, None)
