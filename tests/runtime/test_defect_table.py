"""Defects are read back from the tables that a run has written."""

from pathlib import Path

import numpy as np
import pytest

from actors.runtime.store import ParquetTables, RecordedDefect, recorded_defects


def write(folder: Path, *parts: list[tuple[str, str, str, str]]) -> Path:
    tables = ParquetTables(folder)
    names = ("session", "symbol", "kind", "detail")
    for rows in parts:
        columns = [np.array(column, dtype=np.object_) for column in zip(*rows, strict=True)]
        empty = [np.array([], dtype=np.str_)] * len(names)
        tables.append("defects.parquet", dict(zip(names, columns or empty, strict=True)))
    tables.close()
    return folder / "defects.parquet"


def test_the_defects_of_a_kind_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        [("2025-07-01", "AAPL", "jump", "first"), ("2025-07-01", "RIVN", "off_grid", "other")],
        [("2025-07-02", "RIVN", "off_grid", "other")],
        [("2025-07-03", "RIVN", "jump", "second")],
    )
    assert recorded_defects(path, "jump") == [
        RecordedDefect("2025-07-01", "AAPL", "first"),
        RecordedDefect("2025-07-03", "RIVN", "second"),
    ]


def test_a_table_without_rows_and_one_that_is_not_there_have_no_defects(tmp_path: Path) -> None:
    assert recorded_defects(write(tmp_path, []), "jump") == []
    assert recorded_defects(tmp_path / "history_defects.parquet", "jump") == []


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "defects.parquet").write_bytes(b"PAR1")
    with pytest.raises(OSError, match=r"defects\.parquet"):
        recorded_defects(tmp_path / "defects.parquet", "jump")
