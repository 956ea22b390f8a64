"""Which files of indicator values whole runs leave behind."""

import json
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.supervisor.launch import LaunchOptions, launch

ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = ROOT / "configs" / "example_session.json"
CROSSOVER: Final = "actors.strategies.sma_crossover:SmaCrossover"
PLAIN: Final = """
from actors.domain.strategy import Strategy


class Plain(Strategy):
    pass


class Failing(Strategy):
    def on_session_end(self, ctx):
        raise ValueError("enough")
"""
CONFIGURED: Final = [
    {"name": "bbands", "interval": "5m", "period": 20, "params": {"num_std": 2.5}},
    {"name": "macd", "interval": "15m"},
]
Json = dict[str, Any]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "session.json"


def run(config: Path, window_steps: int | None = None, **data: Any) -> tuple[ExitCode, dict[str, Path]]:  # noqa: ANN401
    """Run the example's full session with other strategies or indicators; give the files by name."""
    document: Json = json.loads(EXAMPLE.read_bytes())
    del document["$schema"]
    document["catalog"]["path"] = str(ROOT / "data")
    document["session_data_config"] |= data
    config.write_text(json.dumps(document))
    config.with_name("plain.py").write_text(PLAIN)
    overrides = Overrides(start="2025-07-02", end="2025-07-02", window_steps=window_steps)
    runs = config.parent / f"runs-{window_steps}"
    code = launch(config, overrides, LaunchOptions(runs=runs, inline=True, as_json=True))
    folder = runs / "latest" / "tables" / "indicators"
    return code, {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def strategy(name: str, target: str, **params: Any) -> Json:  # noqa: ANN401
    return {"name": name, "strategy": target, "params": params}


def test_each_strategy_has_a_folder_with_a_file_per_interval_whatever_the_window(config: Path) -> None:
    strategies = [
        strategy("quick", CROSSOVER, interval="5m", fast=3, slow=5),
        strategy("slow", CROSSOVER, interval="1m", fast=10, slow=20),
    ]
    found = []
    for steps in (1, 7, 256):
        code, files = run(config, steps, strategies=strategies, indicators={"session": CONFIGURED})
        assert code is ExitCode.DONE
        found.append({name: path.read_bytes() for name, path in files.items()})
    assert sorted(files) == [
        *("quick/15m.parquet", "quick/5m.parquet"),
        *("slow/15m.parquet", "slow/1m.parquet", "slow/5m.parquet"),
    ]
    assert found[0] == found[1] == found[2]
    bands = [f"bbands_20_num_std=2.5_5m.{band}" for band in ("upper", "middle", "lower")]
    assert pq.read_schema(files["quick/5m.parquet"]).names[3:] == [*bands, "sma_3_5m", "sma_5_5m"]
    assert pq.read_schema(files["slow/5m.parquet"]).names[3:] == bands


def test_a_strategy_without_indicators_has_no_folder(config: Path) -> None:
    strategies = [strategy("crossover", CROSSOVER), strategy("plain", "plain.py:Plain")]
    code, files = run(config, strategies=strategies)
    assert code is ExitCode.DONE
    assert list(files) == ["crossover/5m.parquet"]


def test_with_the_setting_off_there_are_none(config: Path) -> None:
    assert run(config, indicators={"session": CONFIGURED, "tables": False}) == (ExitCode.DONE, {})


def test_a_run_that_failed_leaves_none_and_no_half_of_one(config: Path) -> None:
    strategies = [strategy("failing", "plain.py:Failing")]
    code, files = run(config, strategies=strategies, indicators={"session": CONFIGURED})
    assert (code, files) == (ExitCode.ACTOR_FAILED, {})
