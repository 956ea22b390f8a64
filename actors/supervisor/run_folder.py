"""The folder that a run leaves behind, and the private one for its sockets.

Every file is written under a temporary name and renamed, so that a reader never sees half of one.
"""

import json
import os
import platform
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from actors.assembly.places import RunPlaces
from actors.runtime import clock
from actors.runtime.locks import is_held, take_lock
from actors.runtime.private_files import replace_file
from protocol.version import PROTOCOL_VERSION

SOCKETS_PREFIX: Final = "sessionflow-"
UNLOCKED_PREFIX: Final = "sessionflow."
PACKAGES: Final = (
    "sessionflow",
    "exchange_calendars",
    "msgspec",
    "numpy",
    "pyarrow",
    "pydantic",
    "pyzmq",
    "TA-Lib",
)


class RunFolderError(Exception):
    """The run folder cannot be made; the message says why and what to do."""


class RunFolder:
    """One run's folders, locked for as long as the run goes on."""

    def __init__(self, runs: Path, session_name: str, catalog: Path) -> None:
        """Make a new folder below `runs` and a private folder for sockets.

        Raises RunFolderError.
        """
        try:
            folder = _new_folder(runs, session_name)
            self._lock = take_lock(folder / "lock")
        except OSError as error:
            raise RunFolderError(
                f"cannot make a run folder in {runs} ({_words(error)}): "
                "choose a folder that you may write to with --runs DIR"
            ) from error
        try:
            sockets, self._sockets_lock = _private_sockets()
        except RunFolderError:
            os.close(self._lock)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.places = RunPlaces(folder, sockets, catalog, run=secrets.randbits(63))

    @property
    def name(self) -> str:
        """The folder's name, which names the run."""
        return self.places.folder.name

    def write_plan(self, content: bytes) -> None:
        """Write the plan that the actors read, beside the sockets.

        Raises RunFolderError.
        """
        try:
            replace_file(self.places.plan, content, mode=0o600)
        except OSError as error:
            raise RunFolderError(
                f"the plan cannot be written to {self.places.sockets} ({error.strerror}): "
                "make room there, or set TMPDIR to another folder"
            ) from error

    def become_latest(self) -> None:
        """Point `latest` at this run; relative, so that the folder can be moved.

        Raises RunFolderError.
        """
        folder = self.places.folder
        temporary, latest = folder.with_name(f".latest-{folder.name}"), folder.with_name("latest")
        try:
            temporary.symlink_to(folder.name)
            temporary.replace(latest)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise RunFolderError(
                f"{latest} cannot point at the new run ({error.strerror}): "
                "remove it, or choose another folder with --runs DIR"
            ) from error

    def write_json(self, name: str, content: Any) -> None:  # noqa: ANN401  (whatever JSON can hold)
        """Write a JSON file, whole or not at all.

        Raises RunFolderError.
        """
        try:
            replace_file(self.places.folder / name, json.dumps(content, indent=2).encode() + b"\n")
        except OSError as error:
            raise RunFolderError(
                f"{name} cannot be written to the run folder ({error.strerror}): "
                "make room there, or choose another folder with --runs DIR"
            ) from error

    def remove(self) -> None:
        """Undo it all: nothing was run."""
        self.close()
        shutil.rmtree(self.places.folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the sockets and let go of the locks."""
        shutil.rmtree(self.places.sockets, ignore_errors=True)
        for lock in (self._lock, self._sockets_lock):
            os.close(lock)


class ReopenedFolder(RunFolder):
    """The folder of an earlier run that goes on."""

    def __init__(self, folder: Path, lock: int, catalog: Path, run: int | None) -> None:
        """Make a new private folder for its sockets; `lock` is held, and `run` is the journal's number.

        Raises RunFolderError; the lock is held as before then.
        """
        sockets, self._sockets_lock = _private_sockets()
        self._lock = lock
        number = secrets.randbits(63) if run is None else run
        self.places = RunPlaces(folder, sockets, catalog, number)

    def remove(self) -> None:
        """Keep what earlier lives have left."""
        self.close()


def environment() -> Mapping[str, Any]:
    """Say what a run ran on: versions and sizes, no names and no paths."""
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "protocol": PROTOCOL_VERSION,
        "packages": {name: version(name) for name in PACKAGES},
    }


def remove_stale_sockets() -> None:
    """Remove socket folders of runs whose supervisor was killed: ours, and no longer locked."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SOCKETS_PREFIX}*"):
        try:
            if folder.lstat().st_uid == os.getuid() and not is_held(folder / "lock"):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def _private_sockets() -> tuple[Path, int]:
    try:
        return _new_sockets()
    except OSError as error:
        raise RunFolderError(
            f"cannot make a folder for sockets ({_words(error)}): "
            "set TMPDIR to a folder that you may write to"
        ) from error


def _new_sockets() -> tuple[Path, int]:
    """Make a folder for sockets and lock it; it gets its name, by which others find it, when it is locked."""
    unlocked = Path(tempfile.mkdtemp(prefix=UNLOCKED_PREFIX))
    try:
        lock = take_lock(unlocked / "lock")
        sockets = unlocked.with_name(SOCKETS_PREFIX + unlocked.name.removeprefix(UNLOCKED_PREFIX))
        return unlocked.rename(sockets), lock
    except OSError:
        shutil.rmtree(unlocked, ignore_errors=True)
        raise


def _new_folder(runs: Path, session_name: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", session_name.lower()).strip("-")[:40].strip("-") or "run"
    runs.mkdir(parents=True, exist_ok=True)
    folder = _unused_folder(runs.absolute(), f"{clock.now_utc():%Y%m%d-%H%M%S}-{slug}")
    for part in ("logs", "journal", "tables"):
        (folder / part).mkdir()
    return folder


def _unused_folder(runs: Path, stem: str) -> Path:
    """Make a folder of its own, whatever else starts in the same second."""
    while True:
        folder = runs / f"{stem}-{secrets.token_hex(2)}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder


def _words(error: OSError) -> str:
    return f"{error.strerror}: {error.filename}" if error.filename else str(error)
