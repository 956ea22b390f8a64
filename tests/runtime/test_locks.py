import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.runtime.locks import LockHeld, is_held, take_lock, wait_lock

HOLD = """
import sys
from pathlib import Path
from actors.runtime.locks import take_lock
take_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Start a process that holds a lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_held_by_one_and_free_when_let_go(tmp_path: Path) -> None:
    lock = take_lock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        take_lock(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    os.close(lock)
    assert not is_held(tmp_path / "lock")
    with pytest.raises(FileNotFoundError):
        is_held(tmp_path / "none")


def test_a_lock_that_another_process_holds_is_refused_with_its_pid_until_that_dies(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        with pytest.raises(LockHeld, match=f"process {process.pid} holds it") as caught:
            take_lock(path)
        assert (caught.value.pid, caught.value.filename) == (process.pid, str(path))
        assert is_held(path)
        process.kill()
        process.wait(60)
        os.close(take_lock(path))


def test_who_waits_for_a_lock_gets_it_when_it_is_let_go_and_gives_up_at_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        with pytest.raises(LockHeld):
            wait_lock(path, wait_s=0.0)
        assert process.stdin is not None
        process.stdin.close()
        os.close(wait_lock(path, wait_s=60.0))


def test_a_holder_that_did_not_sign_is_refused_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = take_lock(path)
    path.write_text("nobody\n")
    with pytest.raises(LockHeld, match="another process holds it"):
        take_lock(path)
    os.close(lock)
