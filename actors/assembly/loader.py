"""Build the loader, with the Parquet catalog."""

from actors.assembly.places import ActorSpec
from actors.domain.session_plan import SessionPlan
from actors.loader import Loader
from actors.runtime import clock
from actors.runtime.store import Catalog


def build(spec: ActorSpec, plan: SessionPlan) -> Loader:
    """Make the state machine."""
    return Loader(spec.name, plan, Catalog(spec.places.catalog), clock.monotonic_ns)
