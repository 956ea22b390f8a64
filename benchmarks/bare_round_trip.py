"""What a message costs on this machine at the least: a bare ZeroMQ round trip between two processes."""

import multiprocessing
import statistics
import tempfile
import time
from typing import Final

import zmq

ROUNDS: Final = 3000
WARM_UP: Final = 200
FRAME: Final = bytes(200)
DEADLINE_MS: Final = 10_000


def round_trip_us() -> float:
    """Send a small frame to another process and back, by ipc, again and again; give the median, µs."""
    with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as folder:
        url = f"ipc://{folder}/bare"
        with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVTIMEO, DEADLINE_MS)
            socket.bind(url)
            other = multiprocessing.get_context("spawn").Process(target=_answer, args=(url,))
            other.start()
            took_ns = [_round(socket) for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
            other.join()
    return statistics.median(took_ns) / 1e3


def _round(socket: zmq.Socket[bytes]) -> int:
    began_ns = time.monotonic_ns()
    socket.send(FRAME)
    socket.recv()
    return time.monotonic_ns() - began_ns


def _answer(url: str) -> None:
    with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
        socket.setsockopt(zmq.RCVTIMEO, DEADLINE_MS)
        socket.connect(url)
        for _ in range(WARM_UP + ROUNDS):
            socket.send(socket.recv())
