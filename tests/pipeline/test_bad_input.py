"""What a user did wrong is said in words, with an exit code of its own, and without a traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipeline.conftest import (
    CATALOG,
    EXAMPLE,
    SLOW,
    Configure,
    Ended,
    Json,
    Launcher,
    Runner,
    WriteStrategy,
    read_rows,
)

AAPL: Final = Path("bars/interval=1m/symbol=AAPL/year=2025/part-0.parquet")
RAISES: Final = """
class Subject(Strategy):
    def needs(self):
        return Needs(intervals=("15m",))

    def on_bar(self, ctx, bar):
        if bar.symbol == "RIVN" and bar.open_ts == 1751464800_000000000:
            raise ValueError("no such thing")
"""
"""On the 15m bar of 2025-07-02 10:00."""


def assert_refused(ended: Ended, code: int, *words: str) -> None:
    assert ended.exit_code == code, ended.stderr
    assert ended.stderr.startswith("Error: ")
    for word in words:
        assert word in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert ended.folder is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"session_data_config": {"symbol": ["AAPL"]}}, ("session_data_config.symbol:", "symbols")),
        ({"pipelines": {"credit": 1}}, ("pipelines: unknown key", "pipeline")),
        (
            {"backtest_config": {"start_date": "2025-07-07", "end_date": "2025-07-02"}},
            ("backtest_config.end_date", "2025-07-02 is before start_date 2025-07-07"),
        ),
        (
            {"backtest_config": {"start_date": "2025-07-04", "end_date": "2025-07-06"}},
            ("backtest_config", "no session from start_date 2025-07-04 to end_date 2025-07-06"),
        ),
        ({"backtest_config": {"start_date": "1789-07-14"}}, ("backtest_config.start_date", "1789-07-14")),
        ({"pipeline": {"credit": 0}}, ("pipeline.credit: must be at least 1, not 0",)),
        (
            {"session_data_config": {"strategies": [{"name": "gone", "strategy": "no/such.py:Subject"}]}},
            ("session_data_config.strategies[0]", "there is no file", "no/such.py"),
        ),
        (
            {"session_data_config": {"strategies": [{"name": "gone", "strategy": "nowhere.at.all:Subject"}]}},
            ("session_data_config.strategies[0]", "there is no module nowhere"),
        ),
    ],
    ids=[
        "misspelt key",
        "misspelt section",
        "dates reversed",
        "window without a session",
        "before the calendar",
        "value out of range",
        "no strategy file",
        "no strategy module",
    ],
)
def test_a_bad_configuration_is_refused_with_the_path_of_the_field(
    run: Runner, configure: Configure, change: Json, words: tuple[str, ...]
) -> None:
    path = configure(change)
    assert_refused(run(path), 2, str(path), *words)


def test_all_that_is_wrong_is_said_at_once(run: Runner, configure: Configure) -> None:
    path = configure({"pipeline": {"credit": 0}, "symbols": [], "mode": "live"})
    assert_refused(run(path), 2, "3 problems", "pipeline.credit", "symbols: unknown key", "mode")


def test_a_file_that_is_missing_or_no_json_is_refused(run: Runner, tmp_path: Path) -> None:
    assert_refused(run(tmp_path / "gone.json"), 2, "there is no such file")
    (tmp_path / "half.json").write_text(EXAMPLE.read_text()[:-20])
    assert_refused(run(tmp_path / "half.json"), 2, "is not JSON: line")


def test_an_option_that_is_wrong_is_named(run: Runner) -> None:
    assert_refused(
        run(EXAMPLE, "--end", "2025-06-30"), 2, "--end", "2025-06-30 is before start_date 2025-07-02"
    )


def test_a_strategy_that_raises_at_import_is_refused_with_its_line(
    run: Runner, configure: Configure, write_strategy: WriteStrategy
) -> None:
    entry = write_strategy("raises", "raise RuntimeError('not today')\n")
    path = configure({"session_data_config": {"strategies": [entry]}})
    assert_refused(run(path), 2, "it fails at import: RuntimeError: not today", "raises.py, line")


def test_a_symbol_without_data_is_refused_with_what_there_is(run: Runner, configure: Configure) -> None:
    path = configure({"session_data_config": {"symbols": ["AAPL", "TSLA"]}})
    assert_refused(run(path), 4, "no bars of TSLA", "AAPL, RIVN", str(CATALOG))


def test_sessions_without_data_are_refused_with_their_dates(run: Runner) -> None:
    refused = run(EXAMPLE, "--start", "2025-07-11", "--end", "2025-07-15")
    assert_refused(refused, 4, "AAPL 1m: 2025-07-14, 2025-07-15", "RIVN 1m")


def test_a_folder_that_is_no_catalog_is_refused(run: Runner, tmp_path: Path) -> None:
    assert_refused(run(EXAMPLE, "--catalog", str(tmp_path)), 4, "is no catalog", str(tmp_path))


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def write_text(path: Path) -> None:
    path.write_text("open_ts,close\n")


def narrow_close(path: Path) -> None:
    table = pq.ParquetFile(path).read()
    at = table.schema.get_field_index("close")
    pq.write_table(table.set_column(at, "close", table["close"].cast(pa.float32())), path)


def drop_close(path: Path) -> None:
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["close"]), path)


def without_a_close(path: Path) -> None:
    table = pq.ParquetFile(path).read()
    closes = table["close"].to_pylist()
    closes[9000] = None
    at = table.schema.get_field_index("close")
    pq.write_table(table.set_column(at, "close", pa.array(closes, pa.float64())), path)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CATALOG, tmp_path / "catalog"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (write_text, "is not a Parquet file"),
        (cut_short, "is a Parquet file cut short (truncated)"),
        (narrow_close, "column 'close' is float, expected double"),
        (drop_close, "has no column 'close'"),
    ],
    ids=["not Parquet", "truncated", "wrong column type", "column missing"],
)
def test_a_bad_file_of_the_catalog_is_named_before_anything_starts(
    run: Runner, catalog: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(catalog / AAPL)
    assert_refused(run(EXAMPLE, "--catalog", str(catalog)), 4, f"{AAPL}: {words}")


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
def test_a_bad_value_that_only_the_loader_finds_ends_the_run_with_exit_code_4(
    run: Runner, catalog: Path, inline: tuple[str, ...]
) -> None:
    without_a_close(catalog / AAPL)
    ended = run(EXAMPLE, "--catalog", str(catalog), *inline)
    assert ended.exit_code == ended.summary["exit_code"] == 4
    assert ended.summary["failure"]["actor"] == "loader"
    assert f"{AAPL}: column 'close' has no value in row 9000" in ended.summary["failure"]["reason"]
    assert f"{AAPL}: column 'close' has no value in row 9000" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
def test_a_strategy_that_raises_in_a_handler_ends_the_run_with_step_and_bar(
    run: Runner, configure: Configure, write_strategy: WriteStrategy, inline: tuple[str, ...]
) -> None:
    path = configure({"session_data_config": {"strategies": [write_strategy("raises", RAISES)]}})
    ended = run(path, *inline)
    assert ended.exit_code == 3
    failure = ended.summary["failure"]
    assert failure["actor"] == "analysis-raises"
    for words in (
        "strategy raises raised in on_bar at 2025-07-02 10:15:00 EDT",
        "bar RIVN 15m",
        "ValueError: no such thing",
        "raises.py, line",
    ):
        assert words in failure["reason"]
        assert words in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
def test_a_strategy_that_raises_and_should_be_skipped_is_logged_and_goes_on(
    run: Runner, configure: Configure, write_strategy: WriteStrategy, inline: tuple[str, ...]
) -> None:
    entry = write_strategy("raises", RAISES, on_error="skip")
    ended = run(configure({"session_data_config": {"strategies": [entry]}}), *inline)
    assert ended.exit_code == 0
    log = ended.run_folder / "logs" / "analysis-raises.jsonl"
    errors = [line for line in map(json.loads, log.read_text().splitlines()) if line["level"] == "ERROR"]
    assert [line["sim"] for line in errors] == ["2025-07-02T10:15:00-04:00"]
    assert "ValueError: no such thing" in errors[0]["message"]


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
@pytest.mark.parametrize("statement", ["sys.exit(0)", "sys.exit('enough')"])
def test_a_strategy_that_exits_does_not_end_the_run_as_done(
    run: Runner,
    configure: Configure,
    write_strategy: WriteStrategy,
    statement: str,
    inline: tuple[str, ...],
) -> None:
    body = f"class Subject(Strategy):\n    def on_step(self, ctx, step):\n        {statement}\n"
    path = configure({"session_data_config": {"strategies": [write_strategy("exits", body)]}})
    ended = run(path, *inline)
    assert ended.exit_code == 3
    assert "strategy exits raised in on_step" in ended.summary["failure"]["reason"]


def test_a_strategy_that_kills_its_process_ends_the_run(
    run: Runner, configure: Configure, write_strategy: WriteStrategy
) -> None:
    body = "class Subject(Strategy):\n    def on_step(self, ctx, step):\n        os._exit(0)\n"
    ended = run(configure({"session_data_config": {"strategies": [write_strategy("exits", body)]}}))
    assert ended.exit_code == 3
    assert ended.summary["failure"]["reason"] == "analysis-exits exited before it was asked to"


@pytest.mark.parametrize("inline", [(), ("--inline",)], ids=["processes", "inline"])
def test_a_run_folder_that_cannot_be_made_is_refused(
    run: Runner, tmp_path: Path, inline: tuple[str, ...]
) -> None:
    file = tmp_path / "file"
    file.touch()
    for runs in (file, file / "below"):
        ended = run(EXAMPLE, "--runs", str(runs), *inline)
        assert_refused(ended, 2, f"--runs: cannot make a run folder in {runs}", "choose a folder")


def test_a_folder_in_the_place_of_latest_is_refused_and_nothing_is_left(run: Runner, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (runs / "latest").mkdir(parents=True)
    assert_refused(run(EXAMPLE, "--runs", str(runs)), 2, "--runs: ", "latest cannot point at the new run")
    assert [path.name for path in runs.iterdir()] == ["latest"]


def test_a_socket_path_that_is_too_long_is_refused_with_what_to_set(run: Runner, tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    assert_refused(run(EXAMPLE, env={"TMPDIR": str(deep)}), 2, "TMPDIR: ", "set TMPDIR to a short")


def test_inline_needs_no_socket_path(run: Runner, tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    assert run(EXAMPLE, "--inline", env={"TMPDIR": str(deep)}).exit_code == 0


def test_a_second_launch_while_the_first_runs_is_a_run_of_its_own(
    launch: Launcher, run: Runner, configure: Configure, tmp_path: Path
) -> None:
    half_day = ("--start", "2025-07-03", "--end", "2025-07-03", "--runs", str(tmp_path / "runs"))
    first = launch(configure(SLOW), *half_day, "--speed", "3000")
    first.wait_streaming()
    folder = first.folder
    second = run(EXAMPLE, *half_day)
    ended = first.finish()
    assert supervisor_stamps(second)[0] < supervisor_stamps(ended)[-1]
    assert (ended.exit_code, second.exit_code) == (0, 0)
    folders = set((tmp_path / "runs").glob("2*"))
    assert len(folders) == 2
    (other,) = folders - {folder}
    assert (tmp_path / "runs" / "latest").resolve() == other.resolve()
    summaries = [json.loads((path / "summary.json").read_bytes()) for path in folders]
    assert [each["status"] for each in summaries] == ["done", "done"]
    assert summaries[0]["digest"] == summaries[1]["digest"]
    steps = [read_rows(path / "tables" / "steps.parquet") for path in folders]
    assert steps[0] == steps[1]


def supervisor_stamps(ended: Ended) -> list[str]:
    """Give the wall time of every line of a run's supervisor; text sorts as time does."""
    lines = (ended.run_folder / "logs" / "supervisor.jsonl").read_bytes().splitlines()
    return [json.loads(line)["t"] for line in lines]
