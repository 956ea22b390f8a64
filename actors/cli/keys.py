"""The verb `keys`: keys for observers on other machines."""

from pathlib import Path

import click

from actors.cli.errors import exits_cleanly
from actors.domain.errors import ConfigError, Problem
from actors.runtime.key_files import KeyFolder, KeyProblem
from actors.runtime.remote import make_pair


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--client", "clients", multiple=True, metavar="NAME", help="Make a key for NAME; may be repeated."
)
@exits_cleanly
def keys(folder: Path, clients: tuple[str, ...]) -> None:
    """Make a server's key in DIR, if it has none, and keys for clients, which are then let in.

    No file is overwritten. A client needs its file of DIR/clients and DIR/server.pub, and nothing else.
    """
    try:
        made = KeyFolder(folder).make(clients, make_pair)
    except KeyProblem as error:
        raise ConfigError(None, (Problem("keys", str(error)),)) from error
    for path, public in made.items():
        click.echo(f"{path}  {public.decode()}")
    if not made:
        click.echo(f"{folder} has a server's key; add a client with --client NAME")
