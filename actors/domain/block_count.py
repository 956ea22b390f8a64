"""Count the bars across sessions that a history gives, as `block_fold` makes them, without folding any."""

from actors.domain.intervals import Interval
from actors.domain.session_blocks import block_of, closes_block
from actors.domain.session_grid import Mask, SessionGrid
from actors.domain.session_plan import Session


class BlockCount:
    """How many bars of one interval the present base bars of consecutive sessions make."""

    def __init__(self, interval: Interval, oldest: int, min_coverage: float) -> None:
        """Count bars that close in the session of index `oldest` or later."""
        self.interval = interval
        self.bars = 0
        self._oldest = oldest
        self._min_coverage = min_coverage
        self._block: int | None = None
        self._expected = self._present = 0

    def add(self, grid: SessionGrid, presence: Mask) -> None:
        """Take the next stretch of sessions."""
        expected, present = grid.regular(presence)
        for session, due, there in zip(grid.sessions, expected.tolist(), present.tolist(), strict=True):
            self._add(session, due, there)

    def _add(self, session: Session, expected: int, present: int) -> None:
        block = block_of(session, self.interval)
        if block != self._block:
            self._block, self._expected, self._present = block, 0, 0
        self._expected += expected
        self._present += present
        if session.index >= self._oldest and closes_block(session, self.interval):
            self.bars += self._present > 0 and self._present / self._expected >= self._min_coverage
