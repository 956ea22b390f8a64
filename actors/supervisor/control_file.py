"""How a run that goes on can be reached: `control.json` in its folder, for its owner alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from actors.assembly.places import RunPlaces
from actors.runtime.private_files import (
    NotPrivate,
    read_private,
    replace_file,
    require_plain_run,
    require_private_folder,
)
from actors.supervisor.run_folder import RunFolderError
from actors.supervisor.running import is_running
from protocol.version import PROTOCOL_VERSION

NAME: Final = "control.json"


class ControlFile(msgspec.Struct, frozen=True):
    """What a client has to know."""

    version: int
    """Of the protocol."""
    run: int
    """The run's number on the wire."""
    sockets: str
    """The private folder of its sockets."""
    pid: int
    """The supervisor's."""
    epoch: int = 0
    """The coordinator's, which its sockets are named after."""


class NotSteerable(Exception):
    """A run cannot be steered; the message says why."""


@contextmanager
def control_file(places: RunPlaces, epoch: int = 0) -> Iterator[Callable[[int], None]]:
    """Have the file there in a block, in which the coordinator's epoch may be kept up to date.

    Raises RunFolderError where it cannot be written at first; later, what it says stays as it was.
    """
    path = places.folder / NAME
    content = ControlFile(PROTOCOL_VERSION, places.run, str(places.sockets), os.getpid(), epoch)
    try:
        replace_file(path, msgspec.json.encode(content), mode=0o600)
    except OSError as error:
        raise RunFolderError(
            f"{NAME} cannot be written to the run folder ({error.strerror}): "
            "make room there, or choose another folder with --runs DIR"
        ) from error

    def keep_epoch(current: int) -> None:
        nonlocal content
        if current != content.epoch:
            with suppress(OSError):
                later = msgspec.structs.replace(content, epoch=current)
                replace_file(path, msgspec.json.encode(later), mode=0o600)
                content = later

    try:
        yield keep_epoch
    finally:
        with suppress(OSError):
            path.unlink()


def read_control(folder: Path) -> ControlFile:
    """Read how to reach a run.

    Raises NotSteerable.
    """
    if not is_running(folder):
        raise NotSteerable(f"run {folder.name} is not running; `sessionflow status {folder.name}` says why")
    try:
        return _read_trusted(folder)
    except FileNotFoundError:
        raise NotSteerable(
            f"run {folder.name} cannot be steered: it runs in one process (--inline), is only starting "
            "or has just ended"
        ) from None
    except NotPrivate as error:
        raise NotSteerable(f"run {folder.name} cannot be trusted: {error}") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise NotSteerable(f"{folder / NAME} cannot be read: {error}") from error


def _read_trusted(folder: Path) -> ControlFile:
    require_plain_run(folder)
    control = msgspec.json.decode(read_private(folder / NAME), type=ControlFile)
    if control.version != PROTOCOL_VERSION:
        raise NotSteerable(f"run {folder.name} was started by another version of sessionflow")
    require_private_folder(Path(control.sockets))
    return control
