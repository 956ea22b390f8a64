"""Keys for remote observers, as files of one private folder. Nothing here prints, logs or passes on a secret.

`server.key` and `clients/NAME.key` hold a pair, `server.pub` and `allowed/NAME.pub` the public half of one.
Whoever has a file in `allowed` is let in. Keys are 40 characters of Z85, as ZeroMQ writes them.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from actors.runtime.private_files import NotPrivate, read_private, require_private_folder, write_new
from protocol.topics import ACTOR_NAME

_Z85: Final = r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}"
_PAIR: Final = re.compile(rf"public ({_Z85})\nsecret ({_Z85})\n".encode())
_PUBLIC: Final = re.compile(rf"public ({_Z85})\n".encode())
MADE_BY: Final = "make keys with `sessionflow keys`"


class KeyProblem(Exception):
    """Keys cannot be made or used; the message names the file and says what to do."""


@dataclass(frozen=True)
class KeyPair:
    """Both halves of a key; only the public one is ever shown."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class ServerKeys:
    """The key of a run's server, and who is let in."""

    pair: KeyPair
    allowed: Mapping[bytes, str]
    """Names by public key."""


@dataclass(frozen=True)
class KeyFolder:
    """Where keys lie."""

    path: Path

    @property
    def server(self) -> Path:
        """The server's pair."""
        return self.path / "server.key"

    @property
    def server_public(self) -> Path:
        """What clients have to know of the server."""
        return self.path / "server.pub"

    def client(self, name: str) -> Path:
        """A client's pair."""
        return self.path / "clients" / f"{name}.key"

    def allowed(self, name: str) -> Path:
        """What the server has to know of a client."""
        return self.path / "allowed" / f"{name}.pub"

    def make(self, clients: Iterable[str], generate: Callable[[], KeyPair]) -> Mapping[Path, bytes]:
        """Make a key for the server, if it has none, and one for each client; give files and public keys.

        Raises KeyProblem; no file is ever overwritten.
        """
        names = tuple(dict.fromkeys(clients))
        self._refuse(names)
        try:
            for folder in (self.path, self.path / "clients", self.path / "allowed"):
                _private_folder(folder)
            made = {} if self.server.exists() else self._make_pair(self.server, self.server_public, generate)
            for name in names:
                made |= self._make_pair(self.client(name), self.allowed(name), generate)
        except OSError as error:
            raise KeyProblem(
                f"{error.filename or self.path}: cannot be written ({error.strerror})"
            ) from error
        except NotPrivate as error:
            raise KeyProblem(str(error)) from error
        return made

    def read_server(self) -> ServerKeys:
        """Read what the server needs.

        Raises KeyProblem.
        """
        _guard(self.path)
        files = sorted((self.path / "allowed").glob("*.pub"))
        return ServerKeys(read_pair(self.server), {read_public(file): file.stem for file in files})

    def _refuse(self, names: Iterable[str]) -> None:
        for name in names:
            if ACTOR_NAME.fullmatch(name) is None:
                raise KeyProblem(f"{name!r} cannot be a client's name: use a-z, 0-9, _ and -, 32 at most")
            for file in (self.client(name), self.allowed(name)):
                if os.path.lexists(file):
                    raise KeyProblem(f"{file} is there already and is not overwritten: remove it first")

    def _make_pair(self, private: Path, public: Path, generate: Callable[[], KeyPair]) -> dict[Path, bytes]:
        pair = generate()
        write_new(private, b"public %b\nsecret %b\n" % (pair.public, pair.secret))
        write_new(public, b"public %b\n" % pair.public)
        return {private: pair.public, public: pair.public}


def read_pair(path: Path) -> KeyPair:
    """Read a pair.

    Raises KeyProblem.
    """
    public, secret = _read(path, _PAIR)
    return KeyPair(public, secret)


def read_public(path: Path) -> bytes:
    """Read a public key.

    Raises KeyProblem.
    """
    return _read(path, _PUBLIC)[0]


def _read(path: Path, layout: re.Pattern[bytes]) -> tuple[bytes, ...]:
    try:
        found = layout.fullmatch(read_private(path))
    except NotPrivate as error:
        raise KeyProblem(str(error)) from error
    except OSError as error:
        raise KeyProblem(f"{path}: cannot be read ({error.strerror}); {MADE_BY}") from error
    if found is None:
        raise KeyProblem(f"{path}: is no key file; {MADE_BY}")
    return tuple(found.groups())


def _guard(folder: Path) -> None:
    try:
        require_private_folder(folder)
    except NotPrivate as error:
        raise KeyProblem(f"{error}; {MADE_BY}") from error


def _private_folder(folder: Path) -> None:
    """Make a folder for its owner alone, or make sure that it is one."""
    if not os.path.lexists(folder):
        folder.mkdir(mode=0o700, parents=True)
    require_private_folder(folder)
