"""Nothing waits for ever, and only the monotonic clock decides anything: every module is read for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.waits import Found, clocks, waits, wall_clock_uses

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCES: Final = ("actors", "protocol", "scripts")
BOUNDED: Final = {
    ("actors/runtime/clock.py", "time.sleep"): "its length is its deadline; who calls it in a loop has one",
    ("actors/runtime/readiness.py", "select.poll"): "it makes what waits, and does not wait itself",
    ("actors/runtime/transport.py", "socket.send"): "every socket has SNDTIMEO",
    ("actors/runtime/transport.py", "self._observed.send"): "likewise; and it drops instead of waiting",
    ("actors/runtime/command_links.py", "self._dealer.send"): "likewise",
    ("actors/supervisor/control.py", "link.send"): "ControlLink.send ends after SNDTIMEO",
    ("actors/runtime/transport.py", "self._remote.send"): "RemoteObservers.send does not wait",
    ("actors/supervisor/interrupts.py", "self._taken.recv"): "the socket does not block",
    ("actors/supervisor/pipeline.py", "self._link.send"): "SupervisorLink.send does not wait",
    ("actors/runtime/shell.py", "self._link.send"): "Link.send ends after SNDTIMEO",
}
"""Calls that look as if they could wait for ever, and why they do not."""
CLOCK: Final = "actors/runtime/clock.py"
LABELS: Final = {
    "actors/cli/import_run.py": "the day up to which a calendar is wanted",
    "actors/runtime/logs.py": "stamps of log lines",
    "actors/supervisor/run_folder.py": "the folder's name",
}
"""Who takes the wall clock's time, and for what."""
WAITS: Final = (
    "poller.poll()",
    "poller.poll(None)",
    "socket.recv()",
    "socket.recv(64)",
    "socket.recv_multipart()",
    "connection.recv_bytes()",
    "socket.send(frame)",
    "listener.accept()",
    "select.select([a], [], [])",
    "select.select([a], [], [], None)",
    "selector.select()",
    "process.join()",
    "thread.join(timeout=None)",
    "process.wait()",
    "event.wait()",
    "connection.wait([a])",
    "wait([a])",
    "process.communicate()",
    "process.communicate(data)",
    "subprocess.run(command)",
    "subprocess.check_output(command, timeout=None)",
    "queue.get()",
    "queue.get(True)",
    "queue.get(block=True)",
    "lock.acquire()",
    "lock.acquire(True)",
    "threading.Lock()",
    "multiprocessing.Condition()",
    "os.waitpid(pid, 0)",
    "os.wait()",
    "signal.sigwait(numbers)",
    "fcntl.flock(descriptor, fcntl.LOCK_EX)",
    "fcntl.lockf(descriptor, fcntl.LOCK_EX)",
    "future.result()",
    "urlopen(address)",
    "socket.create_connection(address)",
    "input()",
    "time.sleep(1)",
    "def follow(pause=time.sleep): ...",
    "from time import sleep",
)
BOUNDED_WAITS: Final = (
    "poller.poll(100)",
    "socket.recv(zmq.NOBLOCK)",
    "socket.recv_multipart(flags=zmq.NOBLOCK)",
    "select.select([a], [], [], 1.0)",
    "selector.select(timeout=1)",
    "process.join(1)",
    "', '.join(names)",
    "process.wait(timeout=5)",
    "event.wait(5)",
    "connection.wait([a], timeout=0)",
    "wait([a], 1)",
    "process.communicate(timeout=1)",
    "subprocess.run(command, timeout=60)",
    "self.run()",
    "queue.get(timeout=1)",
    "queue.get(block=False)",
    "queue.get(False)",
    "names.get(key)",
    "names.get(key, None)",
    "lock.acquire(blocking=False)",
    "lock.acquire(True, 1.0)",
    "os.waitpid(pid, os.WNOHANG)",
    "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
    "future.result(timeout=1)",
    "urlopen(address, timeout=10)",
)


def modules() -> Iterator[tuple[str, str]]:
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def named(path: str, found: Found) -> str:
    return f"{path}:{found.line}: {found.call}"


def test_no_wait_is_without_a_deadline() -> None:
    found = [(path, wait) for path, source in modules() for wait in waits(source)]
    endless = [named(path, wait) for path, wait in found if (path, wait.call) not in BOUNDED]
    assert not endless, "these may wait for ever:\n" + "\n".join(endless)


def test_every_exception_is_still_there() -> None:
    there = {(path, wait.call) for path, source in modules() for wait in waits(source)}
    assert set(BOUNDED) <= there


@pytest.mark.parametrize("source", WAITS)
def test_a_wait_without_a_deadline_is_found(source: str) -> None:
    assert [found.line for found in waits(f"import x\n{source}\n")] == [2]


@pytest.mark.parametrize("source", BOUNDED_WAITS)
def test_a_wait_with_a_deadline_is_let_pass(source: str) -> None:
    assert list(waits(source)) == []


def test_only_one_module_reads_clocks() -> None:
    found = [named(path, use) for path, source in modules() if path != CLOCK for use in clocks(source)]
    assert not found, f"clocks are read by {CLOCK} alone:\n" + "\n".join(found)


def test_the_wall_clock_gives_names_and_labels_alone() -> None:
    users = [(path, use) for path, source in modules() if path != CLOCK for use in wall_clock_uses(source)]
    others = [named(path, use) for path, use in users if path not in LABELS]
    assert not others, "the wall clock may jump, take clock.monotonic_ns():\n" + "\n".join(others)
    assert {path for path, _ in users} == set(LABELS)


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from time import time",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "f = datetime.now",
    ],
)
def test_a_clock_that_is_read_elsewhere_is_found(source: str) -> None:
    assert len(list(clocks(source))) == 1


def test_the_wall_clock_is_found_by_either_way_to_it() -> None:
    assert len(list(wall_clock_uses("age = clock.now_utc() - then\nnow = now_utc()"))) == 2
