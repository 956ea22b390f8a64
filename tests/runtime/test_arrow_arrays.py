"""Numpy columns as Arrow arrays, against what pyarrow itself makes of them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.ports import Share, Sparse
from actors.runtime.store import ParquetTables
from actors.runtime.store.arrays import arrow_array

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8))
EXAMPLES = settings(max_examples=60, deadline=None)


@EXAMPLES
@given(values=TEXTS, kind=st.sampled_from([np.object_, np.str_]))
def test_texts_come_back_as_they_were(values: list[str], kind: type) -> None:
    array = arrow_array("reason", np.array(values, dtype=kind))
    array.validate(full=True)
    assert array.type == pa.string()
    assert array.to_pylist() == values


@EXAMPLES
@given(values=st.lists(st.booleans(), max_size=20))
def test_flags_come_back_as_they_were(values: list[bool]) -> None:
    array = arrow_array("partial", np.array(values, dtype=np.bool_))
    assert array.to_pylist() == values


@EXAMPLES
@given(values=st.lists(st.integers(-(2**31), 2**31 - 1)), kind=st.sampled_from(["<i4", "<i8", "<f8"]))
def test_numbers_keep_their_type_even_from_a_strided_column(values: list[int], kind: str) -> None:
    rows = np.zeros(len(values), dtype=[("other", "u1"), ("value", kind)])
    rows["value"] = values
    array = arrow_array("value", rows["value"])
    assert array.equals(pa.array(np.array(values, dtype=kind)))


@EXAMPLES
@given(values=st.lists(st.none() | st.floats(allow_nan=False), max_size=20))
def test_numbers_that_are_not_there_are_null(values: list[float | None]) -> None:
    array = arrow_array("sma_20_5m", Sparse(np.array(values, dtype=np.float64)))
    array.validate(full=True)
    assert array.equals(pa.array(values, type=pa.float64()))


@EXAMPLES
@given(values=st.lists(st.integers(-(2**63) + 1, 2**63 - 1)))
def test_instants_are_utc_nanoseconds(values: list[int]) -> None:
    array = arrow_array("event_ts", np.array(values, dtype=np.int64))
    assert array.type == pa.timestamp("ns", tz="UTC")
    assert array.cast(pa.int64()).to_pylist() == values


@pytest.mark.parametrize("kind", ["<i4", "<i8", "<f8", "?", "O", "<U1"])
def test_a_column_without_rows_keeps_its_type(kind: str, tmp_path: Path) -> None:
    tables = ParquetTables(tmp_path)
    column = np.ones(1, dtype=kind) if kind not in ("O", "<U1") else np.array(["a"], dtype=kind)
    tables.write({"event_ts": np.zeros(1, dtype=np.int64), "value": column}, [Share("full.parquet", 1)])
    tables.append("empty.parquet", {"event_ts": np.zeros(0, dtype=np.int64), "value": column[:0]})
    tables.close()
    schemas = [pq.read_schema(tmp_path / name) for name in ("full.parquet", "empty.parquet")]
    assert schemas[0].equals(schemas[1])


def test_writing_a_table_does_not_import_pandas(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from actors.runtime.store import ParquetTables\n"
        "tables = ParquetTables(Path(sys.argv[1]))\n"
        "columns = {'event_ts': np.arange(3), 'symbol': np.array(['a'] * 3), 'score': np.ones(3)}\n"
        "tables.write(columns, [('whole.parquet', 3)])\n"
        "tables.append('parts.parquet', columns); tables.close()\n"
        "sys.exit('pandas' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == 0
