"""What a role may ask of the outside world; `actors.runtime` has the real ones, tests have their own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from actors.domain.screening import StoredRows
from protocol.messages import Message


class BarSource(Protocol):
    """Where stored bars come from."""

    def read(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> StoredRows:
        """Read the rows with `start_ns <= open_ts < end_ns`, in file order.

        Raises DataError where storage is missing, unreadable or of the wrong shape.
        """
        ...

    def open_stamps(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> npt.NDArray[np.int64]:
        """Read only the open stamps of the same rows. Empty where the catalog has nothing of the stream.

        Raises DataError where storage is unreadable or of the wrong shape.
        """
        ...

    def stored_intervals(self, symbol: str) -> tuple[str, ...]:
        """List the intervals that the catalog holds for a symbol, shortest first; empty where none."""
        ...

    def symbols(self) -> tuple[str, ...]:
        """List all symbols in the catalog, sorted."""
        ...


@dataclass(frozen=True)
class Sparse:
    """A column of numbers that are not all there: NaN, which a table holds as null."""

    numbers: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[float | None]:
        return (None if isnan(number) else number for number in self.numbers.tolist())


Columns = Mapping[str, Sequence[Any] | npt.NDArray[Any] | Sparse]
"""A table: columns of equal length. Those whose name ends in `_ts` are instants, int64 ns UTC."""


class Share(NamedTuple):
    """How many rows of a table, from where the last share ended, go to this path."""

    path: str
    rows: int


class TableSink(Protocol):
    """Where finished tables go: Parquet files below a run's tables folder."""

    def write(self, columns: Columns, shares: Sequence[Share]) -> None:
        """Write every share of the rows to its path, each whole or not at all."""
        ...

    def append(self, path: str, columns: Columns) -> None:
        """Add rows to the table at `path`; readers see it after `close`."""
        ...

    def close(self) -> None:
        """Finish the tables that were appended to."""
        ...


class SegmentReader(Protocol):
    """Where the journal's messages are read back."""

    def messages(self, segment: int, start: int = 0) -> Iterator[Message]:
        """Read the messages of a session's segment in the order in which they were published, from one on.

        History windows lie in segment 0; a segment that does not exist has no messages. Raises JournalCorrupt
        for damage that a torn write cannot explain.
        """
        ...
