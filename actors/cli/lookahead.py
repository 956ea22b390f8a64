"""`sessionflow check-lookahead`: whether strategies know what they cannot know yet."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from actors.cli.errors import exits_cleanly
from actors.cli.options import config_argument, override_options
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.domain.printing import printable
from actors.supervisor.console import open_console
from actors.supervisor.console.lookahead import print_lookahead
from actors.supervisor.lookahead import DEFAULT_CUTS, LookaheadCheck, check_lookahead
from actors.supervisor.prefix_comparison import StrategyParting
from actors.supervisor.watched_run import RunFailed


@click.command("check-lookahead")
@config_argument
@override_options
@click.option(
    "--cuts",
    type=click.IntRange(min=1, max=1000),
    default=DEFAULT_CUTS,
    metavar="N",
    show_default=True,
    help="How many instants after which the bars are altered; each is a run.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@exits_cleanly
def check(config: Path, overrides: Overrides, *, cuts: int, as_json: bool) -> None:
    """Run CONFIG on bars that differ after a cut, and see that no strategy knows before it.

    Exit code 5 where one looks ahead, reads stored data by itself, or does not do the same twice.
    """
    try:
        found = check_lookahead(config, overrides, cuts)
    except RunFailed as error:
        click.echo(f"Error: a run of the check failed: {printable(str(error))}", err=True)
        sys.exit(error.code)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(_document(found)), indent=2))
    else:
        print_lookahead(open_console(), found)
    sys.exit(ExitCode.DONE if found.outcome == "clean" else ExitCode.DIGEST_DIFFERS)


def _document(found: LookaheadCheck) -> dict[str, Any]:
    return {
        "outcome": found.outcome,
        "strategies": found.strategies,
        "readings": found.readings,
        "unrepeatable": list(map(_parting, found.unrepeatable)),
        "cuts": [
            {**result.cut._asdict(), "differences": list(map(_parting, result.partings))}
            for result in found.cuts
        ],
    }


def _parting(found: StrategyParting) -> dict[str, Any]:
    return {"strategy": found.strategy, **found.parting._asdict()}
