"""What runs left behind, for notebooks and scripts.

from actors.results import Run

run = Run("runs/latest")
run.bars("AAPL", "5m").to_pandas()
polars.from_arrow(run.table("quality"))
run.statistics("sma_crossover").daily.sharpe
"""

from actors.results.run import ArrowTable, Json, Run, list_runs

__all__ = ["ArrowTable", "Json", "Run", "list_runs"]
