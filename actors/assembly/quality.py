"""Build the quality manager."""

from actors.assembly.places import ActorSpec
from actors.domain.session_plan import SessionPlan
from actors.quality import QualityManager


def build(spec: ActorSpec, plan: SessionPlan) -> QualityManager:
    """Make the state machine."""
    return QualityManager(spec.name, plan)
