"""`sessionflow plan`: what a run would do, without doing it."""

from pathlib import Path

import click
import msgspec

from actors.cli.errors import exits_cleanly
from actors.cli.options import config_argument, override_options
from actors.config import load_config
from actors.domain.overrides import Overrides
from actors.runtime.calendars import Calendars
from actors.runtime.store import Catalog
from actors.supervisor.console import open_console, print_plan
from actors.supervisor.planner import make_plan


@click.command()
@config_argument
@override_options
@click.option("--json", "as_json", is_flag=True, help="Write the plan as JSON.")
@exits_cleanly
def plan(config: Path, overrides: Overrides, *, as_json: bool) -> None:
    """Show what a run of CONFIG would do: sessions, streams, stored data, and what is missing."""
    settings = load_config(config, overrides)
    planned = make_plan(settings, Catalog(settings.catalog_path), Calendars(), config)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(planned), indent=2))
    else:
        print_plan(open_console(), planned)
