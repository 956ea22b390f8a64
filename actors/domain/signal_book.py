"""The signals of one attached strategy: counted, hashed as the run hashes its own, written to a table."""

from typing import Final

from actors.domain.digest import SignalsDigest
from actors.domain.ports import TableSink
from actors.domain.recording import Labels, signal_columns
from actors.domain.session_plan import SessionPlan
from protocol.messages import Signal

TABLE: Final = "signals.parquet"
TABLE_ROWS: Final = 100_000
"""Rows that are kept in memory."""


class SignalBook:
    """What a strategy has signalled so far."""

    def __init__(
        self, plan: SessionPlan, actor: str, tables: TableSink, table_rows: int = TABLE_ROWS
    ) -> None:
        """Begin without signals; write them in parts of about `table_rows`."""
        self._labels = Labels(plan)
        self._actor = actor
        self._tables = tables
        self._table_rows = table_rows
        self._digest = SignalsDigest()
        self._rows: list[tuple[int, str, Signal]] = []
        self.count = 0

    @property
    def digest(self) -> str:
        """That of `signals.digests` in a run's summary."""
        return self._digest.of(self._actor)

    def add(self, session: int, signals: tuple[Signal, ...]) -> None:
        """Take the next signals, of a session."""
        self._digest.update(self._actor, signals)
        self._rows += [(session, self._actor, signal) for signal in signals]
        self.count += len(signals)
        if len(self._rows) >= self._table_rows:
            self._write()

    def finish(self) -> None:
        """Write what is left, and give the table its name; a table without rows too."""
        self._write()
        self._tables.close()

    def _write(self) -> None:
        self._tables.append(TABLE, signal_columns(self._labels, self._rows))
        self._rows = []
