"""A symbol without bars in a session stops a plan, or is left out of that session and of every count."""

import io
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cli import main
from actors.config import parse_config
from actors.domain.calendar_table import sessions_between
from actors.domain.errors import DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.overrides import Overrides
from actors.domain.sample import sample_metadata
from actors.domain.screening import StoredRows
from actors.domain.session_plan import Session, SessionPlan
from actors.runtime.calendars import Calendars
from actors.runtime.store import write_bars
from actors.supervisor.launch import LaunchOptions, launch
from actors.supervisor.planner import make_plan

ROOT: Final = Path(__file__).resolve().parents[2]
DATES: Final = ("2025-07-02", "2025-07-03", "2025-07-07")
MINUTES: Final = dict(zip(DATES, (390, 210, 390), strict=True))
MINUTE: Final = 60_000_000_000
STORED: Final = {"AAPL": ("30s", "1m"), "RIVN": ("1m",), "TSLA": ("1m",)}
STREAMS: Final = tuple((symbol, interval) for symbol, of_symbol in STORED.items() for interval in of_symbol)
Lacking = dict[tuple[str, str], set[str]]
"""The dates that each stream lacks."""


@pytest.fixture(scope="module")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    return Calendars(tmp_path_factory.mktemp("calendars"))


@pytest.fixture(scope="module")
def sessions(calendars: Calendars) -> tuple[Session, ...]:
    table = calendars.table("XNYS", date(2025, 7, 31))
    return sessions_between(table, date(2025, 7, 1), date(2025, 7, 7))


class Gappy:
    """Stored bars at 10, of which some streams lack some days; there they have a row before the open."""

    def __init__(self, sessions: tuple[Session, ...], lacking: Lacking) -> None:
        self._stamps = {
            (symbol, interval): np.concatenate(
                [
                    [session.open_ns - MINUTE]
                    if session.date in lacking.get((symbol, interval), ())
                    else expected_opens(session, Interval.parse(interval))
                    for session in sessions
                ]
            ).astype(np.int64)
            for symbol, interval in STREAMS
        }

    def read(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> StoredRows:
        stamps = self.open_stamps(symbol, interval, start_ns, end_ns)
        columns = dict.fromkeys(("open", "high", "low", "close", "volume"), np.full(len(stamps), 10.0))
        return StoredRows(stamps, columns, np.arange(len(stamps)), (("bars", len(stamps)),))

    def open_stamps(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> Any:  # noqa: ANN401
        stamps = self._stamps[symbol, interval]
        return stamps[(start_ns <= stamps) & (stamps < end_ns)]

    def stored_intervals(self, symbol: str) -> tuple[str, ...]:
        return STORED[symbol]

    def symbols(self) -> tuple[str, ...]:
        return tuple(STORED)


def document(on_missing: str | None, **sections: Any) -> dict[str, Any]:  # noqa: ANN401
    data = {"symbols": list(STORED), "streams": ["30s", "1m", "5m"]}
    return {
        "session_name": "Gappy",
        "exchange_group": "US_EQUITY",
        "backtest_config": {"start_date": DATES[0], "end_date": DATES[-1], "prefetch_days": 2},
        "session_data_config": data | sections.pop("data", {}),
        "trading_config": dict.fromkeys(("max_buying_power", "max_per_trade", "max_per_symbol"), 1.0)
        | {"max_open_positions": 1},
        "catalog": {"path": "gappy"} | ({"on_missing": on_missing} if on_missing else {}),
        **sections,
    }


def plan_of(
    calendars: Calendars,
    sessions: tuple[Session, ...],
    lacking: Lacking,
    on_missing: str | None = "skip",
    **sections: Any,  # noqa: ANN401
) -> SessionPlan:
    config = parse_config(document(on_missing, **sections), Path("/somewhere"))
    return make_plan(config, Gappy(sessions, lacking), calendars)


lackings = st.fixed_dictionaries(
    {stream: st.sets(st.sampled_from(DATES), max_size=2) | st.just(set()) for stream in STREAMS}
)


@settings(max_examples=60, deadline=None)
@given(lackings, st.sampled_from(["skip", "fail", None]))
def test_a_symbol_skips_exactly_the_sessions_that_one_of_its_streams_lacks(
    calendars: Calendars, sessions: tuple[Session, ...], lacking: Lacking, on_missing: str | None
) -> None:
    left = {
        symbol: {day for interval in intervals for day in lacking[symbol, interval]}
        for symbol, intervals in STORED.items()
    }
    whole = not any(left.values())
    nothing_left = set.intersection(*left.values()) or any(len(days) == len(DATES) for days in left.values())
    if nothing_left or not (whole or on_missing == "skip"):
        with pytest.raises(DataError) as caught:
            plan_of(calendars, sessions, lacking, on_missing)
        listed = re.findall(r"^  (\w+) (\w+): (.+)$", str(caught.value), re.MULTILINE)
        assert {(symbol, interval): set(days.split(", ")) for symbol, interval, days in listed} == {
            stream: days for stream, days in lacking.items() if days
        }
        assert ("catalog.on_missing" in str(caught.value)) == (not nothing_left)
        return
    plan = plan_of(calendars, sessions, lacking, on_missing)
    for stream in plan.streams:
        indexes = sorted(DATES.index(day) for day in left[stream.symbol] if stream.label == "STREAMED")
        assert list(stream.skipped) == indexes
    bars = {stream.id: Interval.parse(stream.interval) for stream in plan.base_streams}
    read = {
        (stream.id, index)
        for stream in plan.base_streams
        for index, day in enumerate(DATES)
        if day not in left[stream.symbol]
    }
    assert {(held.stream, held.session) for held in plan.stored} == read
    assert all(
        held.expected == held.on_grid == len(expected_opens(plan.session(held.session), bars[held.stream]))
        for held in plan.stored
    )
    assert sum("left out of" in warning for warning in plan.warnings) == len(set(told(lacking, left)))


def told(lacking: Lacking, left: dict[str, set[str]]) -> Iterator[tuple[str, str, bool]]:
    for (symbol, interval), own in lacking.items():
        for day in left[symbol]:
            yield symbol, interval, day in own


def test_a_warning_names_symbol_dates_and_which_bars_are_not_there(
    calendars: Calendars, sessions: tuple[Session, ...]
) -> None:
    plan = plan_of(calendars, sessions, {("AAPL", "30s"): {DATES[1]}, ("RIVN", "1m"): {DATES[0], DATES[2]}})
    assert [warning for warning in plan.warnings if "left out" in warning] == [
        "AAPL 30s: left out of 2025-07-03 (nothing stored)",
        "AAPL 1m: left out of 2025-07-03 (no 30s bars stored)",
        "RIVN 1m: left out of 2025-07-02, 2025-07-07 (nothing stored)",
    ]


def test_a_symbol_without_a_session_is_to_be_removed(
    calendars: Calendars, sessions: tuple[Session, ...]
) -> None:
    with pytest.raises(DataError) as caught:
        plan_of(calendars, sessions, {("RIVN", "1m"): set(DATES)})
    assert str(caught.value).splitlines() == [
        "/somewhere/gappy has no bars for these sessions:",
        "  RIVN 1m: 2025-07-02, 2025-07-03, 2025-07-07",
        "import them, or change backtest_config.start_date and end_date or session_data_config.symbols",
        "remove RIVN from session_data_config.symbols: no session of the run has the bars",
    ]


def test_a_session_without_a_symbol_is_no_session(
    calendars: Calendars, sessions: tuple[Session, ...]
) -> None:
    lacking = {("AAPL", "1m"): {DATES[1]}, ("RIVN", "1m"): {DATES[1]}, ("TSLA", "1m"): {DATES[1], DATES[2]}}
    with pytest.raises(DataError) as caught:
        plan_of(calendars, sessions, lacking)
    assert str(caught.value).splitlines()[-1] == "there is nothing to replay on 2025-07-03"


def test_a_session_that_is_left_out_does_not_lower_the_quality_gate_s_score(
    calendars: Calendars, sessions: tuple[Session, ...]
) -> None:
    plan = plan_of(calendars, sessions, {("RIVN", "1m"): {DATES[1]}}, quality={"min_score": 100.0})
    assert not any("min_score" in warning for warning in plan.warnings)


# whole runs, in one process


@pytest.fixture
def catalog(tmp_path: Path, sessions: tuple[Session, ...]) -> Path:
    """Give AAPL all of 2025-07-01 to 07-07, and RIVN no more than two useless rows on 07-03."""
    half_day = sessions[2]
    useless = [half_day.open_ns - MINUTE, half_day.open_ns + MINUTE // 2]
    for symbol in ("AAPL", "RIVN"):
        stamps = [
            useless if symbol == "RIVN" and session is half_day else expected_opens(session, Interval(1, "m"))
            for session in sessions
        ]
        opens = np.concatenate(stamps).astype(np.int64)
        prices = dict.fromkeys(("open", "high", "low", "close", "volume"), np.full(len(opens), 10.0))
        bars = {"open_ts": opens, "close_ts": opens + MINUTE, **prices}
        write_bars(tmp_path / "catalog", symbol, "1m", bars, sample_metadata(7))
    return tmp_path / "catalog"


def configuration(folder: Path, catalog: Path, on_missing: str, **pipeline: int) -> Path:
    history = {"data": [{"trailing_days": 1, "intervals": ["1m"], "apply_to": "all"}]}
    data = {"symbols": ["AAPL", "RIVN"], "streams": ["1m", "5m"], "historical": history}
    written = document(on_missing, data=data, pipeline=pipeline)
    written["catalog"]["path"] = str(catalog)
    path = folder / f"session-{on_missing}-{len(pipeline)}.json"
    path.write_text(json.dumps(written))
    return path


def run(path: Path, start: str = DATES[0]) -> tuple[dict[str, Any], Path]:
    stdout = io.StringIO()
    options = LaunchOptions(runs=path.parent / "runs", inline=True, as_json=True, stdout=stdout)
    assert launch(path, Overrides(start=start), options) is ExitCode.DONE
    summary: dict[str, Any] = json.loads(stdout.getvalue())
    return summary, path.parent / "runs" / summary["run"]


def rows_on(folder: Path, name: str, symbol: str, day: str) -> int:
    table = pq.read_table(folder / "tables" / name)
    pairs = zip(table["session"].to_pylist(), table["symbol"].to_pylist(), strict=True)
    return sum(pair == (day, symbol) for pair in pairs)


def flow_lines(folder: Path) -> list[str]:
    lines = (folder / "logs" / "coordinator.jsonl").read_text().splitlines()
    return [json.loads(line)["message"].removeprefix("[SESSION_FLOW] ") for line in lines]


def test_a_run_leaves_a_symbol_out_of_a_session_and_of_every_count(tmp_path: Path, catalog: Path) -> None:
    summary, folder = run(configuration(tmp_path, catalog, "skip"))
    whole = {"expected": 990, "delivered": 990, "missing": 0, "duplicates": 0, "rejected": 0, "filled": 0}
    assert summary["bars"] == {"AAPL": whole, "RIVN": whole | {"expected": 780, "delivered": 780}}
    assert summary["quality"] == {"AAPL": 100.0, "RIVN": 100.0}
    assert summary["derived"] == {"5m": {"AAPL": 198, "RIVN": 156}}
    assert summary["gaps"] == {"AAPL": 0, "RIVN": 0}
    assert [session["steps"] for session in summary["sessions"]] == [390, 210, 390]
    assert "RIVN 1m: left out of 2025-07-03 (nothing stored)" in summary["warnings"]
    for name in ("quality.parquet", "gaps.parquet", "defects.parquet"):
        assert rows_on(folder, name, "RIVN", "2025-07-03") == 0
    assert rows_on(folder, "quality.parquet", "AAPL", "2025-07-03") == 1
    status = json.loads((folder / "status.json").read_bytes())
    assert status["bars"] == status["bars_expected"] == 990 + 780


def test_the_log_of_a_session_speaks_of_the_streams_that_are_read(tmp_path: Path, catalog: Path) -> None:
    _, folder = run(configuration(tmp_path, catalog, "skip"))
    lines = flow_lines(folder)
    assert lines.count("PHASE_5.2: All queues empty (1/1)") == 1
    assert lines.count("PHASE_5.2: All queues empty (2/2)") == 2
    assert "PHASE_5.2: Next timestamp: 13:00:00 (1/1 queues active)" in lines
    assert "PHASE_3.2: Loading RIVN 1m queue: 2025-07-02 to 2025-07-02" in lines
    assert "PHASE_3.2: Loading RIVN 1m queue: 2025-07-07 to 2025-07-07" in lines
    assert lines.count("PHASE_2.1: Loading RIVN 1m bars from 2025-07-02 to 2025-07-02") == 1
    assert not any("RIVN" in line and "2025-07-03" in line for line in lines)
    assert lines.count("PHASE_2.3: Historical quality: 100.0% average across 2 symbol/interval pairs") == 3


def test_windows_and_credit_change_nothing_in_a_run_that_leaves_out(tmp_path: Path, catalog: Path) -> None:
    wide, _ = run(configuration(tmp_path, catalog, "skip"))
    narrow, _ = run(configuration(tmp_path, catalog, "skip", window_steps=1, credit=1))
    assert wide["digest"] == narrow["digest"]


def test_a_session_is_the_same_whether_or_not_one_that_is_left_out_comes_before_it(
    tmp_path: Path, catalog: Path
) -> None:
    path = configuration(tmp_path, catalog, "skip")
    _, long = run(path)
    short_summary, short = run(path, start="2025-07-07")
    assert not any("left out" in warning for warning in short_summary["warnings"])
    for name in ("steps.parquet", "quality.parquet"):
        last = [
            row for row in pq.read_table(long / "tables" / name).to_pylist() if row["session"] == DATES[2]
        ]
        assert last == pq.read_table(short / "tables" / name).to_pylist()


def test_without_leaving_out_the_command_ends_with_4_and_says_what_can_be_done(
    tmp_path: Path, catalog: Path
) -> None:
    path = configuration(tmp_path, catalog, "fail")
    result = CliRunner().invoke(main, ["run", str(path), "--inline", "--runs", str(tmp_path / "runs")])
    assert result.exit_code == ExitCode.DATA_MISSING
    assert result.stderr.splitlines() == [
        f"Error: {catalog} has no bars for these sessions:",
        "  RIVN 1m: 2025-07-03",
        "import them, or change backtest_config.start_date and end_date or session_data_config.symbols,",
        'or set catalog.on_missing to "skip" to leave each symbol out of the sessions it lacks',
    ]
    assert not (tmp_path / "runs").exists()
