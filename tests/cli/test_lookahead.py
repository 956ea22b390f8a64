"""`sessionflow check-lookahead`, on strategies that are honest and on some that are not."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from actors.cli import main

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "configs" / "example_session.json"
CATALOG: Final = ROOT / "data"
ONE_DAY: Final = ("--start", "2025-07-03", "--end", "2025-07-03")
Json = dict[str, Any]

PREAMBLE: Final = """
import builtins
import gc
import subprocess
import time
from pathlib import Path

import pandas
import pyarrow.parquet as pq

from actors.domain.bar_views import BarColumns
from actors.domain.strategy import Needs, Strategy

FILE = Path({catalog!r}) / "bars/interval=1m/symbol=AAPL/year=2025/part-0.parquet"


class Base(Strategy):
    def needs(self):
        return Needs(intervals=("1m",))
"""
KNOWS_THE_NEXT_CLOSE: Final = """
class Subject(Base):
    def on_bar(self, ctx, bar):
        stream = next(i for i in range(99) if ctx.stream(i).symbol == bar.symbol)
        for found in gc.get_objects():
            if type(found) is BarColumns and len(found):
                later = (found.stream == stream) & (found.close_ts > ctx.now)
                if later.any():
                    if found.close[later][0] > bar.close:
                        ctx.signal(bar.symbol, "BUY", 1)
                    return
"""
KEEPS_IN_THE_PROCESS_WHAT_IT_SAW: Final = """
class Subject(Base):
    def on_bar(self, ctx, bar):
        seen = builtins.__dict__.setdefault("seen_by_a_test", {})
        if seen.get((bar.symbol, ctx.now + 60 * 10**9), 0) > bar.close:
            ctx.signal(bar.symbol, "BUY", 1)
        seen[bar.symbol, ctx.now] = bar.close
"""
READS_WITH_PANDAS: Final = """
class Subject(Base):
    def on_start(self, ctx):
        self.last = pandas.read_parquet(FILE)["close"].iloc[-1]

    def on_bar(self, ctx, bar):
        if bar.close < self.last:
            ctx.signal(bar.symbol, "BUY", 1)
"""
READS_THE_FOLDER: Final = """
TABLE = pq.read_table(FILE.parents[1])

class Subject(Base):
    pass
"""
OPENS_THE_FILE: Final = """
class Subject(Base):
    def on_session_end(self, ctx):
        with FILE.open("rb") as file:
            file.read(4)
"""
READS_IN_ANOTHER_PROGRAM: Final = """
class Subject(Base):
    def on_start(self, ctx):
        subprocess.run(["head", "-c", "4", FILE], check=True, capture_output=True)
"""
LOOKS_AT_THE_CLOCK: Final = """
class Subject(Base):
    def on_session_start(self, ctx):
        ctx.signal("AAPL", "BUY", 1, reason=str(time.time()))
"""
RAISES: Final = """
class Subject(Base):
    def on_bar(self, ctx, bar):
        raise ValueError("no")
"""


def write(folder: Path, **bodies: str) -> Path:
    """Write a configuration of these strategies, with a catalog that nobody else uses."""
    document = json.loads(EXAMPLE.read_bytes())
    document["catalog"]["path"] = "data"
    shutil.copytree(CATALOG, folder / "data")
    document["session_data_config"]["strategies"] = [
        {"name": name, "strategy": f"{name}.py:Subject"} for name in bodies
    ]
    for name, body in bodies.items():
        (folder / f"{name}.py").write_text(PREAMBLE.format(catalog=str(folder / "data")) + body)
    path = folder / "session.json"
    path.write_text(json.dumps(document))
    return path


def check(config: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["check-lookahead", str(config), *options])


def document_of(result: Result) -> Json:
    found: Json = json.loads(result.stdout)
    return found


def fingerprint(catalog: Path) -> dict[str, tuple[str, int]]:
    return {
        path.as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in catalog.rglob("*.parquet")
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Check them all in one go."""
    config = write(
        tmp_path_factory.mktemp("cheats"),
        peeks=KNOWS_THE_NEXT_CLOSE,
        keeps=KEEPS_IN_THE_PROCESS_WHAT_IT_SAW,
        pandas_reader=READS_WITH_PANDAS,
        folder_reader=READS_THE_FOLDER,
        opener=OPENS_THE_FILE,
    )
    before = fingerprint(config.parent / "data")
    result = check(config, "--json", "--cuts", "2", *ONE_DAY)
    assert result.exit_code == 5, result.output
    assert fingerprint(config.parent / "data") == before
    return document_of(result)


@pytest.mark.slow
def test_the_strategies_that_come_with_it_do_not_look_ahead(tmp_path: Path) -> None:
    document = json.loads(EXAMPLE.read_bytes())
    document["catalog"]["path"] = "data"
    shutil.copytree(CATALOG, tmp_path / "data")
    document["session_data_config"]["strategies"] = [
        strategy
        for name in ("example_session", "opening_range", "rsi_reversion")
        for strategy in json.loads((ROOT / "configs" / f"{name}.json").read_bytes())["session_data_config"][
            "strategies"
        ]
    ]
    config = tmp_path / "shipped.json"
    config.write_text(json.dumps(document))
    result = check(config, "--cuts", "2")
    assert result.exit_code == 0, result.output
    assert "✔ no look-ahead found" in result.output
    assert result.output.count("✔ same before") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "shipped.json"]


@pytest.mark.slow
def test_a_strategy_that_finds_the_next_bar_in_memory_is_caught_where_it_acted_on_it(found: Json) -> None:
    assert found["outcome"] == "looks_ahead"
    differences = [(cut, item) for cut in found["cuts"] for item in cut["differences"]]
    assert {item["strategy"] for _, item in differences} == {"peeks"}
    for cut, item in differences:
        assert (item["what"], item["event_ts"]) == ("signals", cut["at_ns"])


@pytest.mark.slow
def test_what_a_strategy_keeps_in_its_process_does_not_reach_the_next_run(found: Json) -> None:
    assert found["unrepeatable"] == []
    assert "keeps" not in {item["strategy"] for cut in found["cuts"] for item in cut["differences"]}


@pytest.mark.slow
def test_a_strategy_that_reads_the_catalog_is_named_with_the_file_and_the_handler(found: Json) -> None:
    folder = "bars/interval=1m/symbol=AAPL"
    readings = {(item["strategy"], item["place"], item["file"]) for item in found["readings"]}
    assert {
        ("pandas_reader", "on_start", f"{folder}/year=2025/part-0.parquet"),
        ("folder_reader", None, folder),
        ("opener", "on_session_end", f"{folder}/year=2025/part-0.parquet"),
    } <= readings
    assert {strategy for strategy, _, _ in readings} == {"pandas_reader", "folder_reader", "opener"}


@pytest.mark.slow
def test_a_file_that_another_program_reads_for_a_strategy_is_noticed_too(tmp_path: Path) -> None:
    result = check(write(tmp_path, outside=READS_IN_ANOTHER_PROGRAM), "--cuts", "1", *ONE_DAY)
    assert result.exit_code == 5, result.output
    assert "✘ stored data opened" in result.output
    words = "bars/interval=1m/symbol=AAPL/year=2025/part-0.parquet was opened during the runs"
    assert words in " ".join(result.output.split())


@pytest.mark.slow
def test_a_strategy_that_looks_at_the_wall_clock_is_called_not_repeatable(tmp_path: Path) -> None:
    result = check(write(tmp_path, hasty=LOOKS_AT_THE_CLOCK), "--json", *ONE_DAY)
    assert result.exit_code == 5, result.output
    document = document_of(result)
    assert (document["outcome"], document["cuts"]) == ("not_repeatable", [])
    (parting,) = document["unrepeatable"]
    assert (parting["strategy"], parting["what"]) == ("hasty", "signals")
    assert parting["first"]["reason"] != parting["second"]["reason"]


@pytest.mark.slow
def test_a_run_that_fails_ends_the_check_with_its_reason_and_exit_code(tmp_path: Path) -> None:
    result = check(write(tmp_path, raises=RAISES), *ONE_DAY)
    assert result.exit_code == 3
    assert "a run of the check failed: strategy raises raised in on_bar" in result.output


def test_a_configuration_without_strategies_is_refused(tmp_path: Path) -> None:
    result = check(write(tmp_path))
    assert result.exit_code == 2
    assert "session_data_config.strategies: names no strategy" in result.output
