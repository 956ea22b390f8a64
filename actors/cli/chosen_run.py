"""Which run a verb is about: the one that is named or, without a name, the newest that is running."""

from pathlib import Path

import click

from actors.cli.options import find_run
from actors.supervisor.running import running_runs


def choose_run(run: str | None, runs: Path) -> Path:
    """Find the run that is meant; where it is not named and none is running, the latest."""
    if run is not None:
        return find_run(run, runs).resolve()
    return (running_runs(runs) or [find_run("latest", runs).resolve()])[-1]


def choose_running(run: str | None, runs: Path, advice: str) -> Path:
    """Find the run that is meant.

    Raises click.UsageError, with the advice, where it is not named and none is running.
    """
    if run is not None:
        return find_run(run, runs).resolve()
    going = running_runs(runs)
    if not going:
        raise click.UsageError(f"no run is running in {runs}; {advice}, or say where with --runs DIR")
    return going[-1]
