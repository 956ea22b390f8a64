"""What is said of the error that ends an actor, and with which code it ends."""

from typing import Final

from actors.domain.errors import DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.roles import RoleError
from actors.runtime.journal_files import JournalWriteError
from actors.runtime.logs import ActorLog
from actors.runtime.strategy_loading import StrategyLoadError
from actors.runtime.transport import PeerStalled
from protocol.errors import ProtocolError

KNOWN: Final = (RoleError, ProtocolError, DataError, StrategyLoadError, PeerStalled, JournalWriteError)
"""Errors that say all there is to say; any other gets a traceback."""


def write_failure(log: ActorLog, error: Exception) -> tuple[ExitCode, str]:
    """Write down the error that is being handled; give the exit code for it, and its reason in words."""
    if isinstance(error, KNOWN):
        reason = str(error)
        log.write("ERROR", reason)
    else:
        reason = f"{type(error).__name__}: {error}"
        log.exception(reason)  # noqa: LOG004  (who calls this handles it)
    return (ExitCode.DATA_MISSING if isinstance(error, DataError) else ExitCode.ACTOR_FAILED), reason
