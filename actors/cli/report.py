"""`sessionflow report`: a run as one HTML page."""

from pathlib import Path

import click

from actors.cli.errors import exits_cleanly
from actors.cli.options import find_run, runs_option
from actors.results import Run
from actors.supervisor.report import write_report


@click.command()
@click.argument("run", default="latest")
@runs_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write the page, in place of report.html in the run's folder.",
)
@exits_cleanly
def report(run: str, runs: Path, output: Path | None) -> None:
    """Make the report of RUN: one HTML file with figures and charts, which needs no network.

    RUN is a run folder, or the name of one below --runs; without it, the latest.
    """
    found = Run(find_run(run, runs))
    path = output or found.folder / "report.html"
    size_bytes = write_report(found, path)
    click.echo(f"{path}  {size_bytes / 1e3:,.0f} kB; open it in a browser")
