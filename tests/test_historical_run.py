"""Whole runs: historical indicators equal a recomputation from the stored rows, wherever a run starts."""

import json
import random
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from actors.cli import main
from actors.domain.calendar_table import sessions_between
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Session
from actors.runtime.calendars import Calendars
from actors.runtime.store.writing import write_bars

FIRST, LAST = date(2023, 6, 14), date(2025, 6, 13)
"""502 sessions."""
RUN_FROM: Final = 252
SHARE: Final = 0.06
"""Of the minutes that have a bar; the first minutes of a session always have one."""
MINUTE: Final = 60 * 10**9
FIELDS: Final = ("open", "high", "low", "close", "volume")
INDICATORS: Final = {
    "historical": {
        "indicators": {
            "high": {"type": "trailing_max", "period": "1y", "field": "high"},
            "low": {"type": "trailing_min", "period": "1y", "field": "low"},
            "profile": {
                "type": "trailing_average",
                "period": "20d",
                "field": "volume",
                "granularity": "minute",
            },
        }
    },
    "indicators": {"historical": [{"name": "avg_volume", "period": "20d"}]},
}
STRATEGY: Final = """
from actors.domain.strategy import Needs, Strategy


class Reader(Strategy):
    def needs(self):
        return Needs(intervals=("1d",), history_sessions=3)

    def on_session_start(self, ctx):
        for key in ("high", "low", "avg_volume_20d", "profile"):
            value = ctx.historical(key, "AAA")
            said = value.tobytes().hex() if key == "profile" else repr(value)
            ctx.signal("AAA", "BUY", 1.0, reason=f"{key} {said} {ctx.historical_reason(key, 'AAA')}")
        past = ctx.history("AAA", "1d")
        ctx.signal("AAA", "BUY", 1.0, reason=f"history {past.close_ts.tolist()} {past.volume.tolist()}")

    def on_step(self, ctx, step):
        pass
"""
Rows = dict[str, np.ndarray]


class Stored:
    """Two years of some minutes of one symbol, session by session."""

    def __init__(self, folder: Path, sessions: tuple[Session, ...]) -> None:
        self.folder = folder
        self.sessions = sessions
        rng = np.random.default_rng(7)
        self.days = [self._day(session, rng) for session in sessions]
        whole = {name: np.concatenate([day[name] for day in self.days]) for name in self.days[0]}
        write_bars(folder / "catalog", "AAA", "1m", whole, {})

    def _day(self, session: Session, rng: np.random.Generator) -> Rows:
        opens = expected_opens(session, Interval(1, "m"))
        there = rng.random(len(opens)) < SHARE
        there[:3] = True
        stamps = opens[there]
        prices = np.sort(rng.uniform(50, 150, (4, len(stamps))).round(2), axis=0)
        volume = rng.integers(0, 5000, len(stamps)).astype(np.float64)
        values = (prices[1], prices[3], prices[0], prices[2], volume)
        return {"open_ts": stamps, "close_ts": stamps + MINUTE, **dict(zip(FIELDS, values, strict=True))}

    def run(self, start: date, *options: str) -> Path:
        """Run from a day to the last, and give the run folder."""
        (self.folder / "reader.py").write_text(STRATEGY)
        document: dict[str, Any] = {
            "session_name": "Two years",
            "exchange_group": "US_EQUITY",
            "backtest_config": {"start_date": str(start), "end_date": str(LAST)},
            "session_data_config": {
                "symbols": ["AAA"],
                "streams": ["1m"],
                "strategies": [{"name": "reader", "strategy": "reader.py:Reader"}],
                **INDICATORS,
            },
            "trading_config": {
                "max_buying_power": 1,
                "max_per_trade": 1,
                "max_per_symbol": 1,
                "max_open_positions": 1,
            },
            "catalog": {"path": "catalog"},
            "logging": {"steps": False},
        }
        config = self.folder / "session.json"
        config.write_text(json.dumps(document))
        runs = self.folder / f"runs-{start}{''.join(options)}"
        words = ["run", str(config), "--inline", "--json", "--runs", str(runs), *options]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        return (runs / "latest").resolve()


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "tables" / name).to_pylist()
    return rows


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    folder = tmp_path_factory.mktemp("two-years")
    calendar = Calendars(folder / "calendars").table("XNYS", LAST)
    return Stored(folder, sessions_between(calendar, FIRST, LAST))


@pytest.fixture(scope="module")
def year(stored: Stored) -> Path:
    return stored.run(date.fromisoformat(stored.sessions[RUN_FROM].date))


def test_over_250_sessions_figures_equal_a_recomputation_from_the_rows(stored: Stored, year: Path) -> None:
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in table(year, "historical_indicators.parquet"):
        rows.setdefault((row["session"], row["indicator"]), []).append(row)
    assert len(rows) == 4 * 250
    for place in random.Random(3).sample(range(RUN_FROM, len(stored.sessions)), 40):
        session = stored.sessions[place]
        past, month = stored.days[place - 252 : place], stored.days[place - 20 : place]
        wanted = {
            "high": max(day["high"].max() for day in past),
            "low": min(day["low"].min() for day in past),
            "avg_volume_20d": sum(day["volume"].sum() for day in month) / 20,
        }
        for key, value in wanted.items():
            [row] = rows[session.date, key]
            assert (row["value"], row["reason"]) == (value, "")
        found = rows[session.date, "profile"]
        assert [row["minute"] for row in found] == [
            f"{minute // 60:02}:{minute % 60:02}" for minute in minutes_of(session)
        ]
        profile = profile_of(stored, place)
        assert [row["value"] for row in found] == [profile.get(minute) for minute in minutes_of(session)]


def minutes_of(session: Session) -> range:
    """Give the minutes of the day at which a session is open."""
    return range(9 * 60 + 30, 13 * 60 if session.kind == "half" else 16 * 60)


def profile_of(stored: Stored, place: int) -> dict[int, float]:
    """Average the volume by minute of the day over the 20 sessions before one."""
    seen: dict[int, list[float]] = {}
    for session, day in zip(
        stored.sessions[place - 20 : place], stored.days[place - 20 : place], strict=True
    ):
        shown = 9 * 60 + 30 + (day["open_ts"] - session.open_ns) // MINUTE
        for minute, volume in zip(shown.tolist(), day["volume"].tolist(), strict=True):
            seen.setdefault(minute, []).append(volume)
    return {minute: sum(volumes) / len(volumes) for minute, volumes in seen.items()}


@pytest.mark.parametrize("options", [(), ("--window-steps", "64", "--credit", "1")])
def test_a_run_that_starts_later_reads_and_records_the_same(
    stored: Stored, year: Path, options: tuple[str, ...]
) -> None:
    """What is slid from session to session is what is loaded anew; windows are cut as they may."""
    start = stored.sessions[-6].date
    later = stored.run(date.fromisoformat(start), *options)
    for name in ("historical_indicators.parquet", "signals.parquet"):
        kept = [row for row in table(year, name) if row["session"] >= start]
        assert len(kept) > 6
        assert repr(table(later, name)) == repr(kept)


def test_streams_keep_what_was_asked_for_and_the_rest_is_only_read(year: Path) -> None:
    plan = json.loads((year / "plan.json").read_text())
    assert [(s["interval"], s["history_sessions"], s["lead_sessions"]) for s in plan["streams"]] == [
        ("1m", 3, 249),
        ("1d", 3, 0),
    ]
    assert len(plan["history"]) == 252
