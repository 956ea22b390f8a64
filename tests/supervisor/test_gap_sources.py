"""The gap filler from the configuration to the run folder, over a catalog of seconds and minutes."""

import json
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.dataset
import pytest

from actors.config import load_config
from actors.domain.calendar_table import sessions_between
from actors.domain.exit_codes import ExitCode
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.overrides import Overrides
from actors.domain.session_plan import SessionPlan
from actors.runtime.calendars import Calendars
from actors.runtime.store import Catalog, write_bars
from actors.supervisor.launch import LaunchOptions, launch
from actors.supervisor.planner import make_plan

SECOND: Final = 1_000_000_000
FIRST, LAST = date(2025, 7, 1), date(2025, 7, 3)
"""A session of history, a full one and a half one."""
MISSING: Final = (3, 4, 200, 389, 390 + 7, 390 + 388, 780, 780 + 209)
"""Minutes that are not stored, counted over the three sessions."""
TORN: Final = (200, 390 + 388)
"""Of these, those that lack a second too."""
ON: Final = {"enabled": True}

Columns = dict[str, npt.NDArray[Any]]


def stamps_of(interval: str) -> npt.NDArray[np.int64]:
    sessions = sessions_between(Calendars().table("XNYS", LAST), FIRST, LAST)
    return np.concatenate([expected_opens(session, Interval.parse(interval)) for session in sessions])


def seconds() -> Columns:
    opens = stamps_of("1s")
    rng = np.random.default_rng(5)
    close = 10_000 + np.cumsum(rng.integers(-1, 2, len(opens))) / 4
    open_ = np.concatenate(([10_000.0], close[:-1]))
    return {
        "open_ts": opens,
        "close_ts": opens + SECOND,
        "open": open_,
        "high": np.maximum(open_, close) + 0.25,
        "low": np.minimum(open_, close) - 0.25,
        "close": close,
        "volume": rng.integers(0, 100, len(opens)).astype(np.float64),
    }


def minutes(of_seconds: Columns) -> Columns:
    """Add seconds up, sixty at a time."""
    rows = {name: values.reshape(-1, 60) for name, values in of_seconds.items()}
    return {
        "open_ts": rows["open_ts"][:, 0],
        "close_ts": rows["close_ts"][:, -1],
        "open": rows["open"][:, 0],
        "high": rows["high"].max(axis=1),
        "low": rows["low"].min(axis=1),
        "close": rows["close"][:, -1],
        "volume": rows["volume"].sum(axis=1),
    }


def without(columns: Columns, rows: tuple[int, ...]) -> Columns:
    return {name: np.delete(values, rows) for name, values in columns.items()}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store `TORN` of A; the same seconds and minutes, but all of them, of B; minutes only of C."""
    folder = tmp_path_factory.mktemp("catalog")
    whole = seconds()
    torn = tuple(minute * 60 + 59 for minute in TORN)
    write_bars(folder, "A", "1s", without(whole, torn), {"calendar": "XNYS"})
    write_bars(folder, "A", "1m", without(minutes(whole), MISSING), {"calendar": "XNYS"})
    write_bars(folder, "B", "1m", without(minutes(whole), TORN), {"calendar": "XNYS"})
    write_bars(folder, "C", "1m", without(minutes(whole), MISSING), {"calendar": "XNYS"})
    return folder


def configured(folder: Path, catalog: Path, symbols: tuple[str, ...], **gap_filler: object) -> Path:
    document = {
        "session_name": "Gaps",
        "exchange_group": "US_EQUITY",
        "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-03"},
        "session_data_config": {
            "symbols": symbols,
            "streams": ["1m", "5m", "1d"],
            "historical": {"data": [{"trailing_days": 1, "intervals": ["1m"]}]},
            "gap_filler": gap_filler,
        },
        "trading_config": {
            "max_buying_power": 1000,
            "max_per_trade": 100,
            "max_per_symbol": 200,
            "max_open_positions": 2,
        },
        "catalog": {"path": str(catalog)},
    }
    path = folder / "session.json"
    path.write_text(json.dumps(document))
    return path


def planned(path: Path) -> SessionPlan:
    config = load_config(path, Overrides())
    return make_plan(config, Catalog(config.catalog_path), Calendars(), path)


class Run:
    """A run in this process, and what it left."""

    def __init__(self, path: Path, runs: Path, **overrides: int) -> None:
        options = LaunchOptions(runs=runs, inline=True, as_json=False)
        assert launch(path, Overrides(**overrides), options) == ExitCode.DONE
        self.folder = runs / "latest"
        self.summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_bytes())

    def bars(self, symbol: str, interval: str, *columns: str) -> list[tuple[Any, ...]]:
        bars = pyarrow.dataset.dataset(self.folder / "tables" / "bars", partitioning="hive").to_table()
        rows = sorted(bars.to_pylist(), key=lambda row: row["open_ts"])
        kept = [row for row in rows if (row["symbol"], row["interval"]) == (symbol, interval)]
        return [tuple(row[column] for column in columns) for row in kept]

    def table(self, name: str) -> list[dict[str, Any]]:
        return pyarrow.dataset.dataset(self.folder / "tables" / f"{name}.parquet").to_table().to_pylist()


def test_the_plan_names_the_source_and_warns_where_there_is_none(tmp_path: Path, catalog: Path) -> None:
    plan = planned(configured(tmp_path, catalog, ("A", "B", "C"), **ON))
    sources = {(stream.symbol, stream.interval): stream.filled_from for stream in plan.streams}
    assert {key: source for key, source in sources.items() if source} == {("A", "1m"): "1s"}
    assert plan.streams[0].reason.endswith("; missing bars are rebuilt from 1s")
    assert [warning for warning in plan.warnings if warning.startswith("gap_filler")] == [
        "gap_filler: nothing finer than 1m is stored for B, C, missing bars stay missing"
    ]


def test_by_default_nothing_is_filled_and_nothing_said_of_it(tmp_path: Path, catalog: Path) -> None:
    plan = planned(configured(tmp_path, catalog, ("A", "B", "C")))
    assert not any(stream.filled_from or "rebuilt" in stream.reason for stream in plan.streams)
    assert not any("gap_filler" in warning for warning in plan.warnings)


def test_a_run_delivers_what_it_can_rebuild_and_counts_it_as_missing(tmp_path: Path, catalog: Path) -> None:
    """A, with its seconds, gets every bar that B has stored."""
    run = Run(configured(tmp_path, catalog, ("A", "B"), **ON), tmp_path / "runs")
    values = ("open_ts", "close_ts", "open", "high", "low", "close", "volume", "n_base", "n_expected")
    for interval in ("1m", "5m", "1d"):
        assert run.bars("A", interval, *values) == run.bars("B", interval, *values)

    filled = [at for at, (flag,) in enumerate(run.bars("A", "1m", "filled")) if flag]
    in_run = [at - 390 for at in MISSING if at >= 390 and at not in TORN]
    before = [sum(torn - 390 < at for torn in TORN if torn >= 390) for at in in_run]
    assert filled == [at - gone for at, gone in zip(in_run, before, strict=True)]
    assert [flag for (flag,) in run.bars("A", "5m", "filled")].count(True) == len(in_run)
    assert not any(flag for (flag,) in run.bars("B", "1m", "filled"))
    assert run.summary["bars"]["A"] == {
        "expected": 600,
        "delivered": 599,
        "missing": 4,
        "filled": 3,
        "duplicates": 0,
        "rejected": 0,
    }
    assert run.summary["quality"] == {"A": 99.33, "B": 99.83}
    [history] = [row for row in run.table("history_quality") if row["symbol"] == "A"][-1:]
    assert (history["expected"], history["received"], history["missing"]) == (390, 386, 4)


def test_quality_gaps_and_defects_are_the_same_with_and_without(tmp_path: Path, catalog: Path) -> None:
    (tmp_path / "off").mkdir()
    filled = Run(configured(tmp_path, catalog, ("A",), **ON), tmp_path / "runs")
    plain = Run(configured(tmp_path / "off", catalog, ("A",)), tmp_path / "off" / "runs")
    for name in ("quality", "gaps", "defects", "history_quality", "history_gaps", "history_defects"):
        assert filled.table(name) == plain.table(name)
    assert (plain.summary["bars"]["A"]["delivered"], plain.summary["bars"]["A"]["filled"]) == (596, 0)
    assert filled.summary["digest"]["data"] != plain.summary["digest"]["data"]


def test_rebuilt_bars_are_the_same_for_every_cut_into_windows(tmp_path: Path, catalog: Path) -> None:
    path = configured(tmp_path, catalog, ("A",), **ON)
    digests = [
        Run(path, tmp_path / f"runs-{steps}", window_steps=steps, credit=1).summary["digest"]
        for steps in (1, 7, 400)
    ]
    assert digests[0] == digests[1] == digests[2]
