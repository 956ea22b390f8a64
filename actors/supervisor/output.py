"""What a run tells the person or program that started it, on standard output."""

import json
from importlib import import_module
from pathlib import Path
from typing import Protocol, TextIO, cast

from actors.domain.session_plan import SessionPlan
from actors.supervisor.status import RunStatus
from actors.supervisor.summary import Json


class Output(Protocol):
    """One way of telling it."""

    def note(self, text: str) -> None:
        """Tell something besides."""
        ...

    def start(self, plan: SessionPlan) -> None:
        """Tell what will be replayed, and begin to show how far it has come."""
        ...

    def update(self, status: RunStatus) -> None:
        """Take a snapshot, and show it if it is time."""
        ...

    def stop(self) -> None:
        """Show no more snapshots; may be called at any time and more than once."""
        ...

    def end(self, summary: Json, run_folder: Path) -> None:
        """Tell what the run came to."""
        ...


class JsonOutput:
    """The summary as JSON and nothing else."""

    def __init__(self, stdout: TextIO) -> None:
        """Write to `stdout`."""
        self._stdout = stdout

    def note(self, text: str) -> None:
        """Do nothing."""

    def start(self, plan: SessionPlan) -> None:
        """Do nothing."""

    def update(self, status: RunStatus) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def end(self, summary: Json, run_folder: Path) -> None:  # noqa: ARG002  the summary has it
        """Print the summary."""
        print(json.dumps(summary), file=self._stdout)


def open_output(json_to: TextIO | None) -> Output:
    """Choose between JSON and screens.

    The library for screens takes 0.05 s to import, which is best done while actors are starting.
    """
    if json_to is not None:
        return JsonOutput(json_to)
    return cast(Output, import_module("actors.supervisor.console.screens").Screens())
