"""What a run that serves remote observers needs before it starts: private keys, and a port that is free."""

from pathlib import Path

from actors.domain.errors import ConfigError, Problem
from actors.domain.session_plan import SessionPlan
from actors.runtime.key_files import KeyFolder, KeyProblem
from actors.runtime.remote import AddressTaken, RemoteObservers


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
