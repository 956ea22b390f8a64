"""Runs over a split and a dividend: without a file a finding, with one all prices on one scale."""

import hashlib
import io
import json
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from actors.config import parse_config
from actors.domain.calendar_table import sessions_between
from actors.domain.check_request import CheckRequest
from actors.domain.errors import ConfigError, DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.domain.sample import Instrument, clean_bars, sample_metadata
from actors.domain.session_plan import Hours, SessionPlan
from actors.runtime.calendars import Calendars
from actors.runtime.store import Catalog, write_bars
from actors.supervisor.check_tally import CheckTally
from actors.supervisor.data_check import run_check
from actors.supervisor.launch import LaunchOptions, launch
from actors.supervisor.planner import make_plan

FIRST, LAST = date(2025, 6, 30), date(2025, 7, 8)
SPLIT_DAY: Final = "2025-07-02"
BEFORE: Final = 2 * 390
"""Rows of 2025-06-30 and 07-01, the sessions before the split."""
PRICES: Final = ("open", "high", "low", "close")
FOUR_TO_ONE: Final = f"{SPLIT_DAY},SPLT,4,\n"
Bars = dict[str, npt.NDArray[Any]]


class Done(NamedTuple):
    """A run that is over."""

    summary: dict[str, Any]
    folder: Path

    def bars(self, interval: str, column: str) -> list[float]:
        folder = self.folder / "tables" / "bars" / f"interval={interval}" / "symbol=SPLT"
        return [
            value
            for path in sorted(folder.glob("*.parquet"))
            for value in pq.ParquetFile(path).read([column])[column].to_pylist()
        ]

    def defects(self, table: str = "defects") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (
            pq.ParquetFile(self.folder / "tables" / f"{table}.parquet").read().to_pylist()
        )
        return rows


@pytest.fixture(scope="module")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    return Calendars(tmp_path_factory.mktemp("calendars"))


@pytest.fixture(scope="module")
def minutes(calendars: Calendars) -> Bars:
    """Clean minutes of six sessions on the scale after the split."""
    sessions = sessions_between(calendars.table("XNYS", LAST), FIRST, LAST)
    hours = tuple(Hours(session.open_ns, session.close_ns) for session in sessions)
    return clean_bars(Instrument("SPLT", 50.0, 0.0005, 0.005, 60_000), hours, 7)


def unsplit(bars: Bars, split: float = 4.0) -> Bars:
    """Give the bars before the split as they were traded."""
    before = np.arange(len(bars["open"])) < BEFORE
    prices = {name: np.where(before, bars[name] * split, bars[name]) for name in PRICES}
    return bars | prices | {"volume": np.where(before, bars["volume"] / split, bars["volume"])}


def store(catalog: Path, bars: Bars, interval: str = "1m") -> Path:
    write_bars(catalog, "SPLT", interval, bars, sample_metadata(7))
    return catalog


def document(catalog: Path, actions: str | None, history: int = 0) -> dict[str, Any]:
    """Write a configuration, and the file of actions beside the catalog's folder."""
    settings: dict[str, Any] = {"path": str(catalog)}
    if actions is not None:
        (catalog.parent / "actions.csv").write_text(f"date,symbol,split,dividend\n{actions}")
        settings["corporate_actions"] = "actions.csv"
    windows = [{"trailing_days": history, "intervals": ["1m"]}] if history else []
    return {
        "session_name": "Split",
        "exchange_group": "US_EQUITY",
        "backtest_config": {"start_date": str(FIRST), "end_date": str(LAST)},
        "session_data_config": {
            "symbols": ["SPLT"],
            "streams": ["1m", "1h", "1d"],
            "historical": {"data": windows},
        },
        "trading_config": dict.fromkeys(("max_buying_power", "max_per_trade", "max_per_symbol"), 1.0)
        | {"max_open_positions": 1},
        "catalog": settings,
    }


def run(written: dict[str, Any], folder: Path, **overrides: Any) -> Done:  # noqa: ANN401  any of them
    path = folder / "session.json"
    path.write_text(json.dumps(written))
    stdout = io.StringIO()
    options = LaunchOptions(runs=folder / "runs", inline=True, as_json=True, stdout=stdout)
    assert launch(path, Overrides(**overrides), options) is ExitCode.DONE
    summary = json.loads(stdout.getvalue())
    return Done(summary, folder / "runs" / summary["run"])


def plan(written: dict[str, Any], folder: Path, calendars: Calendars) -> SessionPlan:
    config = parse_config(written, folder)
    return make_plan(config, Catalog(config.catalog_path), calendars)


def test_without_a_file_a_split_is_a_jump_and_the_summary_names_it(minutes: Bars, tmp_path: Path) -> None:
    done = run(document(store(tmp_path / "data", unsplit(minutes)), None), tmp_path)
    (jump,) = done.defects()
    assert (jump["session"], jump["kind"], jump["row"]) == (SPLIT_DAY, "jump", BEFORE)
    assert "suspected 4:1 split; catalog.corporate_actions can adjust for it" in jump["detail"]
    assert done.summary["corporate_actions"] is None
    assert done.summary["suspected_splits"] == [{"symbol": "SPLT", "date": SPLIT_DAY, "split": "4:1"}]
    assert (
        f"suspected splits: SPLT {SPLIT_DAY} 4:1; catalog.corporate_actions can adjust for it"
        in done.summary["warnings"]
    )


def test_a_split_in_the_history_is_named_too(minutes: Bars, tmp_path: Path) -> None:
    written = document(store(tmp_path / "data", unsplit(minutes)), None, history=2)
    done = run(written, tmp_path, start="2025-07-03")
    assert done.defects() == []
    assert [jump["session"] for jump in done.defects("history_defects")] == [SPLIT_DAY]
    assert done.summary["suspected_splits"] == [{"symbol": "SPLT", "date": SPLIT_DAY, "split": "4:1"}]


def test_with_a_file_a_run_is_that_over_bars_which_were_never_split(minutes: Bars, tmp_path: Path) -> None:
    adjusted = run(document(store(tmp_path / "data", unsplit(minutes)), FOUR_TO_ONE), tmp_path)
    (tmp_path / "never").mkdir()
    never = run(document(store(tmp_path / "never" / "data", minutes), None), tmp_path / "never")

    assert adjusted.defects() == []
    assert adjusted.summary["suspected_splits"] == []
    assert not any("suspected" in warning for warning in adjusted.summary["warnings"])
    assert adjusted.summary["digest"] == never.summary["digest"]
    for interval in ("1m", "1h", "1d"):
        for column in (*PRICES, "volume"):
            assert adjusted.bars(interval, column) == never.bars(interval, column)


def test_the_plan_and_the_summary_say_which_file_was_applied(minutes: Bars, tmp_path: Path) -> None:
    done = run(document(store(tmp_path / "data", unsplit(minutes)), FOUR_TO_ONE), tmp_path)
    sha256 = hashlib.sha256((tmp_path / "actions.csv").read_bytes()).hexdigest()
    kept = json.loads((done.folder / "plan.json").read_bytes())
    assert done.summary["corporate_actions"] == {"file": "actions.csv", "sha256": sha256, "applied": 1}
    assert kept["corporate_actions"] == {"name": "actions.csv", "sha256": sha256}
    assert kept["adjustments"] == [
        {
            "symbol": "SPLT",
            "date": SPLIT_DAY,
            "split": 4.0,
            "dividend": 0.0,
            "price_factor": 0.25,
            "volume_factor": 4.0,
        }
    ]


def test_a_dividend_is_set_against_the_last_stored_close_before_it(minutes: Bars, tmp_path: Path) -> None:
    raw = unsplit(minutes)
    close = raw["close"][BEFORE - 1]
    done = run(document(store(tmp_path / "data", raw), f"{SPLIT_DAY},SPLT,4,2\n"), tmp_path)
    factor = 1 / 4 * (1 - 2 / close)
    assert done.bars("1m", "close")[:BEFORE] == (raw["close"][:BEFORE] * factor).tolist()
    assert done.bars("1m", "close")[BEFORE:] == raw["close"][BEFORE:].tolist()
    assert done.bars("1m", "volume")[:BEFORE] == (raw["volume"][:BEFORE] * 4).tolist()
    assert done.bars("1d", "close")[1] == pytest.approx((close - 2) / 4, rel=1e-12)


def test_a_run_that_ends_before_the_split_is_a_prefix_of_the_one_that_goes_on(
    minutes: Bars, tmp_path: Path
) -> None:
    actions = f"{FOUR_TO_ONE}2025-07-07,SPLT,,1\n2030-01-02,SPLT,2,\n"
    written = document(store(tmp_path / "data", unsplit(minutes)), actions)
    whole = run(written, tmp_path)
    for end in ("2025-07-01", "2025-07-03"):
        cut = run(written, tmp_path, end=end)
        for interval in ("1m", "1h", "1d"):
            for column in (*PRICES, "volume"):
                found = cut.bars(interval, column)
                assert found == whole.bars(interval, column)[: len(found)]
    assert whole.bars("1m", "open")[-1] == minutes["open"][-1] / 2


@pytest.mark.parametrize("start", ["2025-07-01", SPLIT_DAY, "2025-07-03"])
def test_wherever_a_run_starts_its_bars_and_defects_are_the_same(
    start: str, minutes: Bars, tmp_path: Path
) -> None:
    actions = f"{SPLIT_DAY},SPLT,4,2\n2025-07-07,SPLT,,1\n"
    written = document(store(tmp_path / "data", unsplit(minutes)), actions)
    whole, late = run(written, tmp_path), run(written, tmp_path, start=start)
    found = late.bars("1m", "close")
    assert found == whole.bars("1m", "close")[-len(found) :]
    assert late.defects() == []


def test_windows_and_credit_change_no_digest(minutes: Bars, tmp_path: Path) -> None:
    written = document(store(tmp_path / "data", unsplit(minutes)), f"{SPLIT_DAY},SPLT,4,2\n", history=1)
    digests = [
        run(written, tmp_path, start=SPLIT_DAY, window_steps=steps, credit=credit).summary["digest"]
        for steps, credit in ((None, None), (7, 1), (1000, 3))
    ]
    assert digests[1:] == digests[:1] * 2


def test_every_interval_of_a_symbol_is_adjusted_by_the_same_factor(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    raw = unsplit(minutes)
    catalog = store(store(tmp_path / "data", raw), {name: found[::5] for name, found in raw.items()}, "5m")
    written = document(catalog, f"{SPLIT_DAY},SPLT,,2\n")
    written["session_data_config"]["streams"] = ["1m", "5m"]
    found = plan(written, tmp_path, calendars)
    (step,) = found.adjustments
    assert step.price_factor == 1 - 2 / raw["close"][BEFORE - 1]


def test_actions_before_all_that_is_read_and_those_of_others_are_left_out(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    actions = "2020-08-31,SPLT,4,9\n2025-07-02,OTHER,4,9\n2025-07-03,SPLT,1,0\n1962-01-02,SPLT,2,\n"
    found = plan(document(store(tmp_path / "data", minutes), actions), tmp_path, calendars)
    assert found.adjustments == ()
    assert found.corporate_actions is not None


def test_a_dividend_before_which_no_bar_is_read_needs_no_close(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    found = plan(document(store(tmp_path / "data", minutes), f"{FIRST},SPLT,,1\n"), tmp_path, calendars)
    assert found.adjustments == ()


def test_dividends_that_cannot_be_valued_are_listed_with_their_lines(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    actions = "2025-07-03,SPLT,,5000\n2025-12-01,SPLT,,1\n2999-01-02,SPLT,,1\n2025-12-02,SPLT,2,\n"
    with pytest.raises(DataError) as caught:
        plan(document(store(tmp_path / "data", minutes), actions), tmp_path, calendars)
    first, *faults, advice = str(caught.value).splitlines()
    assert first.startswith(f"{tmp_path / 'actions.csv'}: dividends that cannot be set against the close")
    assert [fault.strip()[:25] for fault in faults] == [
        "line 2, SPLT 2025-07-03: ",
        "line 3, SPLT 2025-12-01: ",
        "line 4, SPLT 2999-01-02: ",
    ]
    assert "5000 is not below the close before" in faults[0]
    assert "no valid bar is stored in the 10 sessions before" in faults[1]
    assert "calendar XNYS covers" in faults[2]
    assert advice == "Correct these lines, import the bars of the days before, or remove the lines"


def test_a_file_that_is_not_there_is_a_problem_of_the_configuration(minutes: Bars, tmp_path: Path) -> None:
    written = document(store(tmp_path / "data", minutes), "")
    (tmp_path / "actions.csv").unlink()
    with pytest.raises(ConfigError) as caught:
        parse_config(written, tmp_path)
    (problem,) = caught.value.problems
    assert problem.where == "catalog.corporate_actions"
    assert f"there is no file {tmp_path / 'actions.csv'}" in problem.message


def test_a_bad_row_ends_the_plan_with_its_line(calendars: Calendars, minutes: Bars, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"actions\.csv: .*\n  line 2, split: '4:1' is no number"):
        plan(document(store(tmp_path / "data", minutes), "2025-07-02,SPLT,4:1,\n"), tmp_path, calendars)


def test_the_command_that_the_quality_gate_names_takes_the_file_too(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    holed = {name: np.delete(found, 5) for name, found in minutes.items()}
    written = document(store(tmp_path / "data", holed), FOUR_TO_ONE) | {"quality": {"min_score": 100}}
    with pytest.raises(DataError, match=rf"--corporate-actions {tmp_path / 'actions.csv'}"):
        plan(written, tmp_path, calendars)


@pytest.mark.parametrize(
    "actions", [FOUR_TO_ONE, f"{SPLIT_DAY},SPLT,4,2\n1980-01-02,SPLT,,1\n2999-01-02,SPLT,,1\n"]
)
def test_a_check_finds_the_split_without_the_file_and_nothing_with_it(
    actions: str, calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    catalog = store(tmp_path / "data", unsplit(minutes))
    document(catalog, actions)
    for file, splits in ((None, [(SPLIT_DAY, "4:1")]), (tmp_path / "actions.csv", [])):
        tally = CheckTally()
        run_check(CheckRequest(catalog=catalog, corporate_actions=file), calendars, tally)
        assert [(found.date, found.split) for found in tally.splits.kept] == splits
        assert tally.defects.count == len(splits)
        assert tally.unchecked == []
