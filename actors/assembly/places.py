"""Where a run reads and writes, and what a new process is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from actors.domain.session_plan import SessionPlan


@dataclass(frozen=True)
class RunPlaces:
    """The folders of a run, and its number on the wire."""

    folder: Path
    sockets: Path
    catalog: Path
    run: int

    @property
    def logs(self) -> Path:
        """One text and one JSONL file per actor."""
        return self.folder / "logs"

    @property
    def journal(self) -> Path:
        """The segments, one per session."""
        return self.folder / "journal"

    @property
    def tables(self) -> Path:
        """The Parquet tables."""
        return self.folder / "tables"

    @property
    def plan(self) -> Path:
        """The plan that all actors read, with this machine's paths; the run folder keeps one without."""
        return self.sockets / "plan.json"


@dataclass(frozen=True)
class ActorSpec:
    """All that a new process is told."""

    name: str
    role: str
    places: RunPlaces
    epoch: int = 0
    """That of its process: a later one takes the place of an earlier one."""
    without: frozenset[str] = frozenset()
    """For the coordinator: actors of the plan that the run goes on without."""
    paused: bool = False
    """For the coordinator: whether it waits to be told to go, whatever the plan says."""


def actor_roles(plan: SessionPlan) -> Mapping[str, str]:
    """Name the actors of a run and their roles, in the order in which they are started."""
    fixed = ("coordinator", "loader", "processor", "quality", "recorder")
    analyses = {spec.actor: "analysis" for spec in plan.strategies}
    return MappingProxyType({name: name for name in fixed} | analyses)


def read_plan(places: RunPlaces) -> SessionPlan:
    """Read the plan of a run."""
    return msgspec.json.decode(places.plan.read_bytes(), type=SessionPlan)
