"""`sessionflow pause`, `resume`, `step`, `until`, `speed`, `stop`: steer a run from another terminal."""

import sys
from pathlib import Path
from typing import Final

import click

from actors.cli import VERBS, VerbGroup
from actors.cli.chosen_run import choose_running
from actors.cli.errors import exits_cleanly
from actors.cli.options import runs_option
from actors.domain.errors import DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.simulated_time import instant_of
from actors.domain.steering import FASTEST, SLOWEST
from actors.supervisor.control import NoAnswer, ask, order
from actors.supervisor.control_file import NotSteerable, read_control
from actors.supervisor.running import read_head, read_status
from protocol.messages import Steer

MAX_STEPS: Final = 10**9
run_argument = click.argument("run", required=False)


@click.command()
@run_argument
@runs_option
@exits_cleanly
def pause(run: str | None, runs: Path) -> None:
    """Let the clock of RUN stand still; what is under way is finished.

    RUN is a run folder, or the name of one below --runs; without it, the newest that is running.
    """
    steer_run(_running(run, runs), order("pause"))


@click.command()
@click.argument("steps", metavar="[N]", type=click.IntRange(1, MAX_STEPS), default=1)
@run_argument
@runs_option
@exits_cleanly
def step(steps: int, run: str | None, runs: Path) -> None:
    """Let the clock of RUN go N steps, one without N, and then stand still.

    RUN is a run folder, or the name of one below --runs; without it, the newest that is running.
    """
    steer_run(_running(run, runs), order("step", steps=steps))


@click.command()
@click.argument("time")
@run_argument
@runs_option
@exits_cleanly
def until(time: str, run: str | None, runs: Path) -> None:
    """Let the clock of RUN go on, and stand still before the first step later than TIME.

    TIME is exchange-local, 2025-07-03T10:30, or 10:30 of the session that is running, or has an offset. RUN
    is a run folder, or the name of one below --runs; without it, the newest that is running.
    """
    folder = _running(run, runs)
    steer_run(folder, order("until", until_ts=_instant(folder, time)))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("speed", metavar="X", type=float)
@run_argument
@runs_option
@exits_cleanly
def speed(speed: float, run: str | None, runs: Path) -> None:
    """Let the clock of RUN go at speed X: 0 is as fast as possible, 60 a minute in a second.

    RUN is a run folder, or the name of one below --runs; without it, the newest that is running.
    """
    if not (speed == 0 or SLOWEST <= speed <= FASTEST):
        raise click.BadParameter(f"{speed:g} is no speed: write 0, or from {SLOWEST:g} to {FASTEST:g}")
    steer_run(_running(run, runs), order("speed", speed=speed))


@click.command()
@run_argument
@runs_option
@exits_cleanly
def stop(run: str | None, runs: Path) -> None:
    """End RUN in order, as Ctrl-C in its terminal would.

    RUN is a run folder, or the name of one below --runs; without it, the newest that is running.
    """
    steer_run(_running(run, runs), order("stop"))


def _running(run: str | None, runs: Path) -> Path:
    return choose_running(run, runs, "name its folder")


def _instant(folder: Path, text: str) -> int:
    head = read_head(folder)
    try:
        date = read_status(folder).session or head.first_date
    except DataError:
        date = head.first_date
    try:
        return instant_of(text, date, head.timezone)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no time: write 2025-07-03T10:30 or 10:30, exchange-local, or add an offset"
        ) from error


def steer_run(folder: Path, steer: Steer) -> None:
    """Have it done, and say what the run answers."""
    try:
        answer = ask(read_control(folder), steer)
    except NotSteerable as error:
        raise click.UsageError(str(error)) from error
    except NoAnswer as error:
        click.echo(f"Error: {folder.name}: {error}", err=True)
        sys.exit(ExitCode.ACTOR_FAILED)
    if not answer.accepted:
        click.echo(f"Error: {folder.name}: {answer.text}", err=True)
        sys.exit(ExitCode.CONFIGURATION)
    click.echo(f"{folder.name}: {answer.text}")


@click.group(
    cls=VerbGroup,
    verbs={name: VERBS[name] for name in ("pause", "resume", "step", "until", "speed", "stop")},
    subcommand_metavar="VERB ...",
)
def control() -> None:
    """Steer a run that is running, from another terminal."""
