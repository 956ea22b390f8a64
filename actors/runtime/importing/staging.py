"""Hold rows until a whole import has been read, in memory as far as they fit and else in a nameless file."""

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from actors.domain.screening import VALUES

ROW: Final = np.dtype([("open_ts", "<i8"), ("close_ts", "<i8"), *((name, "<f8") for name in VALUES)])
Rows = npt.NDArray[np.void]
"""Rows of the dtype `ROW`, shape (n,)."""
MEMORY_BYTES: Final = 16 * 2**20


class Shelf(NamedTuple):
    """Rows that will go into one file of the catalog."""

    file: int
    """Which of the imported files they are from."""
    symbol: str
    interval: str
    year: int


class _Piece(NamedTuple):
    """A stretch of the nameless file."""

    offset: int
    rows: int


class Staging:
    """Rows by shelf, each in the order in which they came."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        """Keep up to so much in memory."""
        self._memory_bytes = memory_bytes
        self._held: dict[Shelf, list[Rows]] = {}
        self._held_bytes = 0
        self._spilled: dict[Shelf, list[_Piece]] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything."""
        self._file.close()

    def add(self, file: int, symbol: str, interval: str, rows: Rows) -> None:
        """Keep rows of a stream, whatever their years."""
        years = rows["open_ts"].view("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970
        for year in np.unique(years).tolist():
            self._hold(Shelf(file, symbol, interval, year), rows[years == year])
        if self._held_bytes > self._memory_bytes:
            self._spill()

    def shelves(self) -> tuple[Shelf, ...]:
        """List what is kept, by file, stream and year."""
        return tuple(sorted({*self._held, *self._spilled}))

    def rows(self, shelf: Shelf) -> Rows:
        """Give the rows of a shelf."""
        return np.concatenate([*self._read_back(shelf), *self._held.get(shelf, ())])

    def _hold(self, shelf: Shelf, rows: Rows) -> None:
        self._held.setdefault(shelf, []).append(rows)
        self._held_bytes += rows.nbytes

    def _spill(self) -> None:
        for shelf, pieces in self._held.items():
            rows = np.concatenate(pieces)
            self._spilled.setdefault(shelf, []).append(_Piece(self._file.tell(), len(rows)))
            self._file.write(rows.tobytes())
        self._held, self._held_bytes = {}, 0

    def _read_back(self, shelf: Shelf) -> Iterator[npt.NDArray[Any]]:
        for piece in self._spilled.get(shelf, ()):
            self._file.seek(piece.offset)
            yield np.frombuffer(self._file.read(piece.rows * ROW.itemsize), dtype=ROW)
        self._file.seek(0, 2)
