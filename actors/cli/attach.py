"""`sessionflow attach` and `replay`: another strategy for a run that goes on, or for one that is over."""

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, cast

import click

from actors.cli.chosen_run import choose_running
from actors.cli.errors import exits_cleanly
from actors.cli.options import find_run, runs_option
from actors.domain.printing import printable
from actors.supervisor.attaching import AttachOrder, Outcome, Since
from actors.supervisor.attaching import attach as attach_to
from actors.supervisor.running import is_running

strategy_option = click.option(
    "--strategy", required=True, metavar="TARGET", help="module:Class, or path/to/file.py:Class."
)
name_option = click.option("--name", metavar="NAME", help="What it is called; made from the class without.")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as JSON and nothing else."
)


def _params(_context: click.Context, _option: click.Parameter, text: str) -> dict[str, Any]:
    try:
        params = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"this is no JSON ({error}): write '{{\"fast\": 5}}'") from error
    if not isinstance(params, dict):
        raise click.BadParameter("write an object, such as '{\"fast\": 5}'")
    return params


params_option = click.option(
    "--params", default="{}", metavar="JSON", callback=_params, help="The strategy's params: '{\"fast\": 5}'."
)


@click.command()
@click.argument("run", required=False)
@runs_option
@strategy_option
@params_option
@name_option
@click.option(
    "--from",
    "since",
    type=click.Choice(("start", "now")),
    default="start",
    show_default=True,
    help="start: as if it had been there all the time; now: what was before is history.",
)
@click.option("--observe", is_flag=True, help="Look on: the clock does not wait for it.")
@json_option
@exits_cleanly
def attach(  # noqa: PLR0913 - one parameter per option of the command line
    run: str | None,
    runs: Path,
    *,
    strategy: str,
    params: dict[str, Any],
    name: str | None,
    since: str,
    observe: bool,
    as_json: bool,
) -> None:
    """Attach a strategy to RUN while it goes on; one that is over is replayed.

    RUN is a run folder, or the name of one below --runs; without it, the newest that is running.
    """
    folder = choose_running(run, runs, "name one that is over to replay it")
    order = AttachOrder(folder, strategy, params, name, cast("Since", since), observe, _tell)
    _do(order, as_json=as_json)


@click.command()
@click.argument("run")
@runs_option
@strategy_option
@params_option
@name_option
@json_option
@exits_cleanly
def replay(
    run: str, runs: Path, *, strategy: str, params: dict[str, Any], name: str | None, as_json: bool
) -> None:
    """Send RUN, which is over or has crashed, through another strategy: no catalog is needed.

    RUN is a run folder, or the name of one below --runs.
    """
    folder = find_run(run, runs).resolve()
    if is_running(folder):
        raise click.UsageError(f"run {folder.name} is running: use `sessionflow attach {folder.name}`")
    _do(AttachOrder(folder, strategy, params, name, tell=_tell), as_json=as_json)


def _do(order: AttachOrder, *, as_json: bool) -> None:
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        outcome = attach_to(order)
    click.echo(json.dumps(outcome.summary) if as_json else "\n".join(_lines(outcome)))
    if outcome.summary["status"] == "failed":
        click.echo(f"Error: {printable(outcome.summary['reason'] or 'see its log')}", err=True)
    sys.exit(outcome.exit_code)


def _tell(text: str) -> None:
    click.echo(printable(text), err=True)


def _lines(outcome: Outcome) -> list[str]:
    """Say in a few lines what it came to."""
    summary = outcome.summary
    joined = summary["joined"]
    at = "" if joined is None else f" since window {joined['window']} ({joined['sim_time']})"
    lines = [
        f"{summary['name']}: {summary['status']}, {summary['as']} of {summary['run']}{at}",
        f"  windows  {summary['windows']:,} ({summary['bars']:,} bars)",
        f"  signals  {summary['signals']:,}, digest {summary['signals_digest']}",
    ]
    result = summary["results"]
    if result is not None:
        lines.append(f"  trading  {result['fills']:,} fills, equity {result['equity']:,.2f}")
    return [*lines, f"  folder   attached/{summary['name']} in the run folder"]
