"""What the coordinator's log says on entering and on completing each phase."""

from collections.abc import Iterator, Mapping, Sequence

from actors.domain.account import SessionCount
from actors.domain.local_time import clock_text
from actors.domain.roles import Log, LogLines
from actors.domain.session_flow import TAG, flow
from actors.domain.session_plan import Session, SessionPlan, Stream

Loaded = Mapping[int, Mapping[int, int]]
"""Delivered bars per session index and stream id."""


class PhaseLines:
    """The lines of one run."""

    def __init__(self, plan: SessionPlan) -> None:
        """Know the plan."""
        self._plan = plan
        self._timezone = plan.timezone

    def initialization(self, session: Session) -> Iterator[Log]:
        """Write phase 1."""
        if session.index == 0:
            yield flow("PHASE_1.1: First session - marking STREAMED/GENERATED/IGNORED")
            for stream in self._plan.streams:
                yield flow(f"PHASE_1.2: {stream.symbol} {stream.interval} {stream.label} ({stream.reason})")
        opening = clock_text(session.open_ns, self._timezone)
        yield flow(f"PHASE_1.3: Current session date: {session.date}, time: {opening}", session.open_ns)
        yield flow("PHASE_1.4: Session initialization complete")

    def history(
        self, session: Session, loaded: Loaded, score: float, elapsed_s: float
    ) -> Iterator[Log | LogLines]:
        """Write phase 2: the trailing sessions of every base stream, and their quality."""
        total = 0
        texts: list[str] = []
        for stream in self._plan.base_streams:
            kept = _read(self.trailing(session, stream), stream)
            if kept:
                total += sum(loaded[index].get(stream.id, 0) for index in kept)
                texts += self._load_lines("PHASE_2.1", "bars from", stream, kept, loaded)
        yield LogLines(texts, [session.open_ns] * len(texts))
        yield flow(f"PHASE_2.1: Complete - {total} bars loaded in {elapsed_s:.3f}s")
        figures = sum(len(spec.symbols) for spec in self._plan.historical)
        if figures:
            yield flow(f"PHASE_2.2: Computing {figures} historical indicators")
        pairs = sum(1 for stream in self._plan.served if stream.sessions_read)
        words = f"{score:.1f}% average across {pairs} symbol/interval pairs"
        yield flow(f"PHASE_2.3: Historical quality: {words}")

    def loading(self, kept: range, loaded: Loaded) -> Iterator[Log | LogLines]:
        """Write phase 3: the sessions that are queued."""
        first, last = self._plan.session(kept[0]).date, self._plan.session(kept[-1]).date
        yield flow(f"PHASE_3.2: Prefetch range: {first} to {last} ({len(kept)} sessions)")
        texts: list[str] = []
        streams = [stream for stream in self._plan.base_streams if _read(kept, stream)]
        for stream in streams:
            texts += self._load_lines("PHASE_3.2", "queue:", stream, _read(kept, stream), loaded)
        yield LogLines(texts, [self._plan.session(kept[0]).open_ns] * len(texts))
        total = sum(sum(loaded[index].values()) for index in kept)
        yield flow(f"PHASE_3.2: Complete - Loaded {total} bars across {len(streams)} streams")

    def streaming_starts(self, session: Session) -> Iterator[Log]:
        """Write the hours of a session."""
        regular = session.regular
        hours = self._span(regular[0].open_ns, regular[-1].close_ns)
        if len(regular) < len(session.parts):
            hours += f" (extended {self._span(session.open_ns, session.close_ns)})"
        yield flow(f"PHASE_5.1: Market hours: {hours}", session.open_ns)

    def streaming_ends(self, session: Session, count: SessionCount) -> Iterator[Log]:
        """Write what a session came to."""
        queues = sum(stream.is_read_in(session.index) for stream in self._plan.base_streams)
        yield flow(f"PHASE_5.2: All queues empty ({queues}/{queues})", session.close_ns)
        final = clock_text(count.last_ts or session.open_ns, self._timezone)
        words = f"{count.iterations} iterations, {count.bars} bars, final time = {final}"
        yield flow(f"PHASE_5.SUMMARY: {words}", session.close_ns)

    def trailing(self, session: Session, stream: Stream) -> range:
        """Give the indices of the sessions that are a stream's history before `session`."""
        trailing = stream.trailing(session.index)
        return range(max(trailing.start, -len(self._plan.history)), trailing.stop)

    def _span(self, open_ns: int, close_ns: int) -> str:
        return f"{clock_text(open_ns, self._timezone)} to {clock_text(close_ns, self._timezone)}"

    def _load_lines(
        self, prefix: str, what: str, stream: Stream, kept: Sequence[int], loaded: Loaded
    ) -> tuple[str, str]:
        name = f"{stream.symbol} {stream.interval}"
        first, last = self._plan.session(kept[0]).date, self._plan.session(kept[-1]).date
        count = sum(loaded[index].get(stream.id, 0) for index in kept)
        return (
            f"{TAG}{prefix}: Loading {name} {what} {first} to {last}",
            f"{TAG}{prefix}: Loaded {count} bars for {name}",
        )


def _read(sessions: range, stream: Stream) -> list[int]:
    """Choose the sessions in which a stream is read."""
    return [index for index in sessions if stream.is_read_in(index)]
