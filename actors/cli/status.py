"""`sessionflow status`: where a run is, while it runs and after."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Final

import click
import msgspec

from actors.cli.chosen_run import choose_run
from actors.cli.errors import exits_cleanly
from actors.cli.options import runs_option
from actors.domain.errors import DataError
from actors.runtime import clock
from actors.supervisor.console import Screen, open_console, print_status, print_summary
from actors.supervisor.running import PlanHead, is_running, read_head, read_status
from actors.supervisor.status import RunStatus

POLL_S: Final = 0.25


@click.command()
@click.argument("run", required=False)
@runs_option
@click.option(
    "--watch", "-w", is_flag=True, help="Show it anew, a few times a second, until the run is over."
)
@click.option("--json", "as_json", is_flag=True, help="Write status.json; with --watch a line per change.")
@exits_cleanly
def status(run: str | None, runs: Path, *, watch: bool, as_json: bool) -> None:
    """Show where RUN is: state, phase, simulated time, and what every actor does.

    RUN is a run folder, or the name of one below --runs; without it, the newest that is running, or else the
    latest.
    """
    folder = choose_run(run, runs)
    if as_json:
        _write_json(follow(folder) if watch else iter([read_status(folder)]), indent=-1 if watch else 2)
        return
    if watch:
        _watch(folder)
    else:
        print_status(open_console(), _head(folder).name, read_status(folder))
    if not is_running(folder) and (folder / "summary.json").exists():
        print_summary(open_console(), json.loads((folder / "summary.json").read_bytes()), folder)


def follow(folder: Path, pause: Callable[[float], object] = clock.pause) -> Iterator[RunStatus]:
    """Yield a run's snapshots until it is over; at least the last one."""
    while is_running(folder):
        with suppress(DataError):  # until it has written one
            yield read_status(folder)
        pause(POLL_S)
    yield read_status(folder)


def _head(folder: Path) -> PlanHead:
    """Give what is known of the plan; a run that is only starting has none yet."""
    try:
        return read_head(folder)
    except DataError:
        return PlanHead(folder.name, "UTC", "")


def _write_json(snapshots: Iterator[RunStatus], indent: int) -> None:
    for text, _ in groupby(
        msgspec.json.format(msgspec.json.encode(each), indent=indent) for each in snapshots
    ):
        click.echo(text)


def _watch(folder: Path) -> None:
    screen = Screen(open_console())
    screen.start(_head(folder))
    try:
        for snapshot in follow(folder):
            screen.update(snapshot)
    finally:
        screen.stop()
