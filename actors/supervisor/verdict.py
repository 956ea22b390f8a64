"""How a run ended, whoever ran it."""

from dataclasses import dataclass

from actors.domain.exit_codes import ExitCode
from actors.supervisor.decisions import Trouble
from actors.supervisor.status import FinalState, RunStatus
from protocol.messages import Finished


@dataclass(frozen=True)
class Verdict:
    """What is known at the end."""

    exit_code: ExitCode
    finished: Finished | None
    trouble: Trouble | None
    last: RunStatus
    """The last snapshot."""

    @property
    def word(self) -> FinalState:
        """The word for it."""
        if self.exit_code is ExitCode.DONE:
            return "done"
        return "interrupted" if self.exit_code is ExitCode.INTERRUPTED else "failed"
