"""Notice that a process which is not ours has ended: by a pidfd, where the system has them."""

import os
import select
from collections.abc import Iterator


class GuestWatch:
    """Processes that are attached, by name."""

    def __init__(self) -> None:
        """Watch nobody."""
        self._poll = select.poll()
        self._names: dict[int, str] = {}

    def follow(self, name: str, pid: int) -> int | None:
        """Watch a process; give a descriptor that becomes readable when it ends, None where there is none."""
        try:
            descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError, OverflowError):
            return None
        self._names[descriptor] = name
        self._poll.register(descriptor, select.POLLIN)
        return descriptor

    def ended(self) -> Iterator[tuple[str, int]]:
        """Yield name and descriptor of those that have ended since the last call; close it afterwards."""
        for descriptor, _ in self._poll.poll(0) if self._names else ():
            self._poll.unregister(descriptor)
            yield self._names.pop(descriptor), descriptor
            os.close(descriptor)

    def close(self) -> None:
        """Watch nobody any more."""
        while self._names:
            os.close(self._names.popitem()[0])
