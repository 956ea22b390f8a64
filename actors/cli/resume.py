"""The verb `resume`: let a run that stands still go on, or take up one that has ended without being done."""

import sys
from importlib import import_module
from pathlib import Path

import click

from actors.cli.chosen_run import choose_run
from actors.cli.errors import exits_cleanly
from actors.cli.options import runs_option
from actors.cli.run import import_launch
from actors.supervisor.running import is_running


@click.command()
@click.argument("run", required=False)
@runs_option
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration that RUN was started with, where it, or the run folder, has moved.",
)
@click.option("--inline", is_flag=True, help="Take it up in this one process, without sockets.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON and nothing else.")
@exits_cleanly
def resume(run: str | None, runs: Path, *, config: Path | None, inline: bool, as_json: bool) -> None:
    """Let the clock of RUN go on; or, where RUN has ended without being done, take it up where it ended.

    A run that is running goes on in its own terminal. One that was interrupted, killed or failed goes on
    in this one, to the results of a run that was never interrupted: configuration, data and strategies must
    be what they were.

    RUN is a run folder, or the name of one below --runs; without it, the newest that is running, or else the
    latest.
    """
    folder = choose_run(run, runs)
    if is_running(folder):
        control = import_module("actors.cli.control")
        control.steer_run(folder, control.order("resume"))
        return
    launching = import_launch(inline=inline)
    options = launching.LaunchOptions(runs=runs, inline=inline, as_json=as_json)
    sys.exit(launching.resume(folder, config, options))
