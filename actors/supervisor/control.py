"""Ask something of a run that goes on, from another process."""

import secrets
from contextlib import closing
from pathlib import Path
from typing import Final

from actors.runtime import clock
from actors.runtime.command_links import CLIENT_PREFIX, ControlLink
from actors.runtime.framing import Framing
from actors.runtime.transport import Endpoints, Rejected
from actors.supervisor.control_file import ControlFile
from protocol.messages import Answer, Steer, SteerAction

ANSWER_S: Final = 10.0


class NoAnswer(Exception):
    """The run did not answer in time."""

    def __init__(self, waited_s: float) -> None:
        """Keep how long it was waited for."""
        super().__init__(
            f"no answer within {waited_s:g} s: its supervisor, or its coordinator, hangs or ends"
        )
        self.waited_s = waited_s


def order(
    action: SteerAction, *, steps: int = 0, until_ts: int | None = None, speed: float | None = None
) -> Steer:
    """Make what can be asked for once, under a name of its own."""
    return Steer(f"{CLIENT_PREFIX}{secrets.token_hex(8)}", 1, action, steps, until_ts, speed)


def ask(control: ControlFile, steer: Steer, timeout_s: float = ANSWER_S) -> Answer:
    """Send an order and wait for what becomes of it.

    Raises NoAnswer.
    """
    link = ControlLink(Endpoints(Path(control.sockets)), steer.client, Framing(control.run))
    with closing(link):
        link.send(steer)
        deadline_ns = clock.monotonic_ns() + round(timeout_s * 1e9)
        while (left_s := (deadline_ns - clock.monotonic_ns()) / 1e9) > 0:
            arrival = link.receive(left_s)
            if arrival is None or isinstance(arrival, Rejected):
                continue
            if isinstance(arrival.message, Answer) and arrival.message.request == steer.request:
                return arrival.message
    raise NoAnswer(timeout_s)
