"""The loader: reads stored sessions in order, as far ahead as it is told, and screens them."""

from collections.abc import Callable, Iterator
from typing import Final

from actors.domain.adjustments import UNADJUSTED, price_scales
from actors.domain.errors import DataError
from actors.domain.gap_filling import GapFiller
from actors.domain.ports import BarSource
from actors.domain.roles import Effect, Log, Send
from actors.domain.screening import Screened
from actors.domain.session_plan import Session, SessionPlan, Stream
from actors.domain.stream_reading import SessionRows, StreamReader
from protocol import topics
from protocol.blocks import Bars, bar_block, join_bars
from protocol.messages import (
    Defect,
    LoadFailed,
    LoadReport,
    LoadSessions,
    Message,
    SessionBars,
    StreamLoad,
)

ROWS_PER_MESSAGE: Final = 100_000
"""Keeps a message far below the size limit: 68 bytes a row."""


class Loader:
    """Turns requests for sessions into screened bars."""

    def __init__(self, name: str, plan: SessionPlan, source: BarSource, clock_ns: Callable[[], int]) -> None:
        """Read from `source`; `clock_ns` times the reading and decides nothing."""
        self.name = name
        self.windows = 0
        self.bars = 0
        self._plan = plan
        jump_ratio = plan.rules.jump_ratio
        scales = price_scales(plan.adjustments)
        self._readers = {
            stream.id: StreamReader(source, stream, jump_ratio, scales.get(stream.symbol, UNADJUSTED))
            for stream in plan.base_streams
        }
        self._fillers = {
            stream.id: GapFiller(source, stream, scales.get(stream.symbol, UNADJUSTED))
            for stream in plan.base_streams
            if stream.filled_from
        }
        self._clock_ns = clock_ns

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Only what is addressed to it."""
        return ()

    def on_message(self, message: Message) -> Iterator[Effect]:
        """Read the sessions that were asked for."""
        if isinstance(message, LoadSessions):
            for index in range(message.since, message.until + 1):
                yield from self._load(self._plan.session(index))

    def _load(self, session: Session) -> Iterator[Effect]:
        started = self._clock_ns()
        topic = topics.ingest(self.name)
        loads: list[StreamLoad] = []
        try:
            for message, counts in self._batches(session):
                loads += counts
                yield Send(topic, message)
        except DataError as error:
            yield Send(topic, LoadFailed(session.index, str(error)))
            raise
        elapsed_ns = self._clock_ns() - started
        yield Send(topic, LoadReport(session.index, tuple(loads), elapsed_ns))
        rows, bars = sum(load.rows for load in loads), sum(load.delivered for load in loads)
        text = f"Session {session.date}: {rows} rows read, {bars} bars delivered in {elapsed_ns / 1e6:.1f} ms"
        yield Log("INFO", text, session.open_ns)

    def _batches(self, session: Session) -> Iterator[tuple[SessionBars, list[StreamLoad]]]:
        batch = _Batch()
        before = self._plan.session_before(session.index)
        for stream in self._plan.base_streams:
            if stream.is_read_in(session.index):
                rows, screened = self._read(stream, session, before)
                self.bars += len(screened.bars)
                batch.add(stream, rows, screened)
                if batch.rows >= ROWS_PER_MESSAGE:
                    yield batch.message(session.index), batch.loads
                    batch = _Batch()
        yield batch.message(session.index), batch.loads

    def _read(self, stream: Stream, session: Session, before: Session | None) -> SessionRows:
        found = self._readers[stream.id].read(session, before)
        filler = self._fillers.get(stream.id)
        if filler is None:
            return found
        bars = filler.fill(session, found.screened.bars)
        return found._replace(screened=found.screened._replace(bars=bars))


class _Batch:
    """Streams that go out in one message."""

    def __init__(self) -> None:
        self.rows = 0
        self.loads: list[StreamLoad] = []
        self._blocks: list[Bars] = []
        self._defects: list[Defect] = []

    def add(self, stream: Stream, stored: int, screened: Screened) -> None:
        self.rows += len(screened.bars)
        self.loads.append(StreamLoad(stream.id, stored, len(screened.bars)))
        self._blocks.append(screened.bars)
        self._defects += screened.defects

    def message(self, session: int) -> SessionBars:
        return SessionBars(session, bar_block(join_bars(self._blocks)), tuple(self._defects))
