"""Start the forkserver early: it imports what actors need while this process imports what planning needs.

This module is light, so that the command line calls it before anything else: 0.3 s less until a run starts.
"""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from typing import Final

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
LIBRARIES: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**20),
}
"""What libraries are told where the user has not: numpy gets no threads, which nothing here needs, and is
there sooner; Arrow gives back what it does not hold any more, 80 MB with 50 symbols, which its pools keep;
the GNU C library keeps the room of one frame for the next, which saves the loader a third of its time."""
SAFE_PATH: Final = "PYTHONSAFEPATH"
INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


def configure_libraries() -> None:
    """Tell numpy and Arrow how to run: they look when they are imported, here and in what is started."""
    for name, value in LIBRARIES.items():
        os.environ.setdefault(name, value)


def start_forkserver() -> None:
    """Start it, unless it runs already.

    Raises ConfigError where there is no place for its socket, or too few files can be opened.
    """
    require_open_files(actors=0)
    configure_libraries()
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
    try:
        with _safe_path():
            resource_tracker.ensure_running()  # it resets the signal mask, so it comes first
            with _deferred_interrupts():
                forkserver.ensure_running()
    except OSError as error:
        message = f"no socket can be made below {tempfile.gettempdir()} ({error}): set TMPDIR to a short path"
        raise ConfigError(None, (Problem("TMPDIR", message),)) from error


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
