"""The verb `listen`: see over TCP what a run on another machine publishes."""

import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

from actors.cli.errors import exits_cleanly
from actors.domain.errors import ConfigError, Problem
from actors.domain.exit_codes import ExitCode
from actors.runtime.key_files import KeyFolder, KeyProblem, read_pair, read_public
from actors.runtime.remote import BadAddress, Missed, Refused, RemoteObserver
from protocol import topics
from protocol.messages import Message, RunEnd, SealedWindow, StreamClosed


@dataclass
class Heard:
    """What has come so far."""

    frames: int = 0
    windows: int = 0
    bars: int = 0
    missed: int = 0
    digest: str = "unknown, the end was not heard"
    is_over: bool = False

    def take(self, message: Message) -> None:
        """Count a message."""
        self.frames += 1
        if isinstance(message, SealedWindow):
            self.windows += 1
            self.bars += message.block.n
        elif isinstance(message, RunEnd):
            self.digest = message.stream_digest
        self.is_over = isinstance(message, StreamClosed)


@click.command()
@click.argument("url", metavar="tcp://HOST:PORT")
@click.option(
    "--keys", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The keys."
)
@click.option("--as", "name", required=True, metavar="NAME", help="Whose key: that of DIR/clients/NAME.key.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(1, 86_400),
    default=60.0,
    metavar="S",
    show_default=True,
    help="Give up when nothing has come for so many seconds.",
)
@exits_cleanly
def listen(url: str, folder: Path, name: str, wait_s: float) -> None:
    """Listen to the run that is served at tcp://HOST:PORT until it ends, and count what it publishes."""
    with closing(_observer(url, KeyFolder(folder), name)) as observer:
        heard = _listen(observer, wait_s)
    if not heard.frames:
        words = f"nothing came within {wait_s:g} s: no run is served there, or this key is not allowed"
        click.echo(f"Error: {url}: {words}", err=True)
        sys.exit(ExitCode.ACTOR_FAILED)
    counts = f"{heard.windows} windows, {heard.bars} bars, {heard.missed} frames missed"
    click.echo(f"{counts}; stream digest {heard.digest}")


def _observer(url: str, keys: KeyFolder, name: str) -> RemoteObserver:
    try:
        server, pair = read_public(keys.server_public), read_pair(keys.client(name))
        return RemoteObserver(
            url, server, pair, (topics.SEALED, topics.PHASE, topics.SESSION, topics.CONTROL)
        )
    except KeyProblem as error:
        raise ConfigError(None, (Problem("--keys", str(error)),)) from error
    except BadAddress as error:
        raise ConfigError(None, (Problem("tcp://HOST:PORT", str(error)),)) from error


def _listen(observer: RemoteObserver, wait_s: float) -> Heard:
    """Take frames until the stream is closed, or nothing comes any more."""
    heard = Heard()
    while not heard.is_over and (arrival := observer.receive(wait_s)) is not None:
        if isinstance(arrival, Refused):
            click.echo(f"Dropped: {arrival.reason}", err=True)
        elif isinstance(arrival, Missed):
            heard.missed += arrival.frames
        else:
            heard.take(arrival.message)
    return heard
