"""What a run that serves remote observers needs before it starts: private keys, and a port that is free."""

from pathlib import Path
from typing import Final

import msgspec

from actors.domain.errors import ConfigError, Problem
from actors.domain.session_plan import SessionPlan
from actors.runtime.key_files import KeyFolder, KeyProblem
from actors.runtime.remote import AddressTaken, RemoteObservers

NOT_SERVED: Final = "remote.observe: not served: a run in one process has no sockets"


def without_remote(plan: SessionPlan) -> SessionPlan:
    """Leave remote observers out of a run in one process, and say so."""
    if plan.remote is None:
        return plan
    return msgspec.structs.replace(plan, remote=None, warnings=(*plan.warnings, NOT_SERVED))


def require_remote(plan: SessionPlan) -> None:
    """Make sure that remote observers, where the plan has any, can be served.

    Raises ConfigError.
    """
    if plan.remote is None:
        return
    try:
        RemoteObservers(plan.remote.observe, KeyFolder(Path(plan.remote.keys)).read_server()).close()
    except KeyProblem as error:
        raise ConfigError(None, (Problem("remote.keys", str(error)),)) from error
    except AddressTaken as error:
        raise ConfigError(None, (Problem("remote.observe", str(error)),)) from error
