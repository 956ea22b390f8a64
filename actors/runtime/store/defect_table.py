"""Read the tables of defects that a run has written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from actors.runtime.store.bar_file import Arrow

_KIND: Final = "kind"


class RecordedDefect(NamedTuple):
    """A row of such a table, in part."""

    session: str
    """The session's date."""
    symbol: str
    detail: str


def recorded_defects(path: Path, kind: str) -> list[RecordedDefect]:
    """Give the defects of one kind, in the order of the table; none where there is no table.

    Raises OSError where the table cannot be read.
    """
    if not path.exists():
        return []
    try:
        file = pq.ParquetFile(path)
        groups = range(file.num_row_groups)
        return [defect for group in groups for defect in _of_kind(file, group, kind)]
    except pa.ArrowInvalid as error:
        raise OSError(f"{path}: {error}") from error


def _of_kind(file: Arrow, group: int, kind: str) -> Iterator[RecordedDefect]:
    kinds = file.read_row_group(group, [_KIND])[_KIND].to_pylist()
    if kind not in kinds:
        return
    table = file.read_row_group(group, list(RecordedDefect._fields))
    columns = (table[name].to_pylist() for name in RecordedDefect._fields)
    for found, *row in zip(kinds, *columns, strict=True):
        if found == kind:
            yield RecordedDefect(*row)
