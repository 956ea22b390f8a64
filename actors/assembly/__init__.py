"""The one way in: turn a plan into concrete roles with real ports.

One module per role, imported only by who needs it: the loader and the recorder pay for pyarrow, an analysis
engine for its strategy and pyarrow, nobody else does.
"""

from importlib import import_module
from typing import cast

from actors.assembly.places import ActorSpec
from actors.domain.roles import Role
from actors.domain.session_plan import SessionPlan


def build_role(spec: ActorSpec, plan: SessionPlan) -> Role:
    """Make the state machine of an actor, with its ports."""
    return cast("Role", import_module(f"actors.assembly.{spec.role}").build(spec, plan))
