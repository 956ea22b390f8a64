"""`sessionflow runs`, `show` and `diff`: look at runs that are over."""

import sys
from pathlib import Path

import click
import msgspec

from actors.cli.errors import exits_cleanly
from actors.cli.options import find_run, runs_option
from actors.domain.exit_codes import ExitCode
from actors.results import Run, list_runs
from actors.supervisor.comparison import compare
from actors.supervisor.console import open_console, print_comparison, print_runs, print_summary, run_row

_json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")


@click.command("runs")
@runs_option
@_json_option
@exits_cleanly
def runs_(runs: Path, *, as_json: bool) -> None:
    """List the runs there are, oldest first, with what they came to."""
    rows = [run_row(run) for run in list_runs(runs)]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    else:
        print_runs(open_console(), rows)


@click.command()
@click.argument("run", default="latest")
@runs_option
@_json_option
@exits_cleanly
def show(run: str, runs: Path, *, as_json: bool) -> None:
    """Show what RUN came to, as it was shown when it ended.

    RUN is a run folder, or the name of one below --runs; without it, the latest.
    """
    found = Run(find_run(run, runs))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found.summary), indent=2))
    else:
        print_summary(open_console(), found.summary, found.folder)


@click.command()
@click.argument("first")
@click.argument("second", default="latest")
@runs_option
@_json_option
@exits_cleanly
def diff(first: str, second: str, runs: Path, *, as_json: bool) -> None:
    """Show where the runs FIRST and SECOND part; exit code 5 where they did not see and do the same."""
    one, other = Run(find_run(first, runs)), Run(find_run(second, runs))
    found = compare(one, other)
    if as_json:
        document = {"first": one.name, "second": other.name, "equal": found.is_equal, **_document(found)}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
    else:
        print_comparison(open_console(), one, other, found)
    sys.exit(ExitCode.DONE if found.is_equal else ExitCode.DIGEST_DIFFERS)


def _document(found: object) -> dict[str, object]:
    """Name the parts of named tuples, which JSON would write as plain lists."""
    if not isinstance(found, tuple) or not hasattr(found, "_asdict"):
        return {}
    return {name: _named(value) for name, value in found._asdict().items()}


def _named(value: object) -> object:
    if hasattr(value, "_asdict"):
        return _document(value)
    return [_named(item) for item in value] if isinstance(value, tuple) else value
