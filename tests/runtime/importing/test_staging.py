"""Staged rows come back in their order, whether they fit into memory or not."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.importing.staging import ROW, Rows, Shelf, Staging

NEW_YEAR = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 10**9


def rows(minutes: list[int]) -> Rows:
    made = np.zeros(len(minutes), dtype=ROW)
    made["open_ts"] = NEW_YEAR + np.array(minutes, dtype=np.int64) * 60 * 10**9
    made["volume"] = minutes
    return made


additions = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(["A", "B"]), st.lists(st.integers(-5, 5), max_size=6)),
    max_size=12,
)


@settings(max_examples=60)
@given(additions, st.sampled_from([0, 300, 10**6]))
def test_rows_come_back_by_file_stream_and_year_in_the_order_they_came(
    added: list[tuple[int, str, list[int]]], memory_bytes: int
) -> None:
    expected: dict[Shelf, list[int]] = {}
    with Staging(memory_bytes) as staging:
        for file, symbol, minutes in added:
            staging.add(file, symbol, "1m", rows(minutes))
            for minute in minutes:
                shelf = Shelf(file, symbol, "1m", 2024 if minute < 0 else 2025)
                expected.setdefault(shelf, []).append(minute)
        assert list(staging.shelves()) == sorted(expected)
        for _ in range(2):
            assert {shelf: staging.rows(shelf)["volume"].tolist() for shelf in expected} == expected
        staging.add(7, "A", "1m", rows([1]))
        assert staging.rows(Shelf(7, "A", "1m", 2025))["volume"].tolist() == [1]


def test_a_closed_staging_takes_nothing() -> None:
    with Staging(0) as staging:
        pass
    with pytest.raises(ValueError, match="closed"):
        staging.add(0, "A", "1m", rows([1]))
