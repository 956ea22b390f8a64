"""Processes that end are told once, with how they ended, and their name is free at once."""

import os
import select
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from actors.supervisor.processes import Processes

DEADLINE_S = 30.0


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes()
    yield made
    for child in made._processes.values():
        child.kill()
        child.join(DEADLINE_S)


def put(processes: Processes, name: str, *arguments: object) -> int:
    """Start a process under a name, as `start` does; give its descriptor."""
    child = processes._context.Process(target=arguments[0], args=arguments[1:], name=name)
    child.start()
    processes._processes[name] = child
    return int(child.sentinel)


def reaped(processes: Processes, descriptor: int) -> list[tuple[str, int, int]]:
    assert select.select([descriptor], [], [], DEADLINE_S)[0]
    deadline = time.monotonic() + DEADLINE_S
    found: list[tuple[str, int, int]] = []
    while not found:
        assert time.monotonic() < deadline
        found = list(processes.reap())
    return found


@pytest.mark.parametrize(
    ("target", "code"),
    [((sys.exit, 0), 0), ((sys.exit, 4), 4), ((signal.raise_signal, signal.SIGKILL), -9)],
    ids=["done", "failed", "killed"],
)
def test_an_end_is_told_once_with_its_code(
    processes: Processes, target: tuple[object, ...], code: int
) -> None:
    descriptor = put(processes, "loader", *target)
    assert reaped(processes, descriptor) == [("loader", code, descriptor)]
    assert list(processes.reap()) == []


def test_while_an_end_is_told_a_new_process_may_take_the_name(processes: Processes) -> None:
    first = put(processes, "loader", sys.exit, 0)
    assert select.select([first], [], [], DEADLINE_S)[0]
    ends = processes.reap()
    assert next(ends)[:2] == ("loader", 0)
    second = put(processes, "loader", signal.pause)
    assert list(ends) == []
    assert list(processes.reap()) == []
    processes.kill("loader")
    assert reaped(processes, second) == [("loader", -9, second)]


def test_who_is_not_there_is_neither_killed_nor_examined(processes: Processes) -> None:
    processes.kill("loader")
    assert processes.dump("loader") == ""
    assert os.getpid() not in processes.cpu_ns().values()
