"""Write a run's tables as Parquet files that pandas, polars and DuckDB read."""

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from actors.domain.ports import Columns
from actors.runtime.store.arrays import arrow_array
from actors.runtime.store.bar_file import INSTANT, Arrow
from actors.runtime.store.writing import partial_path, replacing

_COMPRESSION: Final = "lz4"


class ParquetTables:
    """Tables below one folder; each appears under its name when it is whole."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made with the first table."""
        self._folder = folder
        self._open: dict[str, Arrow] = {}

    def write(self, path: str, columns: Columns) -> None:
        """Write a whole table to `path`, or nothing.

        Raises OSError where the folder cannot be written.
        """
        with replacing(self._folder / path) as partial:
            table = _table(columns)
            pq.write_table(table, partial, compression=_COMPRESSION, use_dictionary=_repetitive(table.schema))

    def append(self, path: str, columns: Columns) -> None:
        """Add rows to the table at `path` as a row group of its own; the first rows fix names and types.

        Raises OSError where the folder cannot be written.
        """
        table = _table(columns)
        if path not in self._open:
            partial = partial_path(self._folder / path)
            self._open[path] = pq.ParquetWriter(
                partial, table.schema, compression=_COMPRESSION, use_dictionary=_repetitive(table.schema)
            )
        writer = self._open[path]
        if table.num_rows:
            writer.write_table(_matching(table, writer.schema), table.num_rows)

    def close(self) -> None:
        """Finish the tables that were appended to and give them their names."""
        while self._open:
            path, writer = self._open.popitem()
            writer.close()
            target = self._folder / path
            partial_path(target).replace(target)


def _table(columns: Columns) -> Arrow:
    arrays = [arrow_array(name, values) for name, values in columns.items()]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _repetitive(schema: Arrow) -> list[str]:
    """Name the columns that a dictionary makes smaller; floats and instants it only slows, by a quarter."""
    return [field.name for field in schema if not (pa.types.is_floating(field.type) or field.type == INSTANT)]


def _matching(table: Arrow, schema: Arrow) -> Arrow:
    """Give a table the schema of what it is appended to; casting imports pyarrow.compute, 60 ms."""
    chosen = table.select(schema.names)
    return chosen if chosen.schema.equals(schema) else chosen.cast(schema)
