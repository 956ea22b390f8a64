"""Files and folders that nobody but their owner may look into.

The folder of a run's sockets is what keeps other users out: whoever can open a socket in it is heard.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

OTHERS: Final = 0o077
"""The permissions that a private file does not give."""
PRIVATE_BYTES: Final = 65_536
"""The longest private file that is read."""


class NotPrivate(Exception):
    """A file or folder is not ours alone; the message says why and what to do."""


def require_private_folder(folder: Path) -> None:
    """Make sure that a folder is one, no symbolic link, ours, and closed to everyone else.

    Raises NotPrivate.
    """
    _check(folder, _state(folder), is_folder=True)


def read_private(path: Path) -> bytes:
    """Read a private file, not through a symbolic link.

    Raises NotPrivate, and FileNotFoundError and other OSErrors.
    """
    _check(path, path.lstat(), is_folder=False)
    with open(_open(path, os.O_RDONLY, 0), "rb") as file:
        _check(path, os.fstat(file.fileno()), is_folder=False)
        return file.read(PRIVATE_BYTES)


def write_new(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file that is not there yet, not even as a symbolic link.

    Raises FileExistsError and other OSErrors.
    """
    with open(_open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def replace_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file whole or not at all: under a temporary name, then renamed. Follows no symbolic link.

    Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with suppress(FileNotFoundError):
        temporary.unlink()
    try:
        write_new(temporary, content, mode)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def require_plain_run(folder: Path) -> None:
    """Make sure that a run's folder is ours and that nothing in it leads elsewhere, before it is written to.

    The folder itself has to be resolved: `latest` is a symbolic link.

    Raises NotPrivate.
    """
    for path, state in _states(folder):
        if stat.S_ISLNK(state.st_mode):
            raise NotPrivate(
                f"{path} is a symbolic link: what is written there would go elsewhere; remove it"
            )
        if state.st_uid != os.getuid():
            raise NotPrivate(f"{path} belongs to another user; work on a copy of the run's folder")


def _states(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Look at a run's folder, what lies in it and in its folders; a file may be gone by then."""
    state = _state(folder)
    yield folder, state
    parts = sorted(folder.iterdir()) if stat.S_ISDIR(state.st_mode) else []
    folders = [part for part in parts if part.is_dir() and not part.is_symlink()]
    for path in (*parts, *(path for part in folders for path in part.iterdir())):
        with suppress(FileNotFoundError):
            yield path, path.lstat()


def _open(path: Path, flags: int, mode: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)


def _state(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except OSError as error:
        raise NotPrivate(f"{path} cannot be looked at: {error.strerror}") from error


def _check(path: Path, state: os.stat_result, *, is_folder: bool) -> None:
    kind, is_kind = ("folder", stat.S_ISDIR) if is_folder else ("file", stat.S_ISREG)
    if not is_kind(state.st_mode):
        raise NotPrivate(f"{path} must be a {kind}, and no symbolic link to one")
    if state.st_uid != os.getuid():
        raise NotPrivate(f"{path} belongs to user {state.st_uid}, not to you; do not use it")
    if state.st_mode & OTHERS:
        mode = "700" if is_folder else "600"
        raise NotPrivate(f"{path} is open to others ({state.st_mode & 0o777:o}): run `chmod {mode} {path}`")
