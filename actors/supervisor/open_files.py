"""How many files a run may have open: what it needs, if the system allows it; else a word before it starts.

Out of descriptors, libzmq ends the process without a word of ours, so a run that would come to that is not
started.
"""

import resource
from typing import Final

from actors.domain.errors import ConfigError, Problem

WANTED: Final = 4096
PER_RUN: Final = 64
PER_ACTOR: Final = 10
"""Of the process that needs most, the supervisor or, with `--inline`, the only one."""
EXHAUSTED: Final = "Too many open files"
"""The system's words for it."""


def raise_limit(wanted: int = WANTED) -> int:
    """Let this process, and those that it starts from now on, open more files; give how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(soft, allowed)


def require_open_files(actors: int) -> None:
    """Make sure that a run of so many actors can open its files.

    Raises ConfigError where the system does not let it.
    """
    needed = PER_RUN + PER_ACTOR * actors
    allowed = raise_limit(max(needed, WANTED))
    if allowed < needed:
        message = f"a run with {actors} actors opens up to {needed}, and {allowed} are allowed here"
        raise ConfigError(None, (Problem("open files", f"{message}: allow more with ulimit -n {needed}"),))
