"""`sessionflow data import`: bring bars that others stored into a catalog."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from actors.cli.errors import exits_cleanly
from actors.domain.intervals import STORED_INTERVALS
from actors.runtime.importing import FORMATS

_RUN: Final = "actors.cli.import_run"
"""Imported when it is called, so that help comes at once."""
_OPTIONS: Final = (
    click.option("--symbol", metavar="NAME", help="Whose bars they are; of a file of many, whose to take."),
    click.option("--interval", metavar="LENGTH", help=f"How long a bar is: {', '.join(STORED_INTERVALS)}."),
    click.option(
        "--label", type=click.Choice(["open", "close"]), help="Whether times are of the bars' open or close."
    ),
    click.option("--tz", "timezone", metavar="ZONE", help="Where times without an offset are from."),
    click.option("--calendar", metavar="NAME", help="For bars of a day: whose sessions they are, as XNYS."),
    click.option(
        "--catalog",
        type=click.Path(path_type=Path),
        default=Path("data"),
        show_default=True,
        metavar="DIR",
        help="The folder of stored bars.",
    ),
    click.option(
        "--on-defect",
        type=click.Choice(["reject", "quarantine"]),
        default="reject",
        show_default=True,
        help="With faulty rows: import nothing, or put them aside and import the others.",
    ),
    click.option(
        "--adjustment",
        default="not stated",
        show_default=True,
        metavar="KIND",
        help="What prices are adjusted for: none, split, …",
    ),
)


def _import_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--format", "format_name", type=click.Choice(list(FORMATS)), required=True, help="Whose they are."
)
@_import_options
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@exits_cleanly
def import_(files: tuple[Path, ...], format_name: str, *, as_json: bool, **said: Any) -> None:  # noqa: ANN401  the options
    """Import bars into a catalog.

    What a FILE does not say has to be said. Importing it again changes nothing.
    """
    import_module(_RUN).run_import(files, format_name, said, as_json=as_json)
