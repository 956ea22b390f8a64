"""What a catalog holds is said by the footers of its files."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.domain.errors import DataError
from actors.runtime.store import stored_holdings, write_bars
from actors.runtime.store.bar_file import BAR_SCHEMA

MINUTE = 60_000_000_000
NOTES = {"source": "test", "label": "open", "calendar": "XNYS"}


def bars(stamps: list[int]) -> dict[str, Any]:
    open_ts = np.array(stamps, dtype=np.int64)
    values = dict.fromkeys(("open", "high", "low", "close", "volume"), np.ones(len(stamps)))
    return {"open_ts": open_ts, "close_ts": open_ts + MINUTE, **values}


def rewrite(path: Path, **options: Any) -> None:  # noqa: ANN401  what pyarrow takes
    pq.write_table(pq.read_table(path), path, **options)


years = st.lists(st.integers(1990, 2030), min_size=1, max_size=4, unique=True)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(years, st.lists(st.integers(0, 500_000), min_size=1, max_size=20))
def test_rows_files_bytes_and_stamps_are_those_of_all_years(
    tmp_path: Path, years: list[int], minutes: list[int]
) -> None:
    starts = [int(np.datetime64(f"{year}-01-01", "ns").astype(np.int64)) for year in years]
    stamps = [start + minute * MINUTE for start in starts for minute in minutes]
    catalog = tmp_path / f"{sorted(years)}-{len(minutes)}-{sum(minutes)}"
    paths = write_bars(catalog, "A/B", "1m", bars(stamps), NOTES)
    (holding,) = stored_holdings(catalog)
    assert (holding.symbol, holding.interval) == ("A/B", "1m")
    assert (holding.rows, holding.files) == (len(stamps), len(years))
    assert holding.size_bytes == sum(path.stat().st_size for path in paths)
    assert (holding.first_ns, holding.last_ns) == (min(stamps), max(stamps))
    assert holding.notes == {name: (value,) for name, value in NOTES.items()}
    assert holding.damage == ()


def test_streams_come_by_symbol_then_shortest_interval_first(tmp_path: Path) -> None:
    for symbol, interval in (("B", "1m"), ("A", "1d"), ("A", "5m"), ("A", "1m")):
        write_bars(tmp_path, symbol, interval, bars([0]), NOTES)
    found = [(holding.symbol, holding.interval) for holding in stored_holdings(tmp_path)]
    assert found == [("A", "1m"), ("A", "5m"), ("A", "1d"), ("B", "1m")]


def test_files_that_do_not_say_the_same_have_no_common_note(tmp_path: Path) -> None:
    write_bars(tmp_path, "A", "1m", bars([0]), NOTES)
    (path,) = write_bars(tmp_path, "A", "1m", bars([500 * 1440 * MINUTE]), NOTES | {"calendar": "XLON"})
    (holding,) = stored_holdings(tmp_path)
    assert path.parent.name == "year=1971"
    assert holding.note("calendar") is None
    assert holding.notes["calendar"] == ("XNYS", "XLON")
    assert holding.note("label") == "open"
    assert holding.note("adjustment") is None


def test_a_file_without_statistics_leaves_the_stamps_unknown(tmp_path: Path) -> None:
    (path,) = write_bars(tmp_path, "A", "1m", bars([0, MINUTE]), NOTES)
    rewrite(path, write_statistics=False)
    (holding,) = stored_holdings(tmp_path)
    assert (holding.rows, holding.first_ns, holding.last_ns) == (2, None, None)


def test_a_file_without_rows_does_not_hide_the_stamps_of_the_others(tmp_path: Path) -> None:
    (path,) = write_bars(tmp_path, "A", "1m", bars([0]), NOTES)
    pq.write_table(pa.Table.from_batches([], schema=BAR_SCHEMA), path.with_name("part-1.parquet"))
    (holding,) = stored_holdings(tmp_path)
    assert (holding.rows, holding.files, holding.first_ns) == (1, 2, 0)


def test_a_damaged_file_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    (path,) = write_bars(tmp_path, "A", "1m", bars([0]), NOTES)
    write_bars(tmp_path, "B", "1m", bars([0]), NOTES)
    path.write_bytes(b"not Parquet")
    damaged, sound = stored_holdings(tmp_path)
    (line,) = damaged.damage
    assert line.startswith("bars/interval=1m/symbol=A/year=1970/part-0.parquet: is not a Parquet file; ")
    assert (damaged.rows, damaged.files) == (0, 1)
    assert (sound.rows, sound.damage) == (1, ())


def test_no_catalog_and_an_empty_one_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no catalog"):
        list(stored_holdings(tmp_path))
    (tmp_path / "bars" / "interval=1m" / "symbol=A").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no bars; import some"):
        list(stored_holdings(tmp_path))
