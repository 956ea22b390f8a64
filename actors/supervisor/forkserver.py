"""Start the forkserver: for the command line a copy of its process, for others a new interpreter.

Supervisor and actors need numpy, pyarrow, pyzmq and pydantic. A copy that is made once they are imported, and
before there are threads, sockets and plans, has them at once: 0.1 s less until a run starts, 0.3 s less of
processor time, and memory that all processes share.
"""

import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from itertools import pairwise
from multiprocessing import forkserver, resource_tracker, util
from typing import Any, Final

from actors.domain.errors import ConfigError, Problem
from actors.supervisor.open_files import require_open_files

PRELOAD: Final = [
    "actors.assembly.child",
    "actors.runtime.store",
    "actors.analysis",
    "actors.loader",
    "actors.processor",
    "actors.quality",
    "actors.recorder",
]
"""What the supervisor and the actors import alike."""
READY: Final = "actors.assembly.ready"
"""What the forkserver imports besides."""
LIBRARIES: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}
"""What libraries are told where the user has not: numpy gets no threads, which nothing here needs, and is
there sooner; pydantic does not look through all that is installed for plugins, 0.015 s; Arrow gives back what
it does not hold any more, 80 MB with 50 symbols, which its pools keep."""
SAFE_PATH: Final = "PYTHONSAFEPATH"
SPAWN: Final = util.spawnv_passfds
INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


def configure_libraries() -> None:
    """Tell libraries how to run: they look when they are imported, here and in what is started."""
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)


def start_forkserver(*, as_copy: bool = False) -> None:
    """Start it, unless it runs already.

    `as_copy` is for a process that has no threads yet: it imports what actors need, and is copied. Elsewhere
    than on Linux, where libraries of the system do not bear that, there is a new interpreter all the same.
    Raises ConfigError where there is no place for the socket, or too few files can be opened.
    """
    require_open_files(actors=0)
    configure_libraries()
    is_copied = as_copy and sys.platform == "linux"
    for name in PRELOAD if is_copied else ():
        import_module(name)
    multiprocessing.get_context("forkserver").set_forkserver_preload([*PRELOAD, READY])
    try:
        with _safe_path():
            resource_tracker.ensure_running()  # it resets the signal mask, so it comes first
            with _deferred_interrupts(), _copying() if is_copied else nullcontext():
                forkserver.ensure_running()
    except OSError as error:
        message = f"no socket can be made below {tempfile.gettempdir()} ({error}): set TMPDIR to a short path"
        raise ConfigError(None, (Problem("TMPDIR", message),)) from error


@contextmanager
def _copying() -> Iterator[None]:
    """Have `multiprocessing` get its forkserver by `_copy`: it has no other way of asking for one."""
    util.spawnv_passfds = _copy
    try:
        yield
    finally:
        util.spawnv_passfds = SPAWN


def _copy(path: bytes, args: Sequence[Any], passfds: Sequence[int]) -> int:
    """Stand in for `SPAWN`: a copy of this process becomes the forkserver, without a new interpreter.

    It keeps the standard streams and `passfds`: its listener, and the pipe by which it notices that nobody
    needs it any more. Where a newer Python hands over more, it gets its interpreter.
    """
    if len(passfds) != 2:  # noqa: PLR2004  the two
        return SPAWN(path, args, passfds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Arrow's allocator's thread, which bears it
        pid = os.fork()
    if pid:
        return pid
    try:
        gc.freeze()  # what is there stays: looking at it would copy it
        gc.enable()
        _close_all_but(passfds)
        listener, alive = passfds
        forkserver.main(listener, alive, preload=[READY])
    except Exception:  # noqa: BLE001  nobody else would tell it
        traceback.print_exc()
    finally:
        os._exit(0)


def _close_all_but(kept: Sequence[int]) -> None:
    """Close what is open beyond the standard streams."""
    for below, above in pairwise((2, *sorted({*kept} - {0, 1, 2}), os.sysconf("SC_OPEN_MAX"))):
        os.closerange(below + 1, above)


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep new interpreters, which get their program by `-c`, from importing out of the working directory."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[SAFE_PATH]
        if before is not None:
            os.environ[SAFE_PATH] = before


@contextmanager
def _deferred_interrupts() -> Iterator[None]:
    """Put interrupts off. What is started meanwhile inherits that for good: this process alone obeys them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
