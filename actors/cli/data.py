"""`sessionflow data`: catalogs of stored bars."""

from typing import Final

import click

from actors.cli import Verb, VerbGroup

DATA_VERBS: Final = {
    "import": Verb("actors.cli.data_import:import_", "Import the bars of other systems."),
    "list": Verb("actors.cli.data_inspection:list_", "Show what a catalog holds."),
    "check": Verb("actors.cli.data_inspection:check", "Show how good it is."),
    "sample": Verb("actors.cli.data_sample:sample", "Make the sample catalog."),
}


@click.group(cls=VerbGroup, verbs=DATA_VERBS, subcommand_metavar="VERB ...")
def data() -> None:
    """Fill catalogs of bars and look at them."""
