"""An environment of its own for every peer, made on first use and kept: `benchmarks/.environments`.

This is the one place that pins versions. Where a version needs a newer Python than the one at hand, the other
interpreters of the machine are tried; what cannot be had is said, not hidden.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).resolve().parent / ".environments"
INSTALL_S: Final = 600
_ASK_S: Final = 20
_NUMPY: Final = ("numpy==2.4.6", "pyarrow==26.0.1")

Version = tuple[int, int]


class Pins(NamedTuple):
    """What is installed under a Python of at least this version."""

    python: Version
    requirements: tuple[str, ...]

    @property
    def package(self) -> str:
        """The peer itself, with its version."""
        return self.requirements[0].replace("==", " ")


PINS: Final[dict[str, tuple[Pins, ...]]] = {
    "nautilus": (
        Pins((3, 12), ("nautilus_trader==1.231.0", "numpy==2.5.5", "pyarrow==26.0.1", "pandas==3.1.1")),
        Pins((3, 11), ("nautilus_trader==1.221.0", *_NUMPY, "pandas==2.3.3")),
    ),
    "backtrader": (Pins((3, 11), ("backtrader==1.9.78.123", *_NUMPY)),),
    "zipline": (
        Pins((3, 11), ("zipline-reloaded==3.2.1", *_NUMPY, "pandas==2.3.3", "exchange_calendars==4.13.2")),
    ),
    "backtesting": (Pins((3, 11), ("backtesting==0.6.6", *_NUMPY, "pandas==3.1.1")),),
}
"""By environment, newest first; the first for which there is a Python is taken."""


class Unavailable(Exception):
    """An environment cannot be had; the message says why."""


class Environment(NamedTuple):
    """Where a peer runs."""

    python: Path
    pins: Pins


@lru_cache
def environment(name: str) -> Environment:
    """Give a peer's environment, made now if it is not there yet.

    Raises Unavailable.
    """
    for pins in PINS[name]:
        interpreter = _interpreter(pins.python)
        if interpreter is not None:
            return Environment(_made(name, interpreter, pins), pins)
    raise Unavailable(f"there is no Python {_text(PINS[name][-1].python)} or newer")


def _made(name: str, interpreter: Path, pins: Pins) -> Path:
    key = hashlib.sha256(repr((str(interpreter), pins)).encode()).hexdigest()[:8]
    folder = FOLDER / f"{name}-{key}"
    stamp = folder / ".installed"
    if not stamp.exists():
        for outdated in FOLDER.glob(f"{name}-*"):
            shutil.rmtree(outdated)
        _run(name, (str(interpreter), "-m", "venv", str(folder)))
        pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet")
        _run(name, (*pip, "--disable-pip-version-check", *pins.requirements))
        stamp.touch()
    return folder / "bin" / "python"


def _run(name: str, command: tuple[str, ...]) -> None:
    print(f"{name}: {' '.join(command[1:])}", file=sys.stderr, flush=True)
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"not installed within {INSTALL_S} s") from None
    if ran.returncode:
        raise Unavailable(f"cannot be installed: {last_line(ran.stderr)}")


def last_line(text: str) -> str:
    """Give what an error's output comes to."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"


def _interpreter(least: Version) -> Path | None:
    return next((path for path in _candidates() if _version(path) >= least), None)


def _candidates() -> Iterator[Path]:
    """List interpreters: this one, those on the path, those of pyenv."""
    yield Path(sys.executable).resolve()
    names = (f"python3.{minor}" for minor in (12, 13, 14))
    yield from (Path(found) for name in names if (found := shutil.which(name)))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/3.1[2-4]*/bin/python3"))


@lru_cache
def _version(interpreter: Path) -> Version:
    """Ask an interpreter; one that does not answer is no Python at all."""
    command = (str(interpreter), "-c", "import sys; print(*sys.version_info[:2])")
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    major, minor = ran.stdout.split()
    return int(major), int(minor)


def _text(version: Version) -> str:
    return ".".join(map(str, version))
