"""What the loader has delivered, what it is asked for next, and how far ahead it may be.

The loader is at most `prefetch_sessions` sessions ahead of the one that is streaming: they are asked for
before the first session starts, and one more with every session that does. What has not come when a loader
starts anew is asked for again.
"""

from collections.abc import Iterator, Mapping

from actors.domain.roles import Send
from actors.domain.session_plan import SessionPlan
from actors.domain.session_queue import SessionQueue
from actors.domain.session_tape import Tape
from protocol import topics
from protocol.messages import LoadReport, LoadSessions, SessionBars


class Supply:
    """Sessions on their way from storage to the clock: history first, then the run's."""

    def __init__(self, plan: SessionPlan) -> None:
        """Have nothing yet."""
        self._plan = plan
        self._queue = SessionQueue(plan)
        self._asked = self._arrived = self._taken = -len(plan.history) - 1
        """The last session that was asked for, the last that is complete, and the last that the clock has."""
        self._wanted = self._asked
        self._kept = max((stream.sessions_read for stream in plan.served), default=0)
        self.delivered: dict[int, Mapping[int, int]] = {}
        """Bars per session and stream, of the sessions that a line of the log can still speak of."""

    def on_bars(self, message: SessionBars) -> None:
        """Take some streams of a session."""
        self._queue.on_bars(message)

    def on_report(self, message: LoadReport) -> None:
        """Take note that a session is complete."""
        self._queue.on_report(message)
        self._arrived = message.session
        self.delivered[message.session] = {load.stream: load.delivered for load in message.loads}

    def restore(self, first: int, asked: int, delivered: Mapping[int, Mapping[int, int]]) -> None:
        """Need the sessions from `first` on; those up to `asked` were asked for in an earlier life."""
        self._arrived = self._taken = first - 1
        self._asked = asked
        self.delivered = {
            session: counts for session, counts in delivered.items() if session >= first - 1 - self._kept
        }

    def ask_again(self) -> Iterator[Send]:
        """Ask anew for what was asked for and has not come whole."""
        self._queue.forget_incomplete()
        if self._arrived < self._asked:
            yield Send(topics.to("loader"), LoadSessions(self._arrived + 1, self._asked))

    def want(self, until: int) -> None:
        """Want sessions up to `until`, as far as the run goes; up to -1 are those before its first one."""
        self._wanted = min(until, len(self._plan.sessions) - 1)

    def ask(self) -> Iterator[Send]:
        """Ask for what is wanted and was not asked for."""
        if self._wanted > self._asked:
            yield Send(topics.to("loader"), LoadSessions(self._asked + 1, self._wanted))
            self._asked = self._wanted

    def has(self, session: int) -> bool:
        """Whether a session is complete and was not taken."""
        return self._queue.has(session, session)

    def has_loaded(self, session: int) -> bool:
        """Whether a session is complete."""
        return session <= self._taken or self.has(session)

    def queued(self, session: int) -> range:
        """Give the sessions that are loaded before `session` starts."""
        last = min(session + self._plan.flow.prefetch_sessions, len(self._plan.sessions))
        return range(session, last)

    def is_ready_for(self, session: int) -> bool:
        """Whether all that is loaded before `session` starts is there."""
        return self._queue.has(max(session, self._taken + 1), self.queued(session)[-1])

    @property
    def history_is_taken(self) -> bool:
        """Whether every session of history has been taken."""
        return self._taken >= -1

    def take_history(self) -> Tape | None:
        """Take the next session of history; None where there is none, or it is not there yet."""
        following = self._taken + 1
        return None if self.history_is_taken or not self.has(following) else self.take(following)

    def take(self, session: int) -> Tape:
        """Take a session."""
        self._taken = session
        return self._queue.take(session)

    def forget(self, session: int) -> None:
        """Let go of what only sessions up to `session` needed."""
        self.delivered.pop(session - self._kept, None)
