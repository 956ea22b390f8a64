"""Where a run is, once."""

from rich.console import Console

from actors.supervisor.console.progress import render_status
from actors.supervisor.status import RunStatus


def print_status(console: Console, name: str, status: RunStatus) -> None:
    """Print a snapshot of a run as its own screen shows it."""
    console.print(render_status(name, status, console.width))
