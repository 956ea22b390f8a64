"""A strategy that writes down when it is called: the step's event time and the monotonic clock, ns."""

import time
from array import array

from actors.domain.bar_views import Step
from actors.domain.strategy import Context, Strategy, StrategyParams


class HandlerClockParams(StrategyParams):
    """Where to leave what was written down."""

    file: str


class HandlerClock(Strategy[HandlerClockParams]):
    """Read the clock first thing in every `on_step`."""

    Params = HandlerClockParams

    def on_start(self, _ctx: Context) -> None:
        """Begin with nothing."""
        self._pairs = array("q")

    def on_step(self, _ctx: Context, step: Step) -> None:
        """Note the instant."""
        called_ns = time.monotonic_ns()
        self._pairs.extend((step.now, called_ns))

    def on_stop(self, _ctx: Context) -> None:
        """Write it down."""
        with open(self.params.file, "wb") as file:  # noqa: PTH123  array.tofile wants a real file
            self._pairs.tofile(file)
