"""Rows of several tables, taken apart as a sink of real files takes them apart."""

from collections.abc import Iterable, Iterator

from actors.domain.bar_shelves import Batch, Table
from actors.domain.ports import Columns, Share, Sparse


def tables_of(columns: Columns, shares: Iterable[Share]) -> Iterator[Table]:
    """Give every share as a table of its own."""
    start = 0
    for path, rows in shares:
        stop = start + rows
        yield Table(path, {name: _some(column, start, stop) for name, column in columns.items()})
        start = stop


def all_tables(batches: Iterable[Batch]) -> list[Table]:
    """Give the tables of all batches."""
    return [table for batch in batches for table in tables_of(batch.columns, batch.shares)]


def _some(column: object, start: int, stop: int) -> object:
    return Sparse(column.numbers[start:stop]) if isinstance(column, Sparse) else column[start:stop]
