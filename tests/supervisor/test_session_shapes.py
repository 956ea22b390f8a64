"""Whole runs in one process with extended hours, and with bins on the clock's marks."""

import io
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from actors.domain.calendar_table import sessions_between
from actors.domain.check_request import CheckRequest
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.domain.sample import Instrument, clean_bars, sample_metadata
from actors.domain.session_shape import shape
from actors.runtime.calendars import CACHE_VARIABLE, Calendars
from actors.runtime.store import write_bars
from actors.supervisor.check_tally import CheckTally
from actors.supervisor.data_check import run_check
from actors.supervisor.launch import LaunchOptions, launch

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "configs" / "example_session.json"
ZONE: Final = "America/New_York"
MISSING: Final = {
    "2025-07-02": [("04:00", "04:30"), ("09:25", "09:30"), ("09:30", "09:33"), ("18:00", "20:00")],
    "2025-07-03": [("04:00", "09:30"), ("12:58", "13:02")],
}
GAPS: Final = [
    ("04:00", "04:30", "04:31"),
    ("09:25", "09:30", "09:30"),
    ("09:30", "09:33", "09:34"),
    ("18:00", "20:00", "20:00"),
    ("04:00", "09:30", "09:30"),
    ("12:58", "13:00", "13:00"),
    ("13:00", "13:02", "13:03"),
]
"""From when to when bars are missing, and when that shows."""
PARTS: Final = {
    "2025-07-02 09:30": (330, 35),
    "2025-07-02 16:00": (390, 3),
    "2025-07-02 20:00": (240, 120),
    "2025-07-03 09:30": (330, 330),
    "2025-07-03 13:00": (210, 2),
    "2025-07-03 17:00": (240, 2),
}
"""Expected and missing bars of each part, by its close."""
STRATEGY: Final = """
import json
from pathlib import Path
from actors.domain.strategy import Strategy, StrategyParams

class NotebookParams(StrategyParams):
    path: str

class Notebook(Strategy[NotebookParams]):
    Params = NotebookParams

    def on_start(self, ctx):
        self.pages = []

    def on_step(self, ctx, step):
        quality = ctx.quality("AAPL")
        self.pages.append((ctx.now, quality.expected, quality.missing))

    def on_stop(self, ctx):
        Path(self.params.path).write_text(json.dumps(self.pages))
"""
Rows = dict[str, Any]


class Run(NamedTuple):
    """What came of one."""

    summary: dict[str, Any]
    folder: Path
    pages: dict[str, tuple[int, int]]
    """What the strategy saw of the quality, by the time of the step."""

    def table(self, name: str) -> pd.DataFrame:
        return local(pq.read_table(self.folder / "tables" / f"{name}.parquet").to_pandas())

    def bars(self, interval: str) -> pd.DataFrame:
        folder = self.folder / "tables" / "bars" / f"interval={interval}" / "symbol=AAPL"
        parts = [pq.ParquetFile(path).read().to_pandas() for path in sorted(folder.glob("*.parquet"))]
        return local(pd.concat(parts, ignore_index=True))


def local(table: pd.DataFrame) -> pd.DataFrame:
    stamps = [name for name in table.columns if name.endswith("_ts")]
    return table.assign(**{name: table[name].dt.tz_convert(ZONE) for name in stamps})


def times(stamps: "pd.Series[pd.Timestamp]") -> list[str]:
    return stamps.dt.strftime("%H:%M").tolist()


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401  a generator
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def stored() -> Rows:
    """Minutes of all parts of 2025-07-01 to 07-03, without those that are to be missing."""
    table = Calendars().table("XNYS", date(2025, 7, 3))
    sessions = sessions_between(table, date(2025, 7, 1), date(2025, 7, 3))
    parts = [part for each in shape(sessions, ZONE, extended=True, clock=False) for part in each.parts]
    bars = clean_bars(Instrument("AAPL", 200.0, 0.0005, 0.005, 60_000), tuple(parts), 7)
    opens = pd.DatetimeIndex(bars["open_ts"], tz="UTC").tz_convert(ZONE)
    gone = np.zeros(len(opens), dtype=bool)
    for day, spans in MISSING.items():
        for begin, end in spans:
            gone |= (opens >= pd.Timestamp(f"{day} {begin}", tz=ZONE)) & (
                opens < pd.Timestamp(f"{day} {end}", tz=ZONE)
            )
    return {name: values[~gone] for name, values in bars.items()}


@pytest.fixture(scope="module")
def catalog(stored: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog")
    write_bars(folder, "AAPL", "1m", stored, sample_metadata(7))
    return folder


def play(catalog: Path, folder: Path, settings: Mapping[str, Any], window_steps: int | None = None) -> Run:
    document = json.loads(EXAMPLE.read_bytes())
    (folder / "notebook.py").write_text(STRATEGY)
    notebook = {"strategy": "notebook.py:Notebook", "params": {"path": str(folder / "pages.json")}}
    document["session_data_config"] |= {
        "symbols": ["AAPL"],
        "streams": ["1m", "1h", "1d"],
        "historical": {"data": [{"trailing_days": 1, "intervals": ["1m", "1h", "1d"]}]},
        "indicators": {},
        "strategies": [{"name": "notebook", **notebook}],
        "extended_hours": settings["extended_hours"],
    }
    document |= {"catalog": {"path": str(catalog)}, "derived": {"align": settings["align"]}}
    path = folder / "session.json"
    path.write_text(json.dumps(document))
    stdout = io.StringIO()
    options = LaunchOptions(runs=folder / "runs", inline=True, as_json=True, stdout=stdout)
    overrides = Overrides(start="2025-07-02", end="2025-07-03", window_steps=window_steps)
    assert launch(path, overrides, options) is ExitCode.DONE
    summary = json.loads(stdout.getvalue())
    return Run(summary, folder / "runs" / summary["run"], pages_of(folder / "pages.json"))


def pages_of(path: Path) -> dict[str, tuple[int, int]]:
    return {
        pd.Timestamp(now, tz="UTC").tz_convert(ZONE).strftime("%Y-%m-%d %H:%M"): (expected, missing)
        for now, expected, missing in json.loads(path.read_bytes())
    }


@pytest.fixture(scope="module")
def extended(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = {"extended_hours": True, "align": "session"}
    return play(catalog, tmp_path_factory.mktemp("extended"), settings)


def test_all_parts_are_delivered_and_what_is_missing_makes_up_the_rest(extended: Run, stored: Rows) -> None:
    first = pd.Timestamp("2025-07-02 04:00", tz=ZONE).value
    expected = stored["open_ts"][stored["open_ts"] >= first]
    assert [stamp.value for stamp in extended.bars("1m")["open_ts"]] == expected.tolist()
    bars = extended.summary["bars"]["AAPL"]
    assert (bars["expected"], bars["missing"]) == (960 + 780, 492)
    assert bars["delivered"] + bars["missing"] == bars["expected"]
    assert bars["delivered"] == len(expected)
    assert [session["steps"] for session in extended.summary["sessions"]] == [960, 780]
    assert extended.summary["quality"]["AAPL"] == round(100 * len(expected) / 1740, 2)


def test_hours_begin_anew_with_every_part(extended: Run) -> None:
    hourly = extended.bars("1h")
    whole, half = (hourly[hourly["session"] == day] for day in MISSING)
    regular = ["09:30", "10:30", "11:30", "12:30", "13:30", "14:30", "15:30"]
    pre, post = ["04:00", "05:00", "06:00", "07:00", "08:00", "09:00"], ["16:00", "17:00"]
    assert times(whole["open_ts"]) == [*pre, *regular, *post]
    assert whole["n_expected"].tolist() == [60] * 5 + [30] + [60] * 6 + [30] + [60] * 2
    assert times(whole["close_ts"][whole["clipped"]]) == ["09:30", "16:00"]
    assert times(half["open_ts"]) == [*regular[:4], "13:00", "14:00", "15:00", "16:00"]
    assert times(half["close_ts"])[3:5] == ["13:00", "14:00"]


def test_the_day_is_the_regular_session(extended: Run) -> None:
    daily, minutes = extended.bars("1d"), extended.bars("1m")
    assert times(daily["open_ts"]) == ["09:30", "09:30"]
    assert times(daily["close_ts"]) == ["16:00", "13:00"]
    assert daily["n_expected"].tolist() == [390, 210]
    assert daily["n_base"].tolist() == [387, 208]
    for _, day in daily.iterrows():
        inside = (minutes["open_ts"] >= day["open_ts"]) & (minutes["open_ts"] < day["close_ts"])
        regular = minutes[inside]
        prices = (regular["open"].iloc[0], regular["high"].max(), regular["low"].min())
        assert (day["open"], day["high"], day["low"]) == prices
        assert (day["close"], day["volume"]) == (regular["close"].iloc[-1], regular["volume"].sum())


def test_every_part_is_judged_by_itself(extended: Run) -> None:
    quality = extended.table("quality").set_index(
        extended.table("quality")["event_ts"].dt.strftime("%Y-%m-%d %H:%M")
    )
    found = {close: tuple(quality.loc[close, ["expected", "missing"]]) for close in PARTS}
    assert found == PARTS
    gaps = extended.table("gaps")
    columns = (times(gaps[name]) for name in ("from_ts", "to_ts", "known_ts"))
    assert list(zip(*columns, strict=True)) == GAPS
    assert extended.summary["gaps"]["AAPL"] == len(GAPS)


def test_a_strategy_sees_the_quality_of_the_part_it_is_in(extended: Run) -> None:
    pages = extended.pages
    assert {close: pages[close] for close in PARTS} == PARTS
    assert pages["2025-07-02 09:29"] == (329, 34)
    assert pages["2025-07-02 09:31"] == (1, 1)
    assert pages["2025-07-02 10:00"] == (30, 3)
    assert pages["2025-07-02 16:01"] == (1, 0)
    assert pages["2025-07-03 09:31"] == (1, 0)


def test_the_log_names_both_kinds_of_hours(extended: Run) -> None:
    log = (extended.folder / "logs" / "coordinator.log").read_text()
    assert "PHASE_5.1: Market hours: 09:30:00 to 16:00:00 (extended 04:00:00 to 20:00:00)" in log
    assert "PHASE_5.1: Market hours: 09:30:00 to 13:00:00 (extended 04:00:00 to 17:00:00)" in log


@pytest.mark.parametrize("window_steps", [1, 97])
def test_extended_hours_do_not_depend_on_the_cut_into_windows(
    window_steps: int, extended: Run, catalog: Path, tmp_path: Path
) -> None:
    other = play(catalog, tmp_path, {"extended_hours": True, "align": "session"}, window_steps)
    assert other.summary["digest"] == extended.summary["digest"]
    assert other.summary["bars"] == extended.summary["bars"]
    assert other.pages == extended.pages


@pytest.mark.parametrize("start", [date(2025, 7, 2), None])
def test_a_check_of_extended_hours_says_what_the_run_says(
    start: date | None, extended: Run, catalog: Path
) -> None:
    tally = CheckTally()
    end = None if start is None else date(2025, 7, 3)
    run_check(CheckRequest(catalog=catalog, start=start, end=end, extended_hours=True), Calendars(), tally)
    (totals,) = tally.streams
    history = 0 if start else 960
    assert totals.expected == extended.summary["bars"]["AAPL"]["expected"] + history
    assert totals.counted["missing"] == extended.summary["bars"]["AAPL"]["missing"]
    assert totals.gaps == len(GAPS)
    assert totals.counted["outside_session"] == 0


def test_a_check_reaches_sessions_of_which_only_extended_hours_are_stored(
    stored: Rows, tmp_path: Path
) -> None:
    opens = pd.DatetimeIndex(stored["open_ts"], tz="UTC").tz_convert(ZONE)
    evening, morning = (pd.Timestamp(text, tz=ZONE) for text in ("2025-07-01 19:00", "2025-07-03 13:30"))
    kept = (opens >= evening) & (opens < morning)
    write_bars(tmp_path, "AAPL", "1m", {name: values[kept] for name, values in stored.items()}, {})
    for hours, dates in ((True, ("2025-07-01", "2025-07-03")), (False, ("2025-07-02", "2025-07-03"))):
        tally = CheckTally()
        request = CheckRequest(catalog=tmp_path, calendar="XNYS", extended_hours=hours)
        run_check(request, Calendars(), tally)
        (totals,) = tally.streams
        assert (str(totals.check.first), str(totals.check.last)) == dates


@pytest.mark.parametrize("extended_hours", [False, True])
def test_on_the_clock_hours_begin_on_the_hour(catalog: Path, tmp_path: Path, *, extended_hours: bool) -> None:
    run = play(catalog, tmp_path, {"extended_hours": extended_hours, "align": "clock"})
    hourly = run.bars("1h")
    whole, half = (hourly[hourly["session"] == day] for day in MISSING)
    regular = ["09:30", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00"]
    pre, post = ["04:00", "05:00", "06:00", "07:00", "08:00", "09:00"], ["16:00", "17:00"]
    assert times(whole["open_ts"]) == [*pre * extended_hours, *regular, *post * extended_hours]
    assert times(half["open_ts"])[:4] == regular[:4]
    assert times(whole["open_ts"][whole["clipped"]]) == ["09:00"] * extended_hours + ["09:30"]
    assert run.bars("1d")["n_expected"].tolist() == [390, 210]
    for _, bar in hourly.iterrows():
        minutes = run.bars("1m")
        inside = minutes[(minutes["open_ts"] >= bar["open_ts"]) & (minutes["open_ts"] < bar["close_ts"])]
        assert (bar["open"], bar["close"]) == (inside["open"].iloc[0], inside["close"].iloc[-1])
        assert (bar["high"], bar["low"]) == (inside["high"].max(), inside["low"].min())
        assert (bar["volume"], bar["n_base"]) == (inside["volume"].sum(), len(inside))
