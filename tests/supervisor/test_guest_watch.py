import os
import select
import subprocess
import sys

import pytest

from actors.supervisor.guest_watch import GuestWatch


def test_the_end_of_a_process_that_is_not_ours_is_noticed_once() -> None:
    watch = GuestWatch()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        descriptor = watch.follow("me", process.pid)
        assert descriptor is not None
        assert list(watch.ended()) == []
        process.communicate(b"\n", timeout=20)
        assert select.select([descriptor], [], [], 20)[0]
        assert list(watch.ended()) == [("me", descriptor)]
    assert list(watch.ended()) == []
    watch.close()


def test_a_process_that_is_not_there_is_not_followed_and_closing_leaves_nothing_open() -> None:
    watch = GuestWatch()
    assert watch.follow("gone", 2**22 + 1) is None
    assert watch.follow("never", 2**63 - 1) is None
    descriptor = watch.follow("us", os.getpid())
    assert descriptor is not None
    watch.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
