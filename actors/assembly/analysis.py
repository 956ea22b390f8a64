"""Build an analysis engine, with its strategy and the Parquet tables of its indicators and trades."""

from actors.analysis import Analysis
from actors.assembly.places import ActorSpec
from actors.domain.session_plan import SessionPlan
from actors.runtime.store import ParquetTables
from actors.runtime.strategy_loading import load_strategy


def build(spec: ActorSpec, plan: SessionPlan) -> Analysis:
    """Make the state machine.

    Raises StrategyLoadError.
    """
    chosen = next(strategy for strategy in plan.strategies if strategy.actor == spec.name)
    strategy = load_strategy(chosen.target, chosen.params)
    return Analysis(spec.name, plan, strategy, chosen, ParquetTables(spec.places.tables))
