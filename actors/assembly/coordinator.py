"""Build the coordinator."""

from actors.assembly.places import ActorSpec
from actors.coordinator import Coordinator
from actors.domain.session_plan import SessionPlan


def build(spec: ActorSpec, plan: SessionPlan) -> Coordinator:
    """Make the state machine."""
    return Coordinator(spec.name, plan)
