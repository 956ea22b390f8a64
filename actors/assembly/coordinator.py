"""Build the coordinator."""

from msgspec.structs import replace

from actors.assembly.places import ActorSpec
from actors.coordinator import Coordinator
from actors.domain.session_plan import SessionPlan


def build(spec: ActorSpec, plan: SessionPlan) -> Coordinator:
    """Make the state machine."""
    flow = replace(plan.flow, paused=plan.flow.paused or spec.paused)
    return Coordinator(spec.name, replace(plan, flow=flow))
