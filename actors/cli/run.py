"""The verb `run`: what `scripts/launch.py` does too."""

import gc
import re
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from actors.cli.errors import exits_cleanly
from actors.cli.options import find_run, override_options
from actors.domain.overrides import Overrides
from actors.supervisor.forkserver import configure_libraries, start_forkserver

DIGEST: Final = re.compile(r"(data|stream|signals)=([0-9a-f]{8,64})")


def _digests(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Check what `--expect-digest` was given."""
    found = {}
    for text in texts:
        match = DIGEST.fullmatch(text)
        if match is None:
            raise click.BadParameter(
                f"{text!r}: write data=, stream= or signals= and at least 8 digits of summary.json's digest"
            )
        found[match[1]] = match[2]
    return found


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option(
    "--resume",
    "resumed",
    metavar="RUN",
    help="Go on with a run that has ended without being done; CONFIG then only where its file has moved.",
)
@override_options
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    metavar="DIR",
    show_default=True,
    help="Where run folders are made.",
)
@click.option(
    "--expect-digest",
    "digests",
    multiple=True,
    metavar="KIND=HEX",
    callback=_digests,
    help="Exit code 5 where the data, stream or signals digest does not begin so; may be repeated.",
)
@click.option("--paused", is_flag=True, help="Wait before the first step for `resume`, `step` or `until`.")
@click.option("--inline", is_flag=True, help="Run everything in this one process, without sockets.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON and nothing else.")
@exits_cleanly
def run(  # noqa: PLR0913 - one parameter per option of the command line
    config: Path | None,
    *,
    resumed: str | None,
    overrides: Overrides,
    runs: Path,
    digests: dict[str, str],
    paused: bool,
    inline: bool,
    as_json: bool,
) -> None:
    """Replay the sessions of CONFIG."""
    if resumed is None and config is None:
        raise click.UsageError("Missing argument 'CONFIG'.")
    if resumed is not None and any(overrides.given()):
        raise click.UsageError("a run is resumed as it was configured: leave out the options that change it")
    run_folder = None if resumed is None else find_run(resumed, runs)
    launching = import_launch(inline=inline)
    options = launching.LaunchOptions(
        runs=runs, inline=inline, as_json=as_json, digests=digests, paused=paused
    )
    if run_folder is None:
        sys.exit(launching.launch(config, overrides, options))
    sys.exit(launching.resume(run_folder, config, options))


def import_launch(*, inline: bool) -> Any:  # noqa: ANN401  a module
    """Import what launches and, unless all is to run in this process, start the forkserver on the way."""
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a script, in the background, ignores them
        signal.signal(number, signal.default_int_handler)
    gc.disable()  # what is imported stays: 0.07 s less
    if inline:
        configure_libraries()
    else:
        start_forkserver(as_copy=True)
    launching = import_module("actors.supervisor.launch")
    gc.freeze()
    gc.enable()
    return launching
