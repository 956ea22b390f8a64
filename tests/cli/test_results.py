"""`sessionflow runs`, `show`, `diff` and `actors.results`, on runs of the example that these tests make."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from actors.cli import main
from actors.domain.errors import DataError
from actors.results import Run, list_runs

EXAMPLE = Path(__file__).parents[2] / "configs" / "example_session.json"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def run_example(runs: Path, *options: str) -> str:
    result = invoke("run", str(EXAMPLE), "--inline", "--json", "--runs", str(runs), *options)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["run"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give two runs of the same days, and one that ends a day earlier."""
    folder = tmp_path_factory.mktemp("runs")
    for options in ((), ("--window-steps", "7"), ("--end", "2025-07-03")):
        run_example(folder, *options)
    return folder


def names(runs: Path) -> list[str]:
    return [run.name for run in list_runs(runs)]


def found_by_title(runs: Path) -> list[str]:
    """Order the runs as they were made: by sessions and window, which the names do not tell."""
    made = {
        (len(run.summary["sessions"]), run.config["pipeline"]["window_steps"]): run.name
        for run in list_runs(runs)
    }
    return [made[3, None], made[3, 7], made[2, None]]


def test_runs_are_listed_with_what_they_came_to(runs: Path) -> None:
    shown = invoke("runs", "--runs", str(runs))
    assert shown.exit_code == 0
    assert "3 runs" in shown.output
    rows = json.loads(invoke("runs", "--runs", str(runs), "--json").stdout)
    assert sorted((row["sessions"], row["bars"], row["status"]) for row in rows) == [
        (2, 1193, "done"), (3, 1971, "done"), (3, 1971, "done"),
    ]  # fmt: skip
    assert [row["run"] for row in rows] == names(runs)


def test_without_runs_the_message_says_what_to_do(tmp_path: Path) -> None:
    result = invoke("runs", "--runs", str(tmp_path / "none"))
    assert result.exit_code == 4
    assert "--runs DIR" in result.output


def test_a_run_that_was_killed_is_listed_by_its_status(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    shutil.copytree(runs / names(runs)[0], folder)
    (folder / "summary.json").unlink()
    (row,) = json.loads(invoke("runs", "--runs", str(tmp_path), "--json").stdout)
    assert (row["bars"], row["sessions"]) == (None, None)
    result = invoke("show", "killed", "--runs", str(tmp_path))
    assert result.exit_code == 4
    assert "summary.json" in result.output


def test_show_prints_the_summary_of_a_run(runs: Path) -> None:
    result = invoke("show", "--runs", str(runs))
    assert result.exit_code == 0
    assert "✔ done" in result.output
    summary = json.loads(invoke("show", names(runs)[0], "--runs", str(runs), "--json").stdout)
    assert summary == json.loads((runs / names(runs)[0] / "summary.json").read_text())


def test_runs_that_differ_in_transport_only_are_equal(runs: Path) -> None:
    first, second, _ = found_by_title(runs)
    result = invoke("diff", first, second, "--runs", str(runs), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["equal"]
    assert document["configuration"] == [{"where": "pipeline.window_steps", "first": None, "second": 7}]
    assert (document["digests"], document["bar"], document["signal"]) == ([], None, None)


def test_a_run_that_ends_earlier_parts_where_the_other_goes_on(runs: Path) -> None:
    longer, _, shorter = found_by_title(runs)
    result = invoke("diff", longer, shorter, "--runs", str(runs), "--json")
    assert result.exit_code == 5
    document = json.loads(result.stdout)
    assert document["bar"]["what"] == "AAPL 1m"
    assert document["bar"]["second"] is None
    assert document["bar"]["first"]["session"] == "2025-07-07"
    assert document["digests"][0]["where"] == "digest.data"
    shown = invoke("diff", longer, shorter, "--runs", str(runs))
    assert "✘ different" in shown.output
    assert "no row" in shown.output


def test_the_first_bar_that_differs_is_found(runs: Path, tmp_path: Path) -> None:
    first = runs / names(runs)[0]
    second = tmp_path / "other"
    shutil.copytree(first, second)
    path = next(iter(second.glob("tables/bars/interval=5m/symbol=RIVN/*.parquet")))
    table = pq.ParquetFile(path).read()
    closes = table["close"].to_numpy().copy()
    closes[40:] += 1.0
    pq.write_table(table.set_column(table.column_names.index("close"), "close", pa.array(closes)), path)
    document = json.loads(invoke("diff", str(first), str(second), "--json").stdout)
    assert document["bar"]["what"] == "RIVN 5m"
    assert document["bar"]["event_ts"] == int(table["close_ts"].to_numpy()[40].astype(np.int64))
    assert document["bar"]["second"]["close"] == document["bar"]["first"]["close"] + 1.0


def test_a_notebook_reads_tables_and_bars(runs: Path) -> None:
    run = Run(runs / "latest")
    assert {"bars", "quality", "gaps", "signals", "steps"} <= set(run.tables)
    assert run.streams[:3] == (("AAPL", "1m"), ("RIVN", "1m"), ("AAPL", "5m"))
    bars = run.bars("AAPL", "5m")
    assert bars.num_rows == run.summary["derived"]["5m"]["AAPL"]
    assert bars.to_pandas()["close_ts"].is_monotonic_increasing
    assert run.table("signals").num_rows == run.summary["signals"]["emitted"]


def test_statistics_are_those_of_the_tables(runs: Path) -> None:
    run = Run(runs / "latest")
    found, equity = run.statistics("sma_crossover"), run.table("trading/sma_crossover/equity").to_pandas()
    assert found.end_equity == equity["equity"].iloc[-1] == run.summary["results"]["sma_crossover"]["equity"]
    assert found.steps == len(equity)


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda run: run.statistics("none"), "its strategies: sma_crossover"),
        (lambda run: run.table("nothing"), "it has bars, "),
        (lambda run: run.bars("AAPL", "7m"), "no 7m bars of AAPL"),
    ],
)
def test_what_is_not_there_is_said(read: object, words: str, runs: Path) -> None:
    assert callable(read)
    with pytest.raises(DataError, match=words):
        read(Run(runs / "latest"))


def test_a_run_whose_digest_is_another_than_expected_says_so(runs: Path, tmp_path: Path) -> None:
    found = Run(runs / "latest").summary["digest"]["data"]
    command = ("run", str(EXAMPLE), "--inline", "--runs", str(tmp_path), "--end", "2025-07-03")
    assert invoke(*command, "--expect-digest", f"data={found[:12]}").exit_code == 0
    other = invoke(*command, "--expect-digest", f"data={found[:12]}", "--expect-digest", f"stream={'0' * 64}")
    assert other.exit_code == 5
    assert f"not {'0' * 64}" in other.output
    refused = invoke(*command, "--expect-digest", "data=xyz")
    assert refused.exit_code == 2
    assert "at least 8 digits" in " ".join(refused.output.split())


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run folder"):
        Run(tmp_path)
