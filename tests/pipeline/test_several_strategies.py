"""Several strategies in one run: one raises, one dies, one hangs; the others do as if they were alone."""

from typing import Final

import pyarrow.parquet as pq
import pytest

from tests.pipeline.conftest import (
    NO_RESTARTS,
    Configure,
    Ended,
    Json,
    Launcher,
    Runner,
    WriteStrategy,
    read_rows,
)

CROSSOVER: Final[Json] = {
    "name": "sma_crossover",
    "strategy": "actors.strategies.sma_crossover:SmaCrossover",
    "params": {"interval": "5m", "fast": 10, "slow": 20, "quantity": 40},
}
FAILING: Final = """
class Subject(Strategy):
    def on_bar(self, ctx, bar):
        ctx.signal(bar.symbol, "BUY", 1)
        if ctx.session.index == 1 and bar.interval == "15m":
            {statement}
"""
SPIN: Final = """
class Subject(Strategy):
    def on_bar(self, ctx, bar):
        while ctx.session.index == 1:
            pass
"""
STEP_BY_STEP: Final = {"pipeline": {"window_steps": 1}}
IMPATIENT: Final = {"pipeline": {"heartbeat_seconds": 0.1, "stall_seconds": 1.0}}


def strategies(*entries: Json) -> Json:
    return {"session_data_config": {"strategies": list(entries)}}


def assert_undisturbed(ended: Ended, example: Ended) -> None:
    """Make sure that the crossover, the market and the tables are those of a run of it alone."""
    assert (ended.exit_code, ended.stderr) == (3, "")
    assert ended.summary["status"] == ended.json("status.json")["state"] == "failed"
    assert ended.summary["results"]["sma_crossover"] == example.summary["results"]["sma_crossover"]
    for digest in ("stream", "data"):
        assert ended.summary["digest"][digest] == example.summary["digest"][digest]
    assert ended.summary["sessions"] == example.summary["sessions"]
    for table in ("steps.parquet", "trading/sma_crossover/equity.parquet"):
        assert read_rows(ended.run_folder / "tables" / table) == read_rows(
            example.run_folder / "tables" / table
        )
    assert signals_of(ended, "sma_crossover") == signals_of(example, "sma_crossover")
    for path in (ended.run_folder / "tables").rglob("*"):
        assert path.is_dir() or pq.ParquetFile(path).metadata is not None


def signals_of(ended: Ended, strategy: str) -> list[Json]:
    rows = read_rows(ended.run_folder / "tables" / "signals.parquet")
    return [row for row in rows if row["strategy"] == strategy]


def nameless(signals: list[Json]) -> list[Json]:
    return [{key: row[key] for key in row if key not in ("strategy", "actor")} for row in signals]


@pytest.mark.parametrize("death", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_one_that_raises_and_one_that_dies_leave_the_third_alone(
    run: Runner, configure: Configure, write_strategy: WriteStrategy, example: Ended, death: str
) -> None:
    raises = write_strategy("raises", FAILING.format(statement="raise ValueError('no such thing')"))
    dies = write_strategy("dies", FAILING.format(statement=death))
    ended = run(configure(strategies(raises, CROSSOVER, dies), STEP_BY_STEP, NO_RESTARTS))
    assert_undisturbed(ended, example)
    how = "exited before it was asked to" if "exit" in death else "was killed by signal 9"
    assert ended.summary["results"]["dies"]["failure"] == f"analysis-dies {how}"
    assert ended.summary["results"]["dies"]["equity"] is None
    stopped = ended.summary["results"]["raises"]
    assert "raised in on_bar at 2025-07-03 09:45:00 EDT" in stopped["failure"]
    assert stopped["orders"] == len(read_rows(ended.run_folder / "tables/trading/raises/orders.parquet"))
    assert "raises failed at 2025-07-03 09:45:00 EDT" in ended.summary["failure"]["reason"]
    assert "; the others went on: " in " ".join(ended.stdout.split())
    assert ended.json("status.json")["actors"]["analysis-dies"]["state"] == "failed"
    before = nameless(signals_of(ended, "dies"))
    assert 0 < len(before) == ended.summary["signals"]["by_strategy"]["dies"]
    assert before == nameless(signals_of(ended, "raises"))[: len(before)]


def test_one_that_never_returns_is_killed_and_the_other_goes_on(
    launch: Launcher, configure: Configure, write_strategy: WriteStrategy, example: Ended
) -> None:
    ended = launch(configure(strategies(write_strategy("spins", SPIN), CROSSOVER), IMPATIENT)).finish()
    assert_undisturbed(ended, example)
    failure = ended.summary["failure"]
    assert failure["actor"] == "analysis-spins"
    assert "spins failed after 2025-07-" in failure["reason"]
    assert "analysis-spins is busy with one window: no heartbeat for" in failure["reason"]
    assert any("analysis-spins is dropped" in line for line in ended.messages("coordinator"))


def test_where_every_one_dies_the_run_fails_with_the_last(
    run: Runner, configure: Configure, write_strategy: WriteStrategy
) -> None:
    entries = [write_strategy(name, FAILING.format(statement="os._exit(0)")) for name in ("one", "two")]
    ended = run(configure(strategies(*entries)))
    assert ended.exit_code == 3
    assert ended.summary["failure"]["actor"] in ("analysis-one", "analysis-two")
    assert ended.summary["failure"]["reason"].endswith("exited before it was asked to")
    assert ended.summary["digest"]["stream"] is None
