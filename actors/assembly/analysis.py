"""Build an analysis engine, with its strategy and, where it has indicators, the tables of their values."""

from importlib import import_module
from typing import cast

from actors.analysis import Analysis, declared_indicators
from actors.assembly.places import ActorSpec, RunPlaces
from actors.domain.indicator_recording import NO_TABLES
from actors.domain.ports import TableSink
from actors.domain.session_plan import SessionPlan
from actors.runtime.strategy_loading import load_strategy


def build(spec: ActorSpec, plan: SessionPlan) -> Analysis:
    """Make the state machine.

    Raises StrategyLoadError.
    """
    chosen = next(strategy for strategy in plan.strategies if strategy.actor == spec.name)
    strategy = load_strategy(chosen.target, chosen.params)
    writes = plan.indicator_tables and declared_indicators(strategy, chosen)
    tables = _parquet_tables(spec.places) if writes else NO_TABLES
    return Analysis(spec.name, plan, strategy, chosen, tables)


def _parquet_tables(places: RunPlaces) -> TableSink:
    """Import pyarrow only for an engine that writes."""
    return cast("TableSink", import_module("actors.runtime.store").ParquetTables(places.tables))
