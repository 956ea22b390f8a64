"""A run in the terminal: the plan, then the progress, then the summary."""

from pathlib import Path

from actors.domain.session_plan import SessionPlan
from actors.supervisor.console.layout import open_console
from actors.supervisor.console.plan import print_plan
from actors.supervisor.console.progress import Screen
from actors.supervisor.console.summary import Summary, print_summary
from actors.supervisor.status import RunStatus


class Screens:
    """One after the other, on standard output."""

    def __init__(self) -> None:
        """Open the console."""
        self._console = open_console()
        self._progress = Screen(self._console)

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text)

    def start(self, plan: SessionPlan) -> None:
        """Print the plan and begin to show progress."""
        print_plan(self._console, plan)
        self._progress.start(plan)

    def update(self, status: RunStatus) -> None:
        """Take a snapshot, and show it if it is time."""
        self._progress.update(status)

    def stop(self) -> None:
        """Show the last snapshot and end."""
        self._progress.stop()

    def end(self, summary: Summary, run_folder: Path) -> None:
        """Print the summary."""
        print_summary(self._console, summary, run_folder)
