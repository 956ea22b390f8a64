"""Parquet on disk: the catalog that bars come from and the tables of a run. Nothing else imports pyarrow."""

from actors.runtime.store.catalog import Catalog
from actors.runtime.store.copies import alter_streams, copy_streams
from actors.runtime.store.defect_table import RecordedDefect, recorded_defects
from actors.runtime.store.fingerprints import Fingerprint, bar_prints, file_print
from actors.runtime.store.holdings import StreamHolding, stored_holdings
from actors.runtime.store.run_tables import read_stream, read_table, table_names
from actors.runtime.store.tables import ParquetTables
from actors.runtime.store.writing import remove_partials, write_bars

__all__ = [
    "Catalog",
    "Fingerprint",
    "ParquetTables",
    "RecordedDefect",
    "StreamHolding",
    "alter_streams",
    "bar_prints",
    "copy_streams",
    "file_print",
    "read_stream",
    "read_table",
    "recorded_defects",
    "remove_partials",
    "stored_holdings",
    "table_names",
    "write_bars",
]
