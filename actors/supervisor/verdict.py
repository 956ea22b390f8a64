"""How a run ended, whoever ran it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.domain.exit_codes import ExitCode
from actors.supervisor.run_state import Trouble
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
    lost: Mapping[str, str] = field(default_factory=dict)
    """Strategies' engines that the run went on without, by actor, and why."""
    restarts: int = 0
    """How often an actor was started again."""

    @property
    def is_complete(self) -> bool:
        """Whether the run came to its own end, with or without all of its strategies."""
        return self.trouble is None and self.finished is not None and not self.finished.interrupted

    @property
    def word(self) -> FinalState:
        """The word for it."""
        if self.exit_code is ExitCode.DONE:
            return "done"
        return "interrupted" if self.exit_code is ExitCode.INTERRUPTED else "failed"
