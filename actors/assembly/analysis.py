"""Build an analysis engine, with its strategy."""

from actors.analysis import Analysis
from actors.assembly.places import ActorSpec
from actors.domain.session_plan import SessionPlan
from actors.runtime.strategy_loading import load_strategy


def build(spec: ActorSpec, plan: SessionPlan) -> Analysis:
    """Make the state machine.

    Raises StrategyLoadError.
    """
    chosen = next(strategy for strategy in plan.strategies if strategy.actor == spec.name)
    return Analysis(spec.name, plan, load_strategy(chosen.target, chosen.params), chosen)
