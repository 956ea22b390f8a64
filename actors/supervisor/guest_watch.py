"""Notice that a process which is not ours has ended: by a pidfd, where the system has them."""

import os
import selectors
from collections.abc import Iterator


class GuestWatch:
    """Processes that are attached, by name."""

    def __init__(self) -> None:
        """Watch nobody."""
        self._selector = selectors.PollSelector()

    def follow(self, name: str, pid: int) -> int | None:
        """Watch a process; give a descriptor that becomes readable when it ends, None where there is none."""
        try:
            descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError, OverflowError):
            return None
        self._selector.register(descriptor, selectors.EVENT_READ, name)
        return descriptor

    def ended(self) -> Iterator[tuple[str, int]]:
        """Yield name and descriptor of those that have ended since the last call, then close it."""
        for key, _ in self._selector.select(timeout=0):
            self._selector.unregister(key.fd)
            yield str(key.data), key.fd
            os.close(key.fd)

    def close(self) -> None:
        """Watch nobody any more."""
        for key in self._selector.get_map().values():
            os.close(key.fd)
        self._selector.close()
