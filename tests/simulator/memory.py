"""What outlives a process in the simulator: the bytes of the journal, and tables."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from actors.domain.journal_cut import Repair, repair
from actors.domain.ports import Columns, Share, Sparse
from protocol.codec import Envelope, decode
from protocol.errors import JournalCorrupt
from protocol.journal import HEADER, Source, encode_header, encode_record, read_header, read_records
from protocol.messages import Message
from tests.shares import tables_of

Column = Sequence[Any] | npt.NDArray[Any] | Sparse
Rows = dict[str, list[object]]


class Disk:
    """A journal as bytes, written, read, repaired and torn like files."""

    def __init__(self, run: int) -> None:
        self.segments: dict[int, bytearray] = {}
        self.last_frame = b""
        self._run = run
        self._open = 0
        self._last_record = 0

    def start_segment(self, index: int) -> None:
        if index in self.segments:
            raise JournalCorrupt(str(index), 0, "it is there already")
        self._open = index
        self.segments[index] = bytearray(encode_header(self._run))
        self._last_record = 0

    def append(self, frame: bytes) -> None:
        segment = self.segments[self._open]
        self._last_record = len(segment)
        segment += encode_record(frame) + frame
        self.last_frame = frame

    def tear(self, share: float) -> int:
        """Leave only a share of the last record, or segment header, and give how many bytes have gone."""
        if not self.segments:
            return 0
        segment = self.segments[max(self.segments)]
        before = len(segment)
        start = min(self._last_record, before)
        del segment[start + int(share * (before - start)) :]
        return before - len(segment)

    def repair(self) -> Repair:
        """Cut back what cannot stay, and go on at the end of what is left."""
        found = repair(self)
        if found.segment is not None:
            self._open = found.segment
            self._last_record = len(self.segments[found.segment])
        return found

    def envelopes(self) -> Iterator[Envelope]:
        for index in self.indices():
            yield from self._envelopes(index)

    def messages(self, segment: int, start: int = 0) -> Iterator[Message]:
        for envelope in islice(self._envelopes(segment), start, None):
            yield envelope.message

    def indices(self) -> list[int]:
        return sorted(self.segments)

    def name(self, segment: int) -> str:
        return f"segment {segment}"

    def size(self, segment: int) -> int:
        return len(self.segments[segment])

    def opened(self, segment: int) -> AbstractContextManager[Source]:
        return nullcontext(BytesIO(self.segments[segment]))

    def cut(self, segment: int, size: int) -> None:
        del self.segments[segment][size:]

    def remove(self, segment: int) -> None:
        del self.segments[segment]

    def _envelopes(self, segment: int) -> Iterator[Envelope]:
        data = bytes(self.segments.get(segment, b""))
        if len(data) < HEADER.size:
            return
        run, end = read_header(data, self.name(segment)), HEADER.size
        for record in read_records(BytesIO(data[HEADER.size :]), self.name(segment)):
            end = record.end
            yield decode(record.frame, run=run)
        if segment + 1 in self.segments and end != len(data):
            raise JournalCorrupt(self.name(segment), end, "it is torn, and yet a later segment follows")


class Shelf:
    """Where every process puts its tables: only what was finished is seen."""

    def __init__(self) -> None:
        self.tables: dict[str, Rows] = {}


class Sink:
    """The tables of one process."""

    def __init__(self, shelf: Shelf, owner: str) -> None:
        self._shelf, self._owner = shelf, owner
        self._growing: dict[str, Rows] = {}

    def write(self, columns: Columns, shares: Sequence[Share]) -> None:
        for table in tables_of(columns, shares):
            self._shelf.tables[f"{self._owner}/{table.path}"] = _rows(table.columns)

    def append(self, path: str, columns: Columns) -> None:
        rows = self._growing.setdefault(path, {})
        for name, values in _rows(columns).items():
            rows.setdefault(name, []).extend(values)

    def close(self) -> None:
        for path, rows in self._growing.items():
            self._shelf.tables[f"{self._owner}/{path}"] = rows


def _rows(columns: Columns) -> Rows:
    """Make plain lists, in which NaN equals itself."""
    return {name: [_plain(value) for value in _values(column)] for name, column in columns.items()}


def by_actor(rows: Rows) -> Rows:
    """Put the rows of several engines one engine after the other; between engines no order is promised."""
    actors = rows.get("actor", [])
    order = sorted(range(len(actors)), key=lambda row: str(actors[row]))
    return {name: [values[row] for row in order] for name, values in rows.items()} if actors else rows


def _values(column: Column) -> list[object]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _plain(value: object) -> object:
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124  (NaN)
