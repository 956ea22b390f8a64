"""`sessionflow logs`: the lines of all actors of a run, in order of wall time."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from actors.cli.options import find_run, runs_option
from actors.domain.printing import printable
from actors.runtime import clock
from actors.runtime.locks import is_held
from actors.runtime.log_files import LogFolder, LogRecord, text_line
from actors.supervisor.status import RunStatus

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
OVER: Final = frozenset({"done", "failed", "interrupted"})
POLL_S: Final = 0.2
INTERRUPTED: Final = 130
PALETTE: Final = ("cyan", "green", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")
LEVEL_COLOURS: Final = {"WARNING": "yellow", "ERROR": "red"}

Filter = Callable[[LogRecord], bool]


@click.command("logs")
@click.argument("run", default="latest")
@runs_option
@click.option("--actor", "actors", multiple=True, help="Only this actor; may be given several times.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="This level and above.")
@click.option("--grep", "pattern", metavar="RE", help="Only messages that this regular expression matches.")
@click.option("--phase", type=click.IntRange(1, 6), help="Only messages about this phase.")
@click.option(
    "--since", metavar="SIMTIME", help="From this simulated time on, exchange-local: 2025-07-02T10:30."
)
@click.option("--follow", "-f", is_flag=True, help="Go on until the run is over.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def logs(  # noqa: PLR0913 - one parameter per option of the command line
    *,
    run: str,
    runs: Path,
    actors: tuple[str, ...],
    level: str | None,
    pattern: str | None,
    phase: int | None,
    since: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the log lines of a run, merged in order of wall time.

    RUN is a run folder, or the name of one below --runs; without it, the latest. The files can be read with
    tail and grep as well: logs/ACTOR.log in the run folder.
    """
    run_folder = find_run(run, runs)
    filters = _filters(level, pattern, phase, since)
    show = _Printer(as_json=as_json)
    with closing(_open_logs(run_folder, actors, follow=follow)) as folder:
        try:
            for record in follow_records(folder, run_folder) if follow else folder.read():
                if all(accepts(record) for accepts in filters):
                    show(record)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        if folder.missed:
            click.echo(f"{folder.missed} full files were deleted before (logging.keep).", err=True)
        if folder.damaged:
            click.echo(f"{folder.damaged} damaged lines were left out.", err=True)


def follow_records(
    folder: LogFolder, run_folder: Path, pause: Callable[[float], object] = clock.pause
) -> Iterator[LogRecord]:
    """Yield records as they come, until the run is over and nothing new has come since."""
    while True:
        over = _is_over(run_folder)
        news = False
        for record in folder.read():
            news = True
            yield record
        if over and not news:
            return
        if not news:
            pause(POLL_S)


def _is_over(run_folder: Path) -> bool:
    try:
        status = msgspec.json.decode((run_folder / "status.json").read_bytes(), type=RunStatus)
    except FileNotFoundError:
        return False
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"{run_folder / 'status.json'} cannot be read: {error}") from error
    return status.state in OVER or _is_abandoned(run_folder)


def _is_abandoned(run_folder: Path) -> bool:
    """Whether the supervisor was killed before it could say how the run ended."""
    try:
        return not is_held(run_folder / "lock")
    except FileNotFoundError:
        return False


def _open_logs(run_folder: Path, actors: tuple[str, ...], *, follow: bool) -> LogFolder:
    folder = LogFolder(run_folder / "logs", actors)
    there = folder.actors()
    if not there and not follow:
        raise click.UsageError(f"{run_folder / 'logs'} holds no logs: the run ended before any actor started")
    missing = sorted(set(actors) - set(there))
    if missing and not follow:
        raise click.UsageError(f"no actor {missing[0]!r} in {run_folder}; it has: {', '.join(there)}")
    return folder


def _filters(
    level: str | None, pattern: str | None, phase: int | None, since: str | None
) -> tuple[Filter, ...]:
    chosen = (
        _at_least(level) if level else None,
        _matching(pattern) if pattern else None,
        _matching(rf"PHASE_{phase}(?![0-9])") if phase else None,
        _Since(since) if since else None,
    )
    return tuple(accepts for accepts in chosen if accepts is not None)


def _at_least(level: str) -> Filter:
    wanted = frozenset(LEVELS[LEVELS.index(level.upper()) :])
    return lambda record: record.level in wanted


def _matching(pattern: str) -> Filter:
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise click.BadParameter(f"{pattern!r} is not a regular expression: {error}") from error
    return lambda record: search(record.message) is not None


class _Since:
    """Accept what happened at a simulated time or later; a line without one goes with those before it."""

    def __init__(self, text: str) -> None:
        try:
            self._start = datetime.fromisoformat(text)
        except ValueError as error:
            raise click.BadParameter(
                f"{text!r} is no time: write 2025-07-02T10:30, exchange-local"
            ) from error
        self._reached = False

    def __call__(self, record: LogRecord) -> bool:
        if record.sim is None:
            return self._reached
        instant = datetime.fromisoformat(record.sim)
        if self._start.tzinfo is None:
            instant = instant.replace(tzinfo=None)
        self._reached = self._reached or instant >= self._start
        return instant >= self._start


class _Printer:
    """Print records, every actor in a colour of its own where standard output is a terminal."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._colours: dict[str, str] = {}

    def __call__(self, record: LogRecord) -> None:
        if self._as_json:
            click.echo(msgspec.json.encode(record))
            return
        colour = self._colours.setdefault(record.actor, PALETTE[len(self._colours) % len(PALETTE)])
        click.echo(click.style(printable(text_line(record)), fg=LEVEL_COLOURS.get(record.level, colour)))
