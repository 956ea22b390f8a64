"""Whole runs with bars across sessions, against groups of minutes made by pandas."""

import json
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from actors.config import load_config
from actors.domain.calendar_table import sessions_between
from actors.domain.exit_codes import ExitCode
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.overrides import Overrides
from actors.runtime.calendars import Calendars
from actors.runtime.store import Catalog, write_bars
from actors.supervisor.console.plan import render_plan
from actors.supervisor.launch import LaunchOptions, launch
from actors.supervisor.planner import make_plan

MINUTE_NS = 60_000_000_000
DIARY = """
import json
from actors.domain.session_plan import IndicatorSpec
from actors.domain.strategy import Needs, Strategy

class Diary(Strategy):
    def needs(self):
        sma = IndicatorSpec("sma", "1w", {"period": 2})
        minutes = IndicatorSpec("sma", "1m", {"period": 400})
        return Needs(("1d", "2d", "1w"), (sma, minutes), history_sessions=6)

    def on_session_start(self, ctx):
        self.start = [ctx.history("AAPL", text).close.tolist() for text in ("1d", "2d", "1w")]
        self.start.append(len(ctx.history("AAPL", "1m")))
        self.start.append(ctx.indicator("sma_2_1w", "AAPL"))

    def on_bar(self, ctx, bar):
        assert ctx.bars("AAPL", bar.interval).latest == bar
        page = [bar.interval, *self.start, ctx.indicator("sma_2_1w", "AAPL"), ctx.quality("AAPL").score]
        ctx.signal("AAPL", "BUY", 1, reason=json.dumps(page))
"""
FIELDS = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Store weeks of minutes with holes, and give them with the number and the week of their sessions."""
    folder = tmp_path_factory.mktemp("stored")
    table = Calendars(folder / "calendars").table("XNYS", date(2025, 12, 31))
    rng = np.random.default_rng(5)
    frames = []
    for session in sessions_between(table, date(2025, 6, 2), date(2025, 7, 18)):
        opens = expected_opens(session, Interval(1, "m"))
        prices = np.sort(rng.uniform(10, 11, (len(opens), 4)).round(2), axis=1)
        columns = dict(zip(("low", "open", "close", "high"), prices.T, strict=True))
        volume = rng.integers(1, 1000, len(opens)).astype(float)
        frame = pd.DataFrame({"open_ts": opens, **columns, "volume": volume})
        year, week, _ = date.fromisoformat(session.date).isocalendar()
        frame["date"], frame["ordinal"], frame["week"] = session.date, session.ordinal, year * 100 + week
        frame["session_open"], frame["session_close"] = session.open_ns, session.close_ns
        frame["stored"] = rng.random(len(opens)) < 0.97
        frames.append(frame)
    minutes = pd.concat(frames, ignore_index=True)
    there = minutes[minutes["stored"]]
    columns = {name: there[name].to_numpy() for name in ("open_ts", *FIELDS)}
    columns["close_ts"] = columns["open_ts"] + MINUTE_NS
    write_bars(folder / "catalog", "AAPL", "1m", columns, {})
    (folder / "diary.py").write_text(DIARY)
    return folder, minutes


def configured(folder: Path, start: str, end: str, strategies: list[Any] | None = None) -> Path:
    diary = {"name": "diary", "strategy": str(folder / "diary.py:Diary")}
    path = folder / f"{start}.json"
    document = {
        "session_name": "Longer bars",
        "exchange_group": "US_EQUITY",
        "backtest_config": {"start_date": start, "end_date": end, "prefetch_days": 3, "speed_multiplier": 0},
        "session_data_config": {
            "symbols": ["AAPL"],
            "streams": ["1m", "1d", "2d", "1w"],
            "strategies": [diary] if strategies is None else strategies,
        },
        "trading_config": {
            "max_buying_power": 1000,
            "max_per_trade": 100,
            "max_per_symbol": 200,
            "max_open_positions": 2,
        },
        "catalog": {"path": str(folder / "catalog")},
    }
    path.write_text(json.dumps(document))
    return path


def run(folder: Path, start: str, end: str, runs: Path) -> Path:
    path = configured(folder, start, end)
    code = launch(path, Overrides(), LaunchOptions(runs=runs, inline=True, as_json=True))
    assert code == ExitCode.DONE
    (done,) = (place for place in runs.glob("2*") if place.is_dir())
    return done


def grouped(minutes: pd.DataFrame, key: Any) -> pd.DataFrame:  # noqa: ANN401  a column or its values
    """Make one bar of each group of whole sessions."""
    bounds = minutes.groupby(key).agg(
        open_ts=("session_open", "first"),
        close_ts=("session_close", "last"),
        session=("date", "last"),
        n_expected=("open_ts", "size"),
    )
    there = minutes[minutes["stored"]]
    bars = there.groupby(key).agg(FIELDS)
    bars["n_base"] = there.groupby(key).size()
    return bounds.join(bars, how="inner").reset_index(drop=True)


def keys(minutes: pd.DataFrame) -> dict[str, Any]:
    return {"1d": "date", "2d": minutes["ordinal"] // 2, "1w": "week"}


def recorded(run_folder: Path, interval: str) -> pd.DataFrame:
    files = sorted((run_folder / "tables" / "bars" / f"interval={interval}").rglob("*.parquet"))
    found = pd.concat([pq.ParquetFile(file).read().to_pandas() for file in files], ignore_index=True)
    stamps = {
        name: found[name].astype("datetime64[ns, UTC]").astype("int64") for name in ("open_ts", "close_ts")
    }
    return found.assign(**stamps)


def pages(run_folder: Path) -> pd.DataFrame:
    signals = pq.read_table(run_folder / "tables" / "signals.parquet").to_pandas()
    names = ("interval", "days", "pairs", "weeks", "minutes", "sma_before", "sma", "score")
    found = pd.DataFrame([json.loads(reason) for reason in signals["reason"]], columns=names, dtype=object)
    return found.assign(session=signals["session"])


@pytest.mark.parametrize("start", ["2025-06-23", "2025-06-26"])
def test_tables_and_all_that_a_strategy_reads_are_those_of_plain_groups_wherever_a_run_starts(
    stored: tuple[Path, pd.DataFrame], tmp_path: Path, start: str
) -> None:
    folder, minutes = stored
    done = run(folder, start, "2025-07-16", tmp_path)

    bars = {interval: grouped(minutes, key) for interval, key in keys(minutes).items()}
    for interval, expected in bars.items():
        due = expected[(expected["session"] >= start) & (expected["session"] <= "2025-07-16")]
        found = recorded(done, interval)
        columns = ["session", "open_ts", "close_ts", "n_base", "n_expected", *FIELDS]
        pd.testing.assert_frame_equal(
            found[columns], due[columns].reset_index(drop=True), check_dtype=False, check_exact=True
        )
        assert found["partial"].tolist() == (found["n_base"] < found["n_expected"]).tolist()
        assert found["gap"].all()
        assert not found["clipped"].any()

    dates = sorted(set(minutes["date"]))
    for page in pages(done).itertuples():
        place = dates.index(page.session)
        kept = dates[place - 6 : place]
        for interval, seen in (("1d", page.days), ("2d", page.pairs), ("1w", page.weeks)):
            past = bars[interval][bars[interval]["session"].isin(kept)]
            assert seen == past["close"].tolist()
        assert page.minutes == minutes[minutes["date"].isin(kept)]["stored"].sum()
        weeks = bars["1w"][bars["1w"]["session"] >= dates[dates.index(start) - 6]]
        for seen, closed in (
            (page.sma_before, weeks["session"] < page.session),
            (page.sma, weeks["session"] <= page.session),
        ):
            closes = weeks[closed]["close"].tolist()
            assert seen == (pytest.approx(sum(closes[-2:]) / 2) if len(closes) > 1 else None)
    assert set(pages(done)["interval"]) == {"1d", "2d", "1w"}


def test_the_friday_bar_and_what_follows_are_the_same_from_monday_and_from_thursday(
    stored: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    folder, _ = stored
    monday = run(folder, "2025-06-23", "2025-07-08", tmp_path / "monday")
    thursday = run(folder, "2025-06-26", "2025-07-08", tmp_path / "thursday")

    for interval in ("1m", "1d", "2d", "1w"):
        early, late = recorded(monday, interval), recorded(thursday, interval)
        tail = early[early["session"] >= "2025-06-26"].reset_index(drop=True)
        pd.testing.assert_frame_equal(tail, late, check_exact=True)
    assert recorded(monday, "1w")["session"].tolist() == ["2025-06-27", "2025-07-03"]


def test_the_plan_reads_from_the_week_s_start_says_so_and_counts_the_history_that_is_kept(
    stored: tuple[Path, pd.DataFrame],
) -> None:
    folder, minutes = stored
    config = load_config(configured(folder, "2025-06-26", "2025-07-16"), Overrides())
    plan = make_plan(config, Catalog(config.catalog_path), Calendars(folder / "calendars"))

    dates = sorted(set(minutes["date"]))
    first = dates.index("2025-06-26")
    kept = set(dates[first - 6 : first])
    counts = {warmup.indicator: warmup.bars_in_history for warmup in plan.warmups}
    assert (plan.base_streams[0].history_sessions, plan.base_streams[0].lead_sessions) == (6, 1)
    assert [session.date for session in plan.history] == dates[first - 7 : first]
    assert counts["sma_400_1m"] == minutes[minutes["date"].isin(kept)]["stored"].sum()
    assert counts["sma_2_1w"] == 1
    assert [(stream.interval, stream.label, stream.base) for stream in plan.streams] == [
        ("1m", "STREAMED", None),
        *((interval, "GENERATED", 0) for interval in ("1d", "2d", "1w")),
    ]
    screen = Console(file=StringIO(), width=120)
    screen.print(render_plan(plan))
    assert "history: 6 sessions, 1 more read for bars that begin there" in screen.file.getvalue()


def test_the_log_names_the_sessions_that_are_read_and_later_only_the_history_that_is_kept(
    stored: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    folder, _ = stored
    done = run(folder, "2025-06-26", "2025-06-27", tmp_path)

    log = (done / "logs" / "coordinator.jsonl").read_text()
    lines = [json.loads(line)["message"] for line in log.splitlines()]
    assert [line.rpartition("bars ")[2] for line in lines if "PHASE_2.1: Loading" in line] == [
        "from 2025-06-16 to 2025-06-25",
        "from 2025-06-18 to 2025-06-26",
    ]


def test_a_week_whose_first_days_are_not_stored_is_partial_and_the_plan_warns(
    stored: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    _, minutes = stored
    later = minutes[minutes["date"] >= "2025-06-26"]
    columns = {name: later[name].to_numpy() for name in ("open_ts", *FIELDS)}
    columns["close_ts"] = columns["open_ts"] + MINUTE_NS
    write_bars(tmp_path / "catalog", "AAPL", "1m", columns, {})
    path = configured(tmp_path, "2025-06-26", "2025-06-27", strategies=[])

    code = launch(path, Overrides(), LaunchOptions(runs=tmp_path / "runs", inline=True, as_json=True))

    assert code == ExitCode.DONE
    (done,) = (tmp_path / "runs").glob("2*")
    (week,) = recorded(done, "1w").to_dict("records")
    assert (week["n_base"], week["n_expected"], week["partial"], week["gap"]) == (780, 1950, True, False)
    warnings = json.loads((done / "summary.json").read_bytes())["warnings"]
    assert "no stored history of AAPL 1m: 2025-06-23, 2025-06-24, 2025-06-25" in warnings
