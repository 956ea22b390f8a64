"""Build the processor."""

from actors.assembly.places import ActorSpec
from actors.domain.session_plan import SessionPlan
from actors.processor import Processor


def build(spec: ActorSpec, plan: SessionPlan) -> Processor:
    """Make the state machine."""
    return Processor(spec.name, plan)
