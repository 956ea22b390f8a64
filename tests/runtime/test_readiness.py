import os
from collections.abc import Iterator
from contextlib import closing

import pytest
import zmq

from actors.runtime.readiness import Readiness
from actors.runtime.sockets import open_socket

DEADLINE_S = 10.0


Ends = tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Give two ends, both of which send and receive."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    near, far = open_socket(context, zmq.PAIR), open_socket(context, zmq.PAIR)
    near.bind("inproc://pair")
    far.connect("inproc://pair")
    yield near, far
    context.destroy(linger=0)


def test_frames_that_came_in_one_go_are_found_one_by_one(ends: Ends) -> None:
    near, far = ends
    readiness = Readiness()
    readiness.add(near)
    for number in range(3):
        far.send(b"%d" % number)
    taken = []
    while len(taken) < 3:
        assert near in readiness.wait(DEADLINE_S)
        taken.append(near.recv(zmq.NOBLOCK))
    assert taken == [b"0", b"1", b"2"]
    assert not readiness.has_more(near)
    assert readiness.wait(0.0) == set()


def test_a_frame_that_came_while_its_socket_was_sending_is_found(ends: Ends) -> None:
    near, far = ends
    readiness = Readiness()
    readiness.add(near)
    for number in range(200):
        far.send(b"%d" % number)
        near.send(b"something")
        readiness.use(near)
        assert near in readiness.wait(DEADLINE_S)
        assert near.recv(zmq.NOBLOCK) == b"%d" % number
        assert not readiness.has_more(near)


def test_a_descriptor_is_ready_when_its_other_end_is_gone_and_a_removed_socket_never_is(ends: Ends) -> None:
    near, far = ends
    reading, writing = os.pipe()
    with closing(os.fdopen(reading, "rb", buffering=0)):
        readiness = Readiness()
        readiness.add(near)
        readiness.watch(reading)
        far.send(b"unheard")
        assert near in readiness.wait(DEADLINE_S)
        readiness.remove(near)
        os.close(writing)
        assert readiness.wait(DEADLINE_S) == {reading}
