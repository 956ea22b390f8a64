"""`sessionflow validate` and `sessionflow schema`: what a configuration may hold."""

import json
import sys
from pathlib import Path
from typing import TextIO

import click

from actors.cli.errors import exits_cleanly
from actors.cli.options import config_argument, override_options
from actors.config import load_config, schema_text
from actors.domain.errors import ConfigError
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.domain.printing import printable


@click.command()
@config_argument
@override_options
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
@exits_cleanly
def validate(config: Path, overrides: Overrides, *, as_json: bool) -> None:
    """Check CONFIG, and list everything that is wrong with it at once."""
    if as_json:
        _validate_for_programs(config, overrides)
        return
    warnings = load_config(config, overrides).warnings()
    for warning in warnings:
        click.echo(f"warning: {printable(warning)}")
    click.echo(f"{config}: valid")


def _validate_for_programs(config: Path, overrides: Overrides) -> None:
    try:
        warnings = load_config(config, overrides).warnings()
    except ConfigError as error:
        problems = [problem._asdict() for problem in error.problems]
        click.echo(json.dumps({"valid": False, "problems": problems, "warnings": []}, indent=2))
        sys.exit(ExitCode.CONFIGURATION)
    click.echo(json.dumps({"valid": True, "problems": [], "warnings": warnings}, indent=2))


@click.command()
@click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=False),
    default="-",
    help="Write to a file, not to the terminal.",
)
def schema(output: TextIO) -> None:
    """Write the JSON Schema of configurations, for editors."""
    output.write(schema_text())
