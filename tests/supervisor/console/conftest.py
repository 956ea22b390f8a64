"""Plans, snapshots and a console of fixed width."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console, RenderableType

from actors.domain.session_plan import (
    Flow,
    Hours,
    IndicatorSpec,
    Rules,
    Session,
    SessionPlan,
    Stored,
    StrategySpec,
    Stream,
    Trading,
    Warmup,
)
from actors.supervisor.console.text import DASH
from actors.supervisor.status import ActorStatus, RunStatus
from protocol.lifecycle import ActorState

ZONE = ZoneInfo("America/New_York")
Render = Callable[..., str]


def instant_ns(stamp: str, zone: ZoneInfo = ZONE) -> int:
    return int(datetime.fromisoformat(stamp).replace(tzinfo=zone).timestamp()) * 1_000_000_000


def full_or_half(index: int, date: str, kind: Literal["full", "half"] = "full") -> Session:
    opens = instant_ns(f"{date}T09:30")
    closes = instant_ns(f"{date}T13:00" if kind == "half" else f"{date}T16:00")
    return Session(index, date, kind, opens, closes, (Hours(opens, closes),), opens - 1)


EXAMPLE_SESSIONS = (
    full_or_half(0, "2025-07-02"),
    full_or_half(1, "2025-07-03", "half"),
    full_or_half(2, "2025-07-07"),
)
HISTORY = (full_or_half(-2, "2025-06-30"), full_or_half(-1, "2025-07-01"))


def example_streams(symbols: Sequence[str]) -> tuple[Stream, ...]:
    bases = [Stream(n, symbol, "1m", "STREAMED", "requested") for n, symbol in enumerate(symbols)]
    derived = [
        Stream(len(symbols) * (1 + k) + n, symbol, interval, "GENERATED", "from 1m", n)
        for k, interval in enumerate(("5m", "1h"))
        for n, symbol in enumerate(symbols)
    ]
    ignored = Stream(3 * len(symbols), symbols[0], "1s", "IGNORED", "not stored")
    return (*bases, *derived, ignored)


def example_stored(symbols: Sequence[str], sessions: Sequence[Session]) -> tuple[Stored, ...]:
    """Take four bars of the first session away from the last symbol."""
    stored = []
    for n in range(len(symbols)):
        for session in (*HISTORY, *sessions):
            expected = 210 if session.kind == "half" else 390
            lost = 4 if n == len(symbols) - 1 and session.index == 0 else 0
            stored.append(Stored(n, session.index, expected, expected + 1, expected - lost))
    return tuple(stored)


def example_plan(
    symbols: Sequence[str] = ("AAPL", "RIVN"),
    sessions: tuple[Session, ...] = EXAMPLE_SESSIONS,
    **changes: object,
) -> SessionPlan:
    indicator = IndicatorSpec("sma", "5m", {"period": 20})
    strategy = StrategySpec(
        "crossover", "analysis-sma", "shop:Crossover", {"fast": 10}, indicators=(indicator,)
    )
    fields: dict[str, Any] = {
        "version": 1,
        "name": "Example",
        "calendar": "XNYS",
        "timezone": "America/New_York",
        "first_date": sessions[0].date,
        "last_date": sessions[-1].date,
        "catalog": "catalog",
        "symbols": tuple(symbols),
        "sessions": sessions,
        "history": HISTORY,
        "holidays": ("2025-07-04",),
        "streams": example_streams(symbols),
        "stored": example_stored(symbols, sessions),
        "warmups": tuple(Warmup("sma_20_5m", symbol, 20, 156) for symbol in symbols),
        "strategies": (strategy,),
        "warnings": (),
        "flow": Flow(),
        "rules": Rules(),
        "trading": Trading(1.0, 1.0, 1.0, 1),
    }
    return SessionPlan(**fields | changes)


def example_actor(role: str, cpu_percent: float, **changes: object) -> ActorStatus:
    fields: dict[str, Any] = {
        "role": role,
        "pid": 4711,
        "state": ActorState.RUNNING,
        "windows": 12,
        "bars": 240,
        "bars_per_s": 4100.0,
        "rss_bytes": 61_000_000,
        "cpu_percent": cpu_percent,
        "handle_p50_us": 33.0,
        "handle_p99_us": 1200.0,
    }
    return ActorStatus(**fields | changes)


def example_status(**changes: object) -> RunStatus:
    actors = {
        "coordinator": example_actor("coordinator", 90.0),
        "loader": example_actor("loader", 3.0),
        "analysis-sma": example_actor("analysis", 60.0),
    }
    fields: dict[str, Any] = {
        "run": "20251122-063107-example-3f9c",
        "state": "running",
        "phase": 5,
        "session": "2025-07-02",
        "sessions_done": 0,
        "sessions_total": 3,
        "sim_time": "2025-07-02T11:31:00-04:00",
        "bars": 240,
        "bars_expected": 1980,
        "elapsed_s": 1.0,
        "bars_per_s": 4100.0,
        "windows_in_flight": 3,
        "waiting_for": ("analysis-sma",),
        "actors": actors,
    }
    return RunStatus(**fields | changes)


def render_text(renderable: RenderableType, width: int = 80) -> str:
    """Draw to a string, with hyphens for the en dashes."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().replace(DASH, "-")


@pytest.fixture(scope="session")
def render() -> Render:
    return render_text


@pytest.fixture(scope="session")
def make_plan() -> Callable[..., SessionPlan]:
    return example_plan


@pytest.fixture(scope="session")
def make_status() -> Callable[..., RunStatus]:
    return example_status


@pytest.fixture(scope="session")
def make_session() -> Callable[..., Session]:
    return full_or_half
