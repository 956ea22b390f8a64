"""Build the analysis engine of a process that attaches to a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from actors.analysis import Analysis
from actors.domain.attendance import Attendance
from actors.domain.session_plan import SessionPlan, StrategySpec
from actors.domain.signal_book import SignalBook
from actors.domain.strategy import Strategy
from actors.runtime.store import ParquetTables


def attached_plan(plan: SessionPlan, name: str, target: str, params: Mapping[str, Any]) -> SessionPlan:
    """Give the run's plan with this strategy alone; the indicators that were configured are for all."""
    indicators = plan.strategies[0].indicators if plan.strategies else ()
    spec = StrategySpec(name, name, target, params, indicators=indicators)
    return replace(plan, strategies=(spec,))


def build_attendance(
    plan: SessionPlan, strategy: Strategy[Any], folder: Path, *, member: bool
) -> tuple[Analysis, Attendance]:
    """Make the engine of the plan's only strategy, whose tables go below `folder`, and its attendance.

    Raises RoleError where the run does not serve the strategy.
    """
    (spec,) = plan.strategies
    role = Analysis(spec.actor, plan, strategy, spec, ParquetTables(folder))
    signals = SignalBook(plan, spec.actor, ParquetTables(folder))
    return role, Attendance(role, signals, member=member)
