"""One Parquet file of bars: checked when it is opened, read a row group at a time."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from actors.domain.errors import DataError
from actors.runtime.store.layout import STAMPS, VALUES

INSTANT: Final = pa.timestamp("ns", tz="UTC")
BAR_SCHEMA: Final = pa.schema(
    [(name, INSTANT) for name in STAMPS] + [(name, pa.float64()) for name in VALUES],
)
T = TypeVar("T")
Number = TypeVar("Number", np.int64, np.float64)
Arrow = Any
"""An object of pyarrow, which has no types."""
_MAGIC: Final = b"PAR1"
_ARROW_KEY: Final = b"ARROW:schema"
_ANY_STAMP: Final = np.iinfo(np.int64)


class RowGroup(NamedTuple):
    """A row group's place in its file, and the open stamps it holds at most."""

    number: int
    first_row: int
    lowest_ns: int
    highest_ns: int


class DecodedRows(NamedTuple):
    """Some columns of one row group, in file order."""

    first_row: int
    open_ts: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[np.float64]]
    ascending: bool
    """Whether a range of open stamps is a slice."""

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return sum(column.nbytes for column in (self.open_ts, *self.columns.values()))

    def between(self, start_ns: int, end_ns: int) -> slice | npt.NDArray[np.intp]:
        """Find the rows with `start_ns <= open_ts < end_ns`."""
        if self.ascending:
            return slice(*np.searchsorted(self.open_ts, (start_ns, end_ns)).tolist())
        return np.flatnonzero((self.open_ts >= start_ns) & (self.open_ts < end_ns))


class BarFile:
    """A part file of the catalog with its metadata parsed; it is not kept open."""

    def __init__(self, path: Path, name: str) -> None:
        """Parse and check the metadata; `name` is what errors and defects call the file.

        Raises DataError where it is no Parquet file of bars.
        """
        self.name = name
        self._path = path
        self._state = self._stat()
        self._metadata = self._guard(lambda: pq.read_metadata(path))
        _check_columns(name, self._metadata.schema.to_arrow_schema())
        self._groups = tuple(_row_groups(self._metadata))

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return int(self._metadata.num_rows)

    @property
    def size_bytes(self) -> int:
        """Its size on disk."""
        return self._state[0]

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """The lowest and the highest open stamp; None where the footer does not say, or there is no row."""
        if not self.rows or any(group.lowest_ns == _ANY_STAMP.min for group in self._groups):
            return None
        return min(group.lowest_ns for group in self._groups), max(g.highest_ns for g in self._groups)

    @property
    def notes(self) -> dict[str, str]:
        """What was written beside the rows: `source`, `label`, `calendar` and the like."""
        found = self._metadata.schema.to_arrow_schema().metadata or {}
        return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in found.items()}

    def groups_between(self, start_ns: int, end_ns: int) -> tuple[RowGroup, ...]:
        """List the row groups that may hold rows with `start_ns <= open_ts < end_ns`."""
        return tuple(
            group for group in self._groups if group.lowest_ns < end_ns and group.highest_ns >= start_ns
        )

    def decode(self, group: RowGroup, columns: tuple[str, ...]) -> DecodedRows:
        """Read the open stamps and these columns of a row group.

        Raises DataError where the file is damaged, lacks values, or was changed since it was opened.
        """
        if self._stat() != self._state:
            raise DataError(f"{self.name}: changed while it was in use; start the run again")
        table = self._guard(lambda: self._table(group, columns))
        _check_values(self.name, group, table)
        open_ts = _column(table["open_ts"], np.int64)
        return DecodedRows(
            first_row=group.first_row,
            open_ts=open_ts,
            columns={name: _column(table[name], np.float64) for name in columns},
            ascending=bool((open_ts[1:] >= open_ts[:-1]).all()),
        )

    def facts(self) -> dict[str, str]:
        """Give what the file says about itself, less what Arrow adds."""
        found = self._metadata.metadata or {}
        return {key.decode(): value.decode() for key, value in found.items() if key != _ARROW_KEY}

    def all_rows(self) -> dict[str, npt.NDArray[Any]]:
        """Read all rows, in file order: stamps int64 ns UTC, values float64, shape (n,).

        Raises DataError where the file is damaged or lacks values.
        """
        table = self._guard(self._whole)
        _check_values(self.name, RowGroup(0, 0, 0, 0), table)
        return {
            name: _column(table[name], np.int64 if name in STAMPS else np.float64)
            for name in BAR_SCHEMA.names
        }

    def _table(self, group: RowGroup, columns: tuple[str, ...]) -> Arrow:
        with pq.ParquetFile(self._path, metadata=self._metadata) as file:
            return file.read_row_group(group.number, columns=["open_ts", *columns], use_threads=False)

    def _whole(self) -> Arrow:
        with pq.ParquetFile(self._path, metadata=self._metadata) as file:
            return file.read(columns=BAR_SCHEMA.names, use_threads=False)

    def _stat(self) -> tuple[int, int]:
        status = self._guard(self._path.stat)
        return status.st_size, status.st_mtime_ns

    def _guard(self, work: Callable[[], T]) -> T:
        """Do something with the file; say what to do about it where it cannot be read."""
        try:
            return work()
        except PermissionError as error:
            raise DataError(f"{self.name}: may not be read; give this user the right to read it") from error
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name}: {_damage(self._path)}; write it again or remove it") from error


def _damage(path: Path) -> str:
    """Say what is wrong with a file that Parquet cannot read."""
    try:
        with path.open("rb") as file:
            begins_well = file.read(len(_MAGIC)) == _MAGIC
            file.seek(-min(len(_MAGIC), path.stat().st_size), os.SEEK_END)
            ends_well = file.read() == _MAGIC
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not begins_well:
        return "is not a Parquet file"
    return "is damaged inside" if ends_well else "is a Parquet file cut short (truncated)"


def joined(arrays: Sequence[npt.NDArray[Number]], kind: type[Number]) -> npt.NDArray[Number]:
    """Concatenate; a single array is given as it is, a view where it was one."""
    return arrays[0] if len(arrays) == 1 else np.concatenate([np.empty(0, dtype=kind), *arrays])


def _column(column: Arrow, kind: type[Number]) -> npt.NDArray[Number]:
    """View a column without missing values; pyarrow's own `to_numpy` imports pandas where it is installed."""
    width = np.dtype(kind).itemsize
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    views = [np.frombuffer(c.buffers()[1], kind, count=len(c), offset=c.offset * width) for c in chunks]
    return joined(views, kind)


def _check_columns(name: str, found: Arrow) -> None:
    if found.equals(BAR_SCHEMA):
        return
    for field in BAR_SCHEMA:
        if field.name not in found.names:
            wanted = ", ".join(BAR_SCHEMA.names)
            raise DataError(f"{name}: has no column '{field.name}'; write it again with all of {wanted}")
        if found.field(field.name).type != field.type:
            raise DataError(
                f"{name}: column '{field.name}' is {found.field(field.name).type}, expected {field.type}; "
                "convert it and write the file again"
            )


def _check_values(name: str, group: RowGroup, table: Arrow) -> None:
    for column, values in zip(table.column_names, table.columns, strict=True):
        if values.null_count:
            row = group.first_row + values.is_null().index(True).as_py()
            raise DataError(f"{name}: column '{column}' has no value in row {row}; fill or remove the row")


def _row_groups(metadata: Arrow) -> Iterator[RowGroup]:
    stamps = metadata.schema.names.index("open_ts")
    first_row = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        lowest, highest = _range(group.column(stamps).statistics)
        yield RowGroup(index, first_row, lowest, highest)
        first_row += group.num_rows


def _range(statistics: Arrow) -> tuple[int, int]:
    """Give the lowest and the highest stamp; anything is possible where the file does not say."""
    if statistics is None or not statistics.has_min_max:
        return int(_ANY_STAMP.min), int(_ANY_STAMP.max)
    return statistics.min_raw, statistics.max_raw
