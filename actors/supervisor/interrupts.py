"""SIGINT and SIGTERM, from before a run has a folder until its summary is written: counted for who obeys."""

import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Self

from actors.runtime import clock


class Interrupts:
    """The interrupts that have come; a poller can wait for them on `descriptor`."""

    def __init__(self) -> None:
        """Catch nothing yet."""
        self._taken, self._coming = socket.socketpair()
        self._taken.setblocking(False)
        self._coming.setblocking(False)
        self._stack = ExitStack()
        self._wakeup = -1

    @property
    def descriptor(self) -> int:
        """Readable when there is something to take."""
        return self._taken.fileno()

    def take(self) -> int:
        """Say how many have come since the last call."""
        try:
            return len(self._taken.recv(64))
        except BlockingIOError:
            return 0

    def wait_until(self, instant_ns: int) -> bool:
        """Wait for an interrupt until the monotonic clock shows this instant; say whether one has come."""
        left_s = max(0, instant_ns - clock.monotonic_ns()) / 1e9
        return bool(select.select([self._taken], [], [], left_s)[0])

    def __enter__(self) -> Self:
        """Catch from now on."""
        self._stack.enter_context(handling(_ignore))
        if in_main_thread():
            self._wakeup = signal.set_wakeup_fd(self._coming.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave them to whom they were left before."""
        if in_main_thread():
            signal.set_wakeup_fd(self._wakeup)
        self._stack.close()
        self._taken.close()
        self._coming.close()


def in_main_thread() -> bool:
    """Whether this thread may catch signals; a run in another one leaves them to the program it is in."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have SIGINT and SIGTERM handled in a block; outside the main thread, do nothing."""
    if not in_main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def leave_the_first(_number: int, _frame: FrameType | None) -> None:
    """Leave an interrupt to whoever counts; the next one ends the process where it is."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Let the wake-up descriptor tell; without a handler there would be no wake-up."""
