"""Turn finished sessions of the journal into tables."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from actors.domain.bar_shelves import Batch, Table
from actors.domain.ports import SegmentReader, TableSink
from actors.domain.recording import Recording
from actors.domain.roles import Effect, Log, Send
from actors.domain.session_plan import SessionPlan
from protocol import topics
from protocol.messages import Leave, Message, RunEnd, SealedWindow, SessionReport, Signals, StreamClosed


class Limits(NamedTuple):
    """How much is kept in memory. Nothing here changes what the tables hold."""

    shelved_bars: int = 500_000
    """Bars before files of them are written: 34 MB."""
    shelf_bars: int = 10_000
    """Bars of one stream before a file of them is written: 0.7 MB, and five times that on the way to it."""
    loose_bars: int = 50_000
    """Bars after which even an unfinished session is put on the shelves."""
    table_rows: int = 20_000
    """Rows of the other tables before they are appended."""


DEFAULT_LIMITS: Final = Limits()


class Recorder:
    """Read every session's segment once it is reported, and write its rows in large parts.

    The last one, in which strategies may still signal when they are stopped, is read at the run's end, and so
    is one whose report never came because the run was interrupted: its bars while strategies are being
    stopped, what they signal then once all have left.
    """

    def __init__(
        self,
        name: str,
        plan: SessionPlan,
        journal: SegmentReader,
        tables: TableSink,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Have recorded nothing."""
        self.name = name
        self.windows = 0
        self.bars = 0
        self._plan = plan
        self._journal = journal
        self._tables = tables
        self._limits = limits
        self._next_segment = 0
        self._read: dict[int, int] = {}
        """How many messages were read of a segment that may still get signals."""
        self._recording = Recording(plan)
        self._begun: set[str] = set()

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Only what says that a session, or the run, is over."""
        return (topics.SESSION, topics.CONTROL)

    def on_message(self, message: Message) -> Iterator[Effect]:
        """Record what has become complete."""
        match message:
            case SessionReport():
                yield from self._record_until(min(message.session + 1, len(self._plan.sessions) - 1))
            case RunEnd():
                yield from self._record_open()
                self._write(self._recording.shelves.take_all())
            case StreamClosed():
                yield from self._record_open()
                self._finish()
                yield Send(topics.report(self.name), self._leave())
            case _:
                pass

    def _record_until(self, segment: int) -> Iterator[Effect]:
        for index in range(self._next_segment, segment):
            yield from self._record(index)
            del self._read[index]
            self._recording.close_session()
        self._next_segment = max(self._next_segment, segment)

    def _record_open(self) -> Iterator[Effect]:
        """Read what has come into the segments that may still get signals."""
        for index in range(self._next_segment, len(self._plan.sessions)):
            yield from self._record(index)

    def _record(self, segment: int) -> Iterator[Effect]:
        windows, bars, read = self.windows, self.bars, self._read.get(segment, 0)
        for message in self._journal.messages(segment, read):
            read += 1
            self._add(segment, message)
        self._read[segment] = read
        if self.windows > windows:
            self._settle(segment)
            counts = f"{self.windows - windows} windows, {self.bars - bars} bars"
            yield Log("INFO", f"{self._plan.sessions[segment].date}: recorded {counts}")

    def _add(self, segment: int, message: Message) -> None:
        match message:
            case SealedWindow():
                self.windows += 1
                self.bars += message.block.n
                self._recording.add_window(message)
            case Signals():
                self._recording.add_signals(segment, message)
        if self._recording.loose_bars >= self._limits.loose_bars:
            self._settle(segment)

    def _settle(self, segment: int) -> None:
        self._make_room()
        self._recording.settle(segment)
        if self._recording.rows >= self._limits.table_rows:
            self._append(self._recording.take_tables())

    def _make_room(self) -> None:
        """Write some of the bars that are kept where those to come would be too many with them."""
        shelves = self._recording.shelves
        rows = shelves.rows + self._recording.loose_bars
        if rows > self._limits.shelved_bars or shelves.longest >= self._limits.shelf_bars:
            self._write(shelves.take_full())

    def _write(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self._tables.write(batch.columns, batch.shares)

    def _append(self, tables: Iterable[Table]) -> None:
        for table in tables:
            if table.rows or table.path not in self._begun:
                self._tables.append(table.path, table.columns)
                self._begun.add(table.path)

    def _finish(self) -> None:
        self._recording.close_session()
        self._write(self._recording.shelves.take_all())
        self._append(self._recording.take_tables())
        self._tables.close()

    def _leave(self) -> Leave:
        return Leave(actor=self.name, windows=self.windows, bars=self.bars, signals=())
