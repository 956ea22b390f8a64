"""`sessionflow data list` and `sessionflow data check`: what is stored, and how good it is."""

import sys
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from actors.cli.errors import exits_cleanly
from actors.domain.check_request import CheckRequest
from actors.domain.errors import ConfigError, Problem
from actors.domain.intervals import Interval, UnknownInterval

_INSPECTION: Final = "actors.supervisor.inspection"
"""Imported when it is called, so that help comes at once."""
_catalog = click.option(
    "--catalog",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    show_default=True,
    metavar="DIR",
    help="The catalog's folder.",
)
_DAY: Final = click.DateTime(formats=["%Y-%m-%d"])


@click.command("list")
@_catalog
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@exits_cleanly
def list_(catalog: Path, *, as_json: bool) -> None:
    """Show what a catalog holds: a row for every symbol and interval, from the footers of the files."""
    sys.exit(import_module(_INSPECTION).show_holdings(catalog, as_json=as_json))


def _interval(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Check what `--interval` was given."""
    for text in texts:
        try:
            Interval.parse(text)
        except UnknownInterval as error:
            raise click.BadParameter(str(error)) from error
    return texts


def _date(_context: click.Context, _option: click.Parameter, day: datetime | None) -> date | None:
    return None if day is None else day.date()


@click.command("check")
@_catalog
@click.option("--calendar", metavar="CODE", help="Such as XNYS; by default the one that the files name.")
@click.option("--symbol", "symbols", multiple=True, metavar="S", help="Only this one; may be repeated.")
@click.option(
    "--interval", "intervals", multiple=True, metavar="I", callback=_interval, help="Likewise, such as 1m."
)
@click.option(
    "--start", type=_DAY, callback=_date, metavar="DATE", help="First day; by default all there is."
)
@click.option("--end", type=_DAY, callback=_date, metavar="DATE", help="Last day.")
@click.option(
    "--jump-ratio", type=click.FloatRange(1, min_open=True), default=2.0, show_default=True, metavar="X"
)
@click.option(
    "--corporate-actions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A CSV file of splits and dividends; what it explains is no jump.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 100),
    metavar="X",
    help="End with exit code 4 where the score of a stream is lower.",
)
@click.option("--extended-hours", is_flag=True, help="Expect bars before the open and after the close too.")
@click.option(
    "--align",
    type=click.Choice(["session", "clock"]),
    default="session",
    show_default=True,
    help="Expect bars from each part's open on, or on the marks of the clock.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document, all gaps and defects in it.")
@exits_cleanly
def check(*, min_score: float | None, as_json: bool, **asked: Any) -> None:  # noqa: ANN401  a request's fields
    """Judge stored bars as a run would: what is missing and what is wrong, session by session."""
    request = CheckRequest(**asked)
    if request.start and request.end and request.end < request.start:
        problem = Problem("--end", f"{request.end} is before --start {request.start}; exchange the two")
        raise ConfigError(None, (problem,))
    sys.exit(import_module(_INSPECTION).show_check(request, min_score=min_score, as_json=as_json))
