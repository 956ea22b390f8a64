"""Arguments and options that several verbs share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from actors.domain.overrides import Overrides

config_argument = click.argument("config", type=click.Path(path_type=Path))
runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    metavar="DIR",
    show_default=True,
    help="Folder of all runs.",
)

_OVERRIDE_OPTIONS: Final = (
    click.option("--start", metavar="DATE", help="First day, in place of the configuration's."),
    click.option("--end", metavar="DATE", help="Last day, in place of the configuration's."),
    click.option("--speed", type=float, help="0: as fast as possible; 60: a minute in a second."),
    click.option("--window-steps", type=int, metavar="N", help="Steps that travel together."),
    click.option("--credit", type=int, metavar="N", help="Windows that may be under way at once."),
    click.option(
        "--catalog",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The folder of stored bars, in place of the configuration's.",
    ),
)


def override_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options that replace settings; it receives them as `overrides: Overrides`."""

    @functools.wraps(verb)
    def wrapper(
        *args: Any,  # noqa: ANN401  whatever the verb takes
        start: str | None,
        end: str | None,
        speed: float | None,
        window_steps: int | None,
        credit: int | None,
        catalog: Path | None,
        **kwargs: Any,  # noqa: ANN401  likewise
    ) -> Any:  # noqa: ANN401  likewise
        overrides = Overrides(start, end, speed, window_steps, credit, catalog)
        return verb(*args, overrides=overrides, **kwargs)

    for option in reversed(_OVERRIDE_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


def find_run(run: str, runs: Path) -> Path:
    """Find the folder of a run by its name below `runs`, or by its path.

    Raises click.UsageError that names the runs there are.
    """
    for folder in (runs / run, Path(run)):
        if folder.is_dir():
            return folder
    found = sorted(path.name for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []
    there = f"{runs} has: {', '.join(found[-5:])}" if found else f"{runs} has no runs; start one first"
    raise click.UsageError(f"there is no run {run!r} ({there})")
