"""Tiny markets: two sessions of a few minutes after one of history, with holes and flaws; two strategies."""

import random
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from actors.domain.bar_views import Bar, Step
from actors.domain.session_plan import (
    Flow,
    Restarts,
    Rules,
    Session,
    SessionPlan,
    StrategySpec,
    Stream,
    Trading,
)
from actors.domain.strategy import Context, Strategy, StrategyParams
from tests.plans import make_plan, make_session
from tests.test_whole_pipeline import Storage

MARKETS: Final = 12
"""How many different ones there are; each has an undisturbed run to compare with."""
HISTORY: Final = 1
SESSIONS: Final = 2


@dataclass(frozen=True)
class Market:
    """What a run's results follow from."""

    number: int
    symbols: tuple[str, ...]
    minutes: int
    engines: int
    holes: float
    flaws: float

    @property
    def actors(self) -> tuple[str, ...]:
        """Name the analysis engines."""
        return tuple(f"analysis-{number}" for number in range(self.engines))

    def plan(self, flow: Flow) -> SessionPlan:
        """Plan a run."""
        return make_plan(
            self._days(),
            self._streams(),
            strategies=tuple(StrategySpec(name, name, "", {}) for name in self.actors),
            flow=flow,
            rules=Rules(min_coverage=0.3),
            trading=Trading(1e6, 1e5, 1e5, 5, initial_cash=1e6, min_quality=0.0),
        )

    def storage(self, plan: SessionPlan) -> Storage:
        """Hold the stored bars."""
        return Storage(plan, self.number, self.holes, self.flaws)

    def _days(self) -> list[Session]:
        days: list[Session] = []
        for index in range(-HISTORY, SESSIONS):
            day = make_session(index, self.minutes, f"2025-07-{2 + index:02}")
            closed = days[-1].close_ns if days else day.open_ns - 10**12
            days.append(replace(day, previous_close_ns=closed))
        return days

    def _streams(self) -> list[Stream]:
        base = [Stream(n, name, "1m", "STREAMED", "", None, HISTORY) for n, name in enumerate(self.symbols)]
        derived = [
            Stream(len(base) + stream.id, stream.symbol, "5m", "GENERATED", "", stream.id, HISTORY)
            for stream in base
        ]
        return [*base, *derived]


def make_market(number: int) -> Market:
    """Make one of the markets."""
    chance = random.Random(number)
    return Market(
        number=number,
        symbols=(("A",), ("B", "A"))[number % 2],
        minutes=chance.randint(5, 8),
        engines=1 + number // 2 % 2,
        holes=chance.choice((0.0, 0.15, 0.5)),
        flaws=chance.choice((0.0, 0.3)),
    )


def make_flow(chance: random.Random) -> Flow:
    """Choose settings that may change no result."""
    return Flow(
        window_steps=chance.randint(1, 4),
        credit=chance.randint(1, 4),
        prefetch_sessions=chance.randint(1, 2),
        speed=chance.choice((0.0, 0.0, 0.0, 900.0)),
        stall_s=1.0,
        restarts=Restarts(limit=chance.randint(1, 3)),
    )


CALM: Final = Flow(window_steps=1, credit=1, stall_s=1.0)
"""Settings of the undisturbed run."""


class Chatter(Strategy[StrategyParams]):
    """Signal on what bars say, at the ends of sessions and at the end of all."""

    def __init__(self) -> None:
        super().__init__(StrategyParams())
        self._seen = 0

    def on_session_start(self, ctx: Context) -> None:
        self._seen += len(ctx.history(ctx.symbols[0], "5m"))

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        assert bar.close_ts == ctx.now
        assert ctx.bars(bar.symbol, bar.interval).close_ts[-1] == ctx.now
        self._seen += int(bar.volume)
        if self._seen % 3 == 0:
            ctx.signal(bar.symbol, "BUY", 1.0, reason=f"{bar.interval} {self._seen}")

    def on_session_end(self, ctx: Context) -> None:
        ctx.signal(ctx.symbols[0], "CLOSE", reason=f"session {self._seen}")

    def on_stop(self, ctx: Context) -> None:
        ctx.signal(ctx.symbols[0], "CLOSE", reason=f"stop {self._seen}")


class Counter(Strategy[StrategyParams]):
    """Signal now and then, by the number of steps since the very beginning."""

    def __init__(self) -> None:
        super().__init__(StrategyParams())
        self._steps = 0

    def on_step(self, ctx: Context, step: Step) -> None:
        assert step.now == ctx.now
        self._steps += 1
        if self._steps % 4 == 0:
            action = "SELL" if self._steps % 8 == 0 else "BUY"
            ctx.signal(ctx.symbols[-1], action, 2.0, reason=f"step {self._steps}")


def make_strategy(actor: str) -> Strategy[Any]:
    """Make what an engine runs; whoever is attached runs what the first engine does."""
    return Counter() if actor == "analysis-1" else Chatter()
