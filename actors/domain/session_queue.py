"""Collect what the loader sends, session by session, until each is complete."""

from collections import defaultdict

from actors.domain.roles import RoleError
from actors.domain.session_plan import SessionPlan
from actors.domain.session_tape import Tape, make_tape
from protocol.blocks import Bars, as_bars
from protocol.messages import Defect, LoadReport, SessionBars


class SessionQueue:
    """Loaded sessions that were not started yet. Holds no more than the loader was asked for."""

    def __init__(self, plan: SessionPlan) -> None:
        """Hold nothing yet."""
        self._plan = plan
        self._blocks: defaultdict[int, list[Bars]] = defaultdict(list)
        self._defects: defaultdict[int, list[Defect]] = defaultdict(list)
        self._tapes: dict[int, Tape] = {}
        """Those that are complete, in order already: nobody waits for that when a session starts."""

    def on_bars(self, message: SessionBars) -> None:
        """Take some streams of a session."""
        if message.session in self._tapes:
            raise RoleError(f"loader sent bars of session {message.session} after its report")
        self._blocks[message.session].append(as_bars(message.block))
        self._defects[message.session].extend(message.defects)

    def on_report(self, message: LoadReport) -> None:
        """Take note that a session is complete, and check that nothing of it is missing."""
        arrived = sum(len(block) for block in self._blocks[message.session])
        sent = sum(load.delivered for load in message.loads)
        if arrived != sent:
            raise RoleError(f"loader sent {sent} bars of session {message.session}, {arrived} arrived")
        blocks, defects = self._blocks.pop(message.session, []), self._defects.pop(message.session, [])
        session = self._plan.session(message.session)
        self._tapes[message.session] = make_tape(session, self._plan.base_streams, blocks, defects)

    def has(self, first: int, last: int) -> bool:
        """Whether all sessions from `first` to `last` are complete."""
        return self._tapes.keys() >= set(range(first, last + 1))

    def take(self, index: int) -> Tape:
        """Take a complete session."""
        return self._tapes.pop(index)

    def forget_incomplete(self) -> None:
        """Let go of what has arrived of sessions that are not complete: they come again."""
        self._blocks.clear()
        self._defects.clear()
