"""What the shipped example, replayed by real processes, leaves behind."""

import json
import re
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from actors.domain.sample import PLANTED, Planted
from tests.pipeline.conftest import CATALOG, ROOT, Ended, Json, read_bars, read_rows

NEW_YORK: Final = ZoneInfo("America/New_York")
SYMBOLS: Final = ("AAPL", "RIVN")
SESSIONS: Final = (("2025-07-02", "full", 390), ("2025-07-03", "half", 210), ("2025-07-07", "full", 390))
DERIVED_PER_SESSION: Final = {
    "5m": {"full": 78, "half": 42},
    "15m": {"full": 26, "half": 14},
    "1h": {"full": 7, "half": 4},
    "1d": {"full": 1, "half": 1},
}
ACTORS: Final = ("coordinator", "loader", "processor", "quality", "recorder", "analysis-sma_crossover")
ROWS_PLANTED: Final = [planted for planted in PLANTED if planted.kind != "missing"]
MINUTES_PLANTED: Final = [planted for planted in PLANTED if planted.kind == "missing"]
MINUTE_NS: Final = 60 * 10**9
PLANTED_IDS: Final = "{0.symbol}-{0.kind}".format
QUALITY_COLUMNS: Final = {
    "session",
    "event_ts",
    "symbol",
    "interval",
    "expected",
    "received",
    "missing",
    "duplicate_same",
    "duplicate_conflict",
    "out_of_order",
    "off_grid",
    "outside_session",
    "bad_ohlc",
    "jump",
    "score",
}
GAP_COLUMNS: Final = {"session", "known_ts", "symbol", "interval", "from_ts", "to_ts", "count"}
DEFECT_COLUMNS: Final = {
    "session",
    "known_ts",
    "open_ts",
    "symbol",
    "interval",
    "kind",
    "file",
    "row",
    "detail",
    "rows",
}
COLUMNS: Final = {
    "steps": {"session", "event_ts", "bars", "derived"},
    "signals": {
        "session",
        "event_ts",
        "strategy",
        "actor",
        "symbol",
        "action",
        "quantity",
        "confidence",
        "reason",
        "limit",
        "stop",
        "good_for",
    },
    "quality": QUALITY_COLUMNS,
    "history_quality": QUALITY_COLUMNS,
    "gaps": GAP_COLUMNS,
    "history_gaps": GAP_COLUMNS,
    "defects": DEFECT_COLUMNS,
    "history_defects": DEFECT_COLUMNS,
}


def stored_rows(symbol: str) -> list[Json]:
    return read_rows(CATALOG / f"bars/interval=1m/symbol={symbol}/year=2025/part-0.parquet")


def grid(date: str, minutes: int) -> list[int]:
    first = datetime.fromisoformat(f"{date}T09:30").replace(tzinfo=NEW_YORK)
    return [int((first + timedelta(minutes=minute)).timestamp()) * 10**9 for minute in range(minutes)]


def is_sound(row: Json) -> bool:
    return bool(
        row["low"] <= min(row["open"], row["close"]) and max(row["open"], row["close"]) <= row["high"]
    )


def local(instant_ns: int) -> str:
    return f"{datetime.fromtimestamp(instant_ns // 10**9, NEW_YORK):%H:%M}"


def flow(example: Ended, actor: str) -> list[str]:
    """Give the `[SESSION_FLOW]` lines without what stands on every one of them."""
    tag = "[SESSION_FLOW] "
    return [line.removeprefix(tag) for line in example.messages(actor) if line.startswith(tag)]


def test_the_example_ends_with_exit_code_0_and_nothing_on_standard_error(example: Ended) -> None:
    assert (example.exit_code, example.stderr) == (0, "")


def test_three_sessions_are_replayed_and_the_holiday_is_skipped(example: Ended) -> None:
    sessions = example.summary["sessions"]
    assert [(each["date"], each["kind"], each["steps"]) for each in sessions] == list(SESSIONS)
    assert sessions[1]["open"] == "2025-07-03T09:30:00-04:00"
    assert sessions[1]["close"] == "2025-07-03T13:00:00-04:00"


def test_delivered_and_missing_bars_make_up_the_expected_ones(example: Ended) -> None:
    bars = example.summary["bars"]
    assert {symbol: counts["expected"] for symbol, counts in bars.items()} == {"AAPL": 990, "RIVN": 990}
    assert all(counts["delivered"] + counts["missing"] == 990 for counts in bars.values())
    assert {symbol: counts["missing"] for symbol, counts in bars.items()} == {"AAPL": 6, "RIVN": 3}
    assert {symbol: counts["duplicates"] for symbol, counts in bars.items()} == {"AAPL": 1, "RIVN": 1}
    assert {symbol: counts["rejected"] for symbol, counts in bars.items()} == {"AAPL": 1, "RIVN": 1}


def test_quality_is_the_share_of_the_expected_bars_that_is_there(example: Ended) -> None:
    assert example.summary["quality"] == {
        "AAPL": round(100 * 984 / 990, 2),
        "RIVN": round(100 * 987 / 990, 2),
    }


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_each_base_bar_is_delivered_once_and_is_the_last_valid_row_of_the_catalog(
    example: Ended, symbol: str
) -> None:
    slots = {stamp for date, _, minutes in SESSIONS for stamp in grid(date, minutes)}
    valid = {row["open_ts"]: row for row in stored_rows(symbol) if row["open_ts"] in slots and is_sound(row)}
    delivered = read_bars(example.run_folder, "1m", symbol)
    assert [row["open_ts"] for row in delivered] == sorted(valid)
    assert [{name: row[name] for name in valid[row["open_ts"]]} for row in delivered] == [
        valid[row["open_ts"]] for row in delivered
    ]


@pytest.mark.parametrize("planted", ROWS_PLANTED, ids=PLANTED_IDS)
def test_a_planted_bad_row_is_named_with_its_file_and_row(example: Ended, planted: Planted) -> None:
    stamps = [row["open_ts"] for row in stored_rows(planted.symbol)]
    found = [
        (row["kind"], row["file"], row["row"])
        for row in read_rows(example.run_folder / "tables" / "defects.parquet")
        if (row["symbol"], row["open_ts"]) == (planted.symbol, planted.open_ts)
    ]
    file = f"bars/interval=1m/symbol={planted.symbol}/year=2025/part-0.parquet"
    assert found == [(planted.kind, file, stamps.index(planted.open_ts))]


def test_no_other_row_is_called_a_defect(example: Ended) -> None:
    assert len(read_rows(example.run_folder / "tables" / "defects.parquet")) == len(ROWS_PLANTED)


@pytest.mark.parametrize("planted", MINUTES_PLANTED, ids=PLANTED_IDS)
def test_planted_missing_minutes_are_a_gap_of_their_length(example: Ended, planted: Planted) -> None:
    found = [
        (row["from_ts"], row["to_ts"], row["count"])
        for row in read_rows(example.run_folder / "tables" / "gaps.parquet")
        if (row["symbol"], row["from_ts"]) == (planted.symbol, planted.open_ts)
    ]
    end_ns = planted.open_ts + planted.minutes * MINUTE_NS
    assert found == [(planted.open_ts, end_ns, planted.minutes)]


def test_the_only_other_gap_is_the_bar_whose_one_row_was_bad(example: Ended) -> None:
    bad = next(planted for planted in PLANTED if planted.kind == "bad_ohlc")
    gaps = {(row["symbol"], row["from_ts"]) for row in read_rows(example.run_folder / "tables/gaps.parquet")}
    planted = {(each.symbol, each.open_ts) for each in MINUTES_PLANTED}
    assert gaps - planted == {(bad.symbol, bad.open_ts)}


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("interval", DERIVED_PER_SESSION)
def test_every_session_has_all_its_derived_bars(example: Ended, interval: str, symbol: str) -> None:
    counts = Counter(row["session"] for row in read_bars(example.run_folder, interval, symbol))
    expected = {date: DERIVED_PER_SESSION[interval][kind] for date, kind, _ in SESSIONS}
    assert dict(counts) == expected
    assert example.summary["derived"][interval][symbol] == sum(expected.values())


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize(
    ("date", "open_", "close"), [("2025-07-02", "15:30", "16:00"), ("2025-07-03", "12:30", "13:00")]
)
def test_the_last_hour_of_a_session_is_clipped_at_the_close(
    example: Ended, symbol: str, date: str, open_: str, close: str
) -> None:
    hours = [row for row in read_bars(example.run_folder, "1h", symbol) if row["session"] == date]
    assert (local(hours[-1]["open_ts"]), local(hours[-1]["close_ts"])) == (open_, close)
    assert [row["clipped"] for row in hours] == [False] * (len(hours) - 1) + [True]


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize(("interval", "minutes"), [("5m", 5), ("15m", 15), ("1h", 60), ("1d", 390)])
def test_a_derived_bar_is_what_its_minutes_make(
    example: Ended, interval: str, minutes: int, symbol: str
) -> None:
    base = {row["open_ts"]: row for row in read_bars(example.run_folder, "1m", symbol)}
    for row in read_bars(example.run_folder, interval, symbol):
        slots = range(row["open_ts"], row["close_ts"], MINUTE_NS)
        inside = [base[slot] for slot in slots if slot in base]
        assert len(slots) <= minutes
        assert (row["n_base"], row["n_expected"]) == (len(inside), len(slots))
        assert row["partial"] == (len(inside) < len(slots))
        assert (row["open"], row["close"]) == (inside[0]["open"], inside[-1]["close"])
        assert row["high"] == max(each["high"] for each in inside)
        assert row["low"] == min(each["low"] for each in inside)
        assert row["volume"] == sum(each["volume"] for each in inside)


def test_the_supervisor_writes_the_lines_of_start_up_in_order(example: Ended) -> None:
    assert flow(example, "supervisor") == [
        "2.a: SystemManager - Loading configuration",
        "2.a: Complete - Config loaded: Example Trading Session",
        "2.b: SystemManager - Initializing managers",
        "2.c: Complete - Backtest window set: 2025-07-02 to 2025-07-07",
        "2.d: Complete - SessionData created",
        "2.e: Complete - Actor processes created",
        "2.f: Complete - Actors wired",
        "2.g: Complete - SessionCoordinator started",
        "2.h: SystemManager - State set to RUNNING",
        "2: Complete - SystemManager.start() finished",
    ]


def test_the_coordinator_writes_the_lines_of_the_first_session_in_order(example: Ended) -> None:
    patterns = [
        r"3: SessionCoordinator\.run\(\) - Started",
        r"3\.b\.2\.PHASE_1: Initialization phase starting",
        r"PHASE_1\.1: First session - marking STREAMED/GENERATED/IGNORED",
        r"PHASE_1\.3: Current session date: 2025-07-02, time: 09:30:00",
        r"PHASE_1\.4: Session initialization complete",
        r"3\.b\.2\.PHASE_1: Complete",
        r"3\.b\.2\.PHASE_2: Historical Management phase starting",
        r"PHASE_2\.1: Loading AAPL 1m bars from 2025-06-25 to 2025-07-01",
        r"PHASE_2\.1: Loaded 1950 bars for AAPL 1m",
        r"PHASE_2\.1: Loading RIVN 1m bars from 2025-06-25 to 2025-07-01",
        r"PHASE_2\.1: Loaded 1950 bars for RIVN 1m",
        r"PHASE_2\.1: Complete - 3900 bars loaded in \d+\.\d{3}s",
        r"PHASE_2\.3: Historical quality: 100\.0% average across 4 symbol/interval pairs",
        r"3\.b\.2\.PHASE_2: Complete",
        r"3\.b\.2\.PHASE_3: Queue Loading phase starting",
        r"PHASE_3\.2: Loading backtest queues",
        r"PHASE_3\.2: Prefetch range: 2025-07-02 to 2025-07-07 \(3 sessions\)",
        r"PHASE_3\.2: Loading AAPL 1m queue: 2025-07-02 to 2025-07-07",
        r"PHASE_3\.2: Loaded 984 bars for AAPL 1m",
        r"PHASE_3\.2: Loading RIVN 1m queue: 2025-07-02 to 2025-07-07",
        r"PHASE_3\.2: Loaded 987 bars for RIVN 1m",
        r"PHASE_3\.2: Complete - Loaded 1971 bars across 2 streams",
        r"3\.b\.2\.PHASE_3: Complete",
        r"3\.b\.2\.PHASE_4: Session Activation phase starting",
        r"PHASE_4\.1: Complete - Session active",
        r"3\.b\.2\.PHASE_4: Complete",
        r"3\.b\.2\.PHASE_5: Streaming phase starting",
        r"PHASE_5\.1: Market hours: 09:30:00 to 16:00:00",
        *(line for at in range(390) for line in step_patterns(at)),
        r"PHASE_5\.2: All queues empty \(2/2\)",
        r"PHASE_5\.SUMMARY: 390 iterations, 776 bars, final time = 16:00:00",
        r"3\.b\.2\.PHASE_5: Complete",
        r"3\.b\.2\.PHASE_6: End-of-Session phase starting",
        r"3\.b\.2\.PHASE_6: Complete",
        r"3\.b\.2\.CHECK: Continuing to next session",
    ]
    lines = [line for line in flow(example, "coordinator") if not line.startswith("PHASE_1.2")]
    assert len(lines) > len(patterns)
    for line, pattern in zip(lines, patterns, strict=False):
        assert re.fullmatch(pattern, line)
    assert flow(example, "coordinator")[-2:] == [
        "3.b.2.CHECK: Termination condition met",
        "3.b: Complete - Coordinator loop exited",
    ]


def step_patterns(minute: int) -> tuple[str, str]:
    """Match the two lines of a full session's step; defects leave one bar, never none."""
    at = datetime.fromisoformat("2025-07-02T09:31") + timedelta(minutes=minute)
    processed = r"PHASE_5\.3: Processed (2 bars \(AAPL: 1, RIVN: 1\)|1 bars \((AAPL|RIVN): 1\))"
    return rf"PHASE_5\.2: Next timestamp: {at:%H:%M}:00 \(2/2 queues active\)", processed


def test_every_phase_of_every_session_starts_and_completes_in_order(example: Ended) -> None:
    lines = [line for line in flow(example, "coordinator") if line.startswith("3.b.2.PHASE_")]
    titles = (
        "Initialization",
        "Historical Management",
        "Queue Loading",
        "Session Activation",
        "Streaming",
        "End-of-Session",
    )
    once = [
        f"3.b.2.PHASE_{number}: {words}"
        for number, title in enumerate(titles, start=1)
        for words in (f"{title} phase starting", "Complete")
    ]
    assert lines == 3 * once


def test_the_half_day_has_its_own_hours_and_counts(example: Ended) -> None:
    lines = flow(example, "coordinator")
    assert "PHASE_5.1: Market hours: 09:30:00 to 13:00:00" in lines
    assert "PHASE_5.SUMMARY: 210 iterations, 417 bars, final time = 13:00:00" in lines


def test_counting_processed_lines_gives_the_iterations_of_the_summaries(example: Ended) -> None:
    text = (example.run_folder / "logs" / "coordinator.log").read_text()
    processed = sum("PHASE_5.3: Processed" in line for line in text.splitlines())
    iterations = [int(found) for found in re.findall(r"PHASE_5\.SUMMARY: (\d+) iterations", text)]
    assert iterations == [390, 210, 390]
    assert processed == sum(iterations)


@pytest.mark.parametrize("actor", ["supervisor", *ACTORS])
def test_every_actor_has_one_log_for_eyes_and_the_same_for_programs(example: Ended, actor: str) -> None:
    text = (example.run_folder / "logs" / f"{actor}.log").read_text().splitlines()
    messages = example.messages(actor)
    assert messages
    assert len(text) == len(messages)
    assert all(
        line.endswith(message) and f" {actor} " in line for line, message in zip(text, messages, strict=True)
    )


def test_status_ends_as_done_with_every_actor_exited(example: Ended) -> None:
    status = example.json("status.json")
    assert status["state"] == "done"
    assert status["phase"] == 6
    assert status["sim_time"] == "2025-07-07T16:00:00-04:00"
    assert {name: actor["state"] for name, actor in status["actors"].items()} == dict.fromkeys(
        ACTORS, "exited"
    )
    assert all(actor["role"] and actor["pid"] > 0 for actor in status["actors"].values())


def test_every_actor_is_a_process_of_its_own(example: Ended) -> None:
    actors = example.json("status.json")["actors"].values()
    assert len({actor["pid"] for actor in actors}) == len(ACTORS)


def test_the_summary_has_every_key_that_is_promised(example: Ended) -> None:
    summary = example.summary
    assert summary["status"] == "done"
    assert summary["exit_code"] == 0
    assert all(set(each) == {"date", "kind", "open", "close", "steps"} for each in summary["sessions"])
    counts = {"expected", "delivered", "missing", "duplicates", "rejected", "filled"}
    assert all(set(each) == counts for each in summary["bars"].values())
    assert set(summary["derived"]) == set(DERIVED_PER_SESSION)
    assert set(summary["quality"]) == set(SYMBOLS)
    assert summary["signals"]["emitted"] > 0
    assert all(
        re.fullmatch(r"[0-9a-f]{64}", summary["digest"][name]) for name in ("data", "stream", "signals")
    )
    assert set(summary["wall_s"]) > {"streaming", "total"}
    assert summary["bars_per_s"] > 0
    assert set(summary["peak_rss_bytes"]) == set(ACTORS)
    assert min(summary["peak_rss_bytes"].values()) > 2**20
    assert summary["restarts"] == 0


def test_the_configuration_that_was_used_is_kept_as_json(example: Ended) -> None:
    config = example.json("config.json")
    assert config["session_name"] == "Example Trading Session"
    assert config["pipeline"]["credit"] > 0


def test_the_plan_labels_every_stream(example: Ended) -> None:
    labels = {
        (each["symbol"], each["interval"]): each["label"] for each in example.json("plan.json")["streams"]
    }
    assert {key for key, label in labels.items() if label == "STREAMED"} == {(each, "1m") for each in SYMBOLS}
    assert Counter(labels.values()) == {"STREAMED": 2, "GENERATED": 8}


def test_no_file_names_a_place_of_this_machine(example: Ended) -> None:
    places = [str(place).encode() for place in (example.run_folder.parent, ROOT, Path.home(), sys.prefix)]
    files = [path for path in example.run_folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    named = [
        (path.name, place)
        for path in files
        for place in places
        if len(place) > 1 and place in path.read_bytes()
    ]
    assert named == []


def test_every_json_file_is_an_object(example: Ended) -> None:
    files = sorted(example.run_folder.glob("*.json"))
    names = [
        "config.json",
        "environment.json",
        "inputs.json",
        "plan.json",
        "status.json",
        "summary.json",
    ]
    assert [path.name for path in files] == names
    assert all(isinstance(json.loads(path.read_bytes()), dict) for path in files)


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_has_the_columns_that_are_documented(example: Ended, table: str) -> None:
    schema = pq.read_schema(example.run_folder / "tables" / f"{table}.parquet")
    assert set(schema.names) == COLUMNS[table]
    instants = [name for name in schema.names if name.endswith("_ts")]
    assert all(str(schema.field(name).type) == "timestamp[ns, tz=UTC]" for name in instants)


def test_the_steps_are_every_minute_and_the_one_instant_off_the_grid(example: Ended) -> None:
    steps = read_rows(example.run_folder / "tables" / "steps.parquet")
    regular = {stamp + MINUTE_NS for date, _, minutes in SESSIONS for stamp in grid(date, minutes)}
    off_grid = next(planted for planted in PLANTED if planted.kind == "off_grid")
    assert [row["event_ts"] for row in steps] == sorted({*regular, off_grid.open_ts + MINUTE_NS})
    assert sum(row["bars"] for row in steps) == 1971
    assert sum(row["derived"] for row in steps) == 2 * (198 + 66 + 18 + 3)


def test_signals_fall_on_the_closes_of_five_minute_bars(example: Ended) -> None:
    signals: list[dict[str, Any]] = read_rows(example.run_folder / "tables" / "signals.parquet")
    assert len(signals) == example.summary["signals"]["emitted"]
    closes = {
        symbol: {row["close_ts"] for row in read_bars(example.run_folder, "5m", symbol)} for symbol in SYMBOLS
    }
    assert all(signal["event_ts"] in closes[signal["symbol"]] for signal in signals)
    assert {signal["action"] for signal in signals} == {"BUY", "SELL"}


def test_latest_points_at_the_run_and_the_folder_can_be_moved(example: Ended) -> None:
    latest = example.run_folder.with_name("latest")
    assert latest.resolve() == example.run_folder.resolve()
    assert latest.readlink() == Path(example.run_folder.name)


def test_the_screen_shows_plan_and_summary(example: Ended) -> None:
    for words in (
        "2025-07-03",
        "half",
        "STREAMED",
        "GENERATED",
        example.summary["digest"]["stream"],
        "exit code 0",
    ):
        assert words in example.stdout
