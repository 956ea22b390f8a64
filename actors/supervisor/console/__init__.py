"""What a person sees of a run in the terminal: the plan before, progress during, the summary after.

This package is the only one that imports rich. All of it is drawn in the supervisor's own thread.
"""

from actors.supervisor.console.layout import open_console
from actors.supervisor.console.plan import print_plan, render_plan
from actors.supervisor.console.progress import Screen
from actors.supervisor.console.runs import print_comparison, print_runs, render_comparison, run_row
from actors.supervisor.console.status import print_status
from actors.supervisor.console.stored_data import print_check, print_holdings
from actors.supervisor.console.summary import print_summary, render_summary

__all__ = [
    "Screen",
    "open_console",
    "print_check",
    "print_comparison",
    "print_holdings",
    "print_plan",
    "print_runs",
    "print_status",
    "print_summary",
    "render_comparison",
    "render_plan",
    "render_summary",
    "run_row",
]
