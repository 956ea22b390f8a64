"""What the clock cuts next: history as it comes, the session that streams, and the one after it.

Where nothing is paced, the next session is cut as soon as nothing is left of this one, so that the processor
and the quality manager need not wait for the strategies. It is published once it has begun.

A session that an earlier life was streaming is loaded again and goes on behind the last step that was sealed.
"""

import numpy as np

from actors.domain.recollection import Recollection
from actors.domain.session_flow import StepLines
from actors.domain.session_tape import Tape
from actors.domain.supply import Supply
from actors.domain.window_cutter import WindowCutter
from protocol.lifecycle import Phase


class Feed:
    """Brings sessions from the supply to the cutter."""

    def __init__(self, supply: Supply, cutter: WindowCutter, step_lines: StepLines) -> None:
        """Have nothing to go on with."""
        self._supply = supply
        self._cutter = cutter
        self._step_lines = step_lines
        self._tape: Tape | None = None
        """The session that was taken before it begins."""
        self._recalled: Recollection | None = None
        """What is known of an earlier life, until the session that it ended in goes on."""

    def restore(self, found: Recollection) -> None:
        """Go on where an earlier life has ended."""
        self._recalled = found
        self._cutter.worst_lag_ns = found.worst_lag_ns
        self._supply.restore(found.first_needed, found.asked, found.delivered)

    def forget(self) -> None:
        """Know of no earlier life any more: a phase was entered in this one."""
        self._recalled = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to cut of what was begun, here or in an earlier life."""
        return (self._cutter.is_empty or self._tape is not None) and not self._awaits_session

    @property
    def _awaits_session(self) -> bool:
        found = self._recalled
        return found is not None and found.phase is Phase.STREAMING and found.session >= found.first_needed

    def take_up(self, now_ns: int) -> None:
        """Go on with the session that an earlier life was streaming, once it is there."""
        found = self._recalled
        if found is not None and self._awaits_session and self._supply.has(found.session):
            self.stream(found.session, now_ns)
            self._recalled = None

    def take_history(self, now_ns: int) -> bool:
        """Cut the next session of history next, if it is there."""
        tape = self._supply.take_history()
        if tape is not None:
            self._load(tape, now_ns)
        return tape is not None

    def take_ahead(self, session: int, now_ns: int) -> bool:
        """Cut a session that has not begun yet, if it is there and no step of the run has a deadline."""
        if self._awaits_session or not self._cutter.may_go_ahead or not self._supply.has(session):
            return False
        self._tape = self._supply.take(session)
        self._cutter.load(self._tape, now_ns)
        return True

    def stream(self, session: int, now_ns: int) -> None:
        """Cut a session of the run next, or go on where it was cut before it began."""
        tape, self._tape = self._tape, None
        if tape is None:
            self._load(self._supply.take(session), now_ns)
        else:
            self._step_lines.start_session(tape)
            self._cutter.restart_pace(now_ns)

    def _load(self, tape: Tape, now_ns: int) -> None:
        self._step_lines.start_session(tape)
        sealed = self._recalled.steps_sealed(tape.session) if self._recalled else None
        start = 0 if sealed is None else int(np.searchsorted(tape.steps, sealed, side="right"))
        self._cutter.load(tape, now_ns, start)
