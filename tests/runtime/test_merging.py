"""Merging gives what a reader of all rows would take, whatever stood there before."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.errors import DataError
from actors.domain.screening import VALUES
from actors.runtime.store import Catalog, write_bars
from actors.runtime.store.merging import IMPORTS, MAX_CONFLICTS, Conflict, Merged, merge_year, stored_facts

MINUTE = 60 * 10**9
START = int(datetime(2025, 6, 2, 13, 30, tzinfo=UTC).timestamp()) * 10**9
STREAM = ("A/B", "1m")
RECORD = {"source": "a.csv", "label": "open", "timezone": "UTC", "adjustment": "none", "rows": 1}
Bars = dict[int, float]
"""Volume by minute."""


def columns(bars: list[tuple[int, float]]) -> dict[str, Any]:
    opens = START + np.array([minute for minute, _ in bars], dtype=np.int64) * MINUTE
    prices = dict.fromkeys(("open", "high", "low", "close"), np.full(len(bars), 5.0))
    volume = np.array([volume for _, volume in bars], dtype=np.float64)
    return {"open_ts": opens, "close_ts": opens + MINUTE, **prices, "volume": volume}


def merge(catalog: Path, bars: Bars, **record: object) -> Merged:
    return merge_year(catalog, STREAM, 2025, columns(sorted(bars.items())), RECORD | record)


def read(catalog: Path) -> list[tuple[int, float]]:
    rows = Catalog(catalog).read(*STREAM, -(2**63), 2**63 - 1)
    minutes = ((rows.open_ts - START) // MINUTE).tolist()
    return list(zip(minutes, rows.columns["volume"].tolist(), strict=True))


def part(catalog: Path, number: int) -> Path:
    return catalog / "bars" / "interval=1m" / "symbol=A%2FB" / "year=2025" / f"part-{number}.parquet"


bars = st.dictionaries(st.integers(0, 12), st.sampled_from([1.0, 2.0]), max_size=8)


@settings(max_examples=30)
@given(st.lists(bars, min_size=1, max_size=4))
def test_after_any_merges_the_last_row_of_each_stamp_stands_there_once(
    tmp_path_factory: pytest.TempPathFactory, imports: list[Bars]
) -> None:
    catalog = tmp_path_factory.mktemp("catalog")
    merge(catalog, {0: 9.0})
    model: Bars = {0: 9.0}
    for incoming in imports:
        merged = merge(catalog, incoming)
        known = sum(model.get(minute) == volume for minute, volume in incoming.items())
        added = len(incoming.keys() - model.keys())
        assert (merged.added, merged.known, merged.changed) == (added, known, len(incoming) - known - added)
        assert [conflict.stored for conflict in merged.conflicts] == [
            model[minute]
            for minute in sorted(incoming)
            if minute in model and model[minute] != incoming[minute]
        ]
        model |= incoming
        assert read(catalog) == sorted(model.items())


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([1.0, 2.0])), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([1.0, 2.0])), min_size=1, max_size=6),
    bars,
)
def test_with_several_parts_unsorted_and_with_duplicates_a_reader_takes_what_was_merged(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[int, float]],
    second: list[tuple[int, float]],
    incoming: Bars,
) -> None:
    catalog = tmp_path_factory.mktemp("catalog")
    for number, rows in ((1, second), (0, first)):
        write_bars(catalog, *STREAM, columns(rows), {})
        if number:
            part(catalog, 0).rename(part(catalog, 1))
    untouched = part(catalog, 0).read_bytes()
    taken = dict(read(catalog)) | incoming
    merge(catalog, incoming)
    assert dict(read(catalog)) == taken
    assert part(catalog, 0).read_bytes() == untouched
    assert merge(catalog, incoming).known == len(incoming)


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    merge(tmp_path, {1: 1.0, 2: 2.0})
    before = part(tmp_path, 0).stat()
    assert merge(tmp_path, {1: 1.0}, source="b.csv") == Merged(part(tmp_path, 0), 0, 1, 0, ())
    after = part(tmp_path, 0).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_conflict_says_what_was_there_and_only_the_first_are_listed(tmp_path: Path) -> None:
    merge(tmp_path, dict.fromkeys(range(30), 1.0))
    merged = merge(tmp_path, dict.fromkeys(range(30), 2.0))
    assert merged.changed == 30
    assert len(merged.conflicts) == MAX_CONFLICTS
    assert merged.conflicts[1] == Conflict(START + MINUTE, "volume", 1.0, 2.0)


def test_metadata_list_every_import_and_keep_what_stood_there(tmp_path: Path) -> None:
    write_bars(tmp_path, *STREAM, columns([(0, 1.0)]), {"source": "hand", "calendar": "XNYS"})
    merge(tmp_path, {1: 1.0})
    merge(tmp_path, {2: 1.0}, source="b.csv", rows=7)
    (facts,) = stored_facts(tmp_path, *STREAM, 2025)
    assert facts["calendar"] == "XNYS"
    assert facts["source"] == "hand, a.csv, b.csv"
    assert facts["label"] == "open"
    assert [entry["rows"] for entry in json.loads(facts[IMPORTS])] == [1, 7]


def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    part(tmp_path, 0).parent.mkdir(parents=True)
    part(tmp_path, 0).write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"year=2025/part-0\.parquet"):
        merge(tmp_path, {1: 1.0})
    assert part(tmp_path, 0).read_bytes() == b"PAR1 and no more"


def test_close_stamps_are_stored(tmp_path: Path) -> None:
    merge(tmp_path, {1: 1.0})
    merge(tmp_path, {0: 1.0})
    table = pq.read_table(part(tmp_path, 0), partitioning=None)
    assert table["close_ts"].cast(pa.int64()).to_pylist() == [START + MINUTE, START + 2 * MINUTE]
    assert set(VALUES) < set(table.column_names)
