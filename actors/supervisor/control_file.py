"""How a run that goes on can be reached: `control.json` in its folder, for its owner alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from actors.assembly.places import RunPlaces
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
        _write_private(path, msgspec.json.encode(content))
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
                _write_private(path, msgspec.json.encode(later))
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
        control = msgspec.json.decode((folder / NAME).read_bytes(), type=ControlFile)
    except FileNotFoundError:
        raise NotSteerable(
            f"run {folder.name} cannot be steered: it runs in one process (--inline), is only starting "
            "or has just ended"
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise NotSteerable(f"{folder / NAME} cannot be read: {error}") from error
    if control.version != PROTOCOL_VERSION:
        raise NotSteerable(f"run {folder.name} was started by another version of sessionflow")
    return control


def _write_private(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileNotFoundError):
        temporary.unlink()
    with open(os.open(temporary, flags, 0o600), "wb") as file:  # noqa: PTH123  a descriptor
        file.write(content)
    temporary.replace(path)
