"""The catalog gives the rows that were stored, whatever their order; tables appear whole."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.errors import DataError
from actors.domain.ports import BarSource, Share, TableSink
from actors.domain.screening import VALUES, StoredRows
from actors.runtime.store import Catalog, ParquetTables, write_bars
from tests.shares import tables_of

MINUTE = 60_000_000_000
NEW_YEAR = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
YEAR_NS = 365 * 1440 * MINUTE
ALL_TIME = (-(2**63), 2**63 - 1)
INSTANT = pa.timestamp("ns", tz="UTC")


def bars(stamps: list[int], first_volume: int = 0) -> dict[str, Any]:
    """Make rows with these open stamps whose volumes count up, so that each can be told."""
    open_ts = np.array(stamps, dtype=np.int64)
    prices = np.full(len(stamps), 10.0)
    volume = np.arange(first_volume, first_volume + len(stamps), dtype=np.float64)
    named = dict.fromkeys(("open", "high", "low", "close"), prices)
    return {"open_ts": open_ts, "close_ts": open_ts + MINUTE, **named, "volume": volume}


def table(columns: Mapping[str, Any]) -> pa.Table:
    kinds = {"open_ts": INSTANT, "close_ts": INSTANT}
    return pa.table({name: pa.array(values, type=kinds.get(name)) for name, values in columns.items()})


def bar_path(catalog: Path, year: int = 2025, part: str = "part-0", symbol: str = "AAPL") -> Path:
    path = catalog / "bars" / "interval=1m" / f"symbol={symbol}" / f"year={year}" / f"{part}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def read_all(catalog: Path) -> StoredRows:
    return Catalog(catalog).read("AAPL", "1m", *ALL_TIME)


# reading


class StoredFile(NamedTuple):
    """A file of the catalog and the open stamps of its rows."""

    name: str
    stamps: list[int]


def make_files(catalog: Path, parts: list[list[int]], *, statistics: bool) -> list[StoredFile]:
    """Write rows (minutes after new year) into the years and part files that they belong in."""
    files = []
    volumes = count(0, 1000)
    for year, start in ((2024, -(2**62)), (2025, NEW_YEAR), (2026, NEW_YEAR + YEAR_NS)):
        end = {2024: NEW_YEAR, 2025: NEW_YEAR + YEAR_NS, 2026: 2**62}[year]
        for number, minutes in enumerate(parts):
            stamps = [at for at in (NEW_YEAR + minute * MINUTE for minute in minutes) if start <= at < end]
            path = bar_path(catalog, year, f"part-{number}")
            made = table(bars(stamps, next(volumes)))
            pq.write_table(made, path, row_group_size=3, write_statistics=statistics)
            files.append(StoredFile(path.relative_to(catalog).as_posix(), stamps))
    return files


def brute(files: list[StoredFile], start_ns: int, end_ns: int) -> list[tuple[str, int, int]]:
    return [
        (file.name, row, stamp)
        for file in files
        for row, stamp in enumerate(file.stamps)
        if start_ns <= stamp < end_ns
    ]


minutes = st.one_of(st.integers(-8, 8), st.integers(525_592, 525_608))
parts = st.lists(st.lists(minutes, max_size=12), min_size=1, max_size=3)
sorted_parts = parts.map(lambda lists: [sorted(each) for each in lists])
ranges = st.lists(st.tuples(minutes, st.integers(0, 12)), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.one_of(parts, sorted_parts), ranges, st.sampled_from([0, 200, 10**6]), st.booleans())
def test_every_read_gives_the_rows_of_the_range_in_file_order(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[list[int]],
    ranges: list[tuple[int, int]],
    cache_bytes: int,
    statistics: bool,  # noqa: FBT001
) -> None:
    folder = tmp_path_factory.mktemp("catalog")
    files = make_files(folder, parts, statistics=statistics)
    catalog = Catalog(folder, cache_bytes)
    for first, length in ranges:
        start_ns, end_ns = NEW_YEAR + first * MINUTE, NEW_YEAR + (first + length) * MINUTE
        rows = catalog.read("AAPL", "1m", start_ns, end_ns)
        expected = brute(files, start_ns, end_ns)
        assert located(rows) == expected
        assert catalog.open_stamps("AAPL", "1m", start_ns, end_ns).tolist() == [row[2] for row in expected]
        volumes = [1000 * [file.name for file in files].index(name) + row for name, row, _ in expected]
        assert rows.columns["volume"].tolist() == volumes


def located(rows: StoredRows) -> list[tuple[str, int, int]]:
    assert list(rows.columns) == list(VALUES)
    assert all(len(column) == len(rows.open_ts) for column in rows.columns.values())
    return [
        (rows.file_of(index), row, stamp)
        for index, (row, stamp) in enumerate(zip(rows.rows.tolist(), rows.open_ts.tolist(), strict=True))
    ]


def test_a_file_kept_by_the_date_of_an_exchange_far_from_utc_is_read_too(tmp_path: Path) -> None:
    stamps = [NEW_YEAR - 60 * MINUTE]
    pq.write_table(table(bars(stamps)), bar_path(tmp_path, year=2025))
    assert Catalog(tmp_path).read("AAPL", "1m", NEW_YEAR - 90 * MINUTE, NEW_YEAR).open_ts.tolist() == stamps


def test_files_that_begin_with_a_dot_or_underscore_are_left_alone(tmp_path: Path) -> None:
    pq.write_table(table(bars([NEW_YEAR])), bar_path(tmp_path))
    for part in (".part-1", "_part-2"):
        bar_path(tmp_path, part=part).write_text("half written")
    assert len(read_all(tmp_path).open_ts) == 1


def test_what_is_written_is_read_back_with_its_metadata(tmp_path: Path) -> None:
    stamps = [NEW_YEAR - MINUTE, NEW_YEAR + 2 * MINUTE, NEW_YEAR]
    paths = write_bars(tmp_path, "AAPL", "1m", bars(stamps), {"source": "a test"})
    assert paths == (bar_path(tmp_path, 2024), bar_path(tmp_path, 2025))
    assert read_all(tmp_path).open_ts.tolist() == stamps
    assert read_all(tmp_path).columns["volume"].tolist() == [0.0, 1.0, 2.0]
    assert pq.read_schema(paths[0]).metadata[b"source"] == b"a test"
    assert pq.read_table(paths[1])["close_ts"].cast(pa.int64()).to_pylist() == [
        at + MINUTE for at in stamps[1:]
    ]


def test_a_long_file_has_several_row_groups_and_gives_any_session(tmp_path: Path) -> None:
    stamps = [NEW_YEAR + minute * MINUTE for minute in range(40_000)]
    (path,) = write_bars(tmp_path, "AAPL", "1m", bars(stamps), {})
    assert pq.read_metadata(path).num_row_groups > 1
    catalog = Catalog(tmp_path)
    for first in range(0, 39_000, 390):
        rows = catalog.read("AAPL", "1m", stamps[first], stamps[first + 390])
        assert rows.rows.tolist() == list(range(first, first + 390))


def test_the_catalog_lists_symbols_and_their_intervals_shortest_first(tmp_path: Path) -> None:
    for symbol, interval in (("MSFT", "1d"), ("AAPL", "1d"), ("AAPL", "1s"), ("AAPL", "1m")):
        write_bars(tmp_path, symbol, interval, bars([NEW_YEAR]), {})
    (tmp_path / "bars" / "interval=1h" / "symbol=AAPL").mkdir(parents=True)
    (tmp_path / "bars" / "interval=often" / "symbol=AAPL" / "year=2025").mkdir(parents=True)
    (tmp_path / "bars" / "interval=often" / "symbol=AAPL" / "year=2025" / "part-0.parquet").touch()
    catalog = Catalog(tmp_path)
    assert catalog.symbols() == ("AAPL", "MSFT")
    assert catalog.stored_intervals("AAPL") == ("1s", "1m", "1d")
    assert catalog.stored_intervals("TSLA") == ()


@pytest.mark.parametrize("symbol", ["BTC/USD", "../../etc", "..", "BRK.B", "^GSPC", "A B%", "NUL\0", "日経"])
def test_a_symbol_of_any_characters_stays_in_its_folder_and_comes_back(symbol: str, tmp_path: Path) -> None:
    (path,) = write_bars(tmp_path / "catalog", symbol, "1m", bars([NEW_YEAR]), {})
    interval_folder = tmp_path / "catalog" / "bars" / "interval=1m"
    assert path.resolve().parents[2] == interval_folder.resolve()
    catalog = Catalog(tmp_path / "catalog")
    assert catalog.symbols() == (symbol,)
    assert len(catalog.read(symbol, "1m", *ALL_TIME).open_ts) == 1


def test_a_range_without_rows_is_empty(tmp_path: Path) -> None:
    write_bars(tmp_path, "AAPL", "1m", bars([NEW_YEAR]), {})
    far = NEW_YEAR + 5 * YEAR_NS
    rows = Catalog(tmp_path).read("AAPL", "1m", far, far + MINUTE)
    assert len(rows.open_ts) == len(rows.rows) == len(rows.columns["close"]) == 0
    assert rows.files == ()


def test_both_ports_are_met(tmp_path: Path) -> None:
    source: BarSource = Catalog(tmp_path)
    sink: TableSink = ParquetTables(tmp_path)
    assert source is not sink


def test_reading_and_writing_leave_pandas_alone(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from actors.runtime.store import Catalog, write_bars\n"
        "names = ['open_ts', 'close_ts', 'open', 'high', 'low', 'close', 'volume']\n"
        "rows = {name: np.zeros(2, np.int64 if name.endswith('_ts') else float) for name in names}\n"
        "write_bars(Path(sys.argv[1]), 'AAPL', '1m', rows, {'source': 'a test'})\n"
        "assert len(Catalog(Path(sys.argv[1])).read('AAPL', '1m', 0, 1).open_ts) == 2\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)


# errors


def test_a_folder_without_bars_is_no_catalog(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "nowhere")
    for ask in (
        lambda: catalog.read("AAPL", "1m", *ALL_TIME),
        lambda: catalog.open_stamps("AAPL", "1m", *ALL_TIME),
        lambda: catalog.stored_intervals("AAPL"),
        catalog.symbols,
    ):
        with pytest.raises(DataError, match=r"nowhere: is no catalog.*sessionflow data sample"):
            ask()


def test_a_symbol_that_is_not_stored_is_an_error_to_read_and_has_no_stamps(tmp_path: Path) -> None:
    write_bars(tmp_path, "AAPL", "1m", bars([NEW_YEAR]), {})
    catalog = Catalog(tmp_path)
    assert len(catalog.open_stamps("TSLA", "1m", *ALL_TIME)) == 0
    with pytest.raises(DataError, match=r"holds no 1m bars of TSLA.*symbol=TSLA/year=YYYY"):
        catalog.read("TSLA", "1m", *ALL_TIME)


def test_a_file_that_is_not_parquet_is_named(tmp_path: Path) -> None:
    bar_path(tmp_path).write_text("open,high,low,close\n")
    with pytest.raises(DataError, match=r"^bars/interval=1m/.*part-0\.parquet: is not a Parquet file"):
        read_all(tmp_path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    bar_path(tmp_path).touch()
    with pytest.raises(DataError, match=r"part-0\.parquet: is not a Parquet file"):
        read_all(tmp_path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_named(keep: float, tmp_path: Path) -> None:
    (path,) = write_bars(tmp_path, "AAPL", "1m", bars([NEW_YEAR + at * MINUTE for at in range(500)]), {})
    os.truncate(path, int(path.stat().st_size * keep))
    with pytest.raises(DataError, match=r"part-0\.parquet: is a Parquet file cut short \(truncated\)"):
        read_all(tmp_path)


def test_a_file_with_damaged_data_pages_is_named(tmp_path: Path) -> None:
    (path,) = write_bars(tmp_path, "AAPL", "1m", bars([NEW_YEAR + at * MINUTE for at in range(500)]), {})
    content = bytearray(path.read_bytes())
    content[4:600] = bytes(596)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"part-0\.parquet: is damaged inside"):
        read_all(tmp_path)


def test_a_missing_column_is_named_with_all_that_are_needed(tmp_path: Path) -> None:
    pq.write_table(table(bars([NEW_YEAR])).drop_columns(["volume"]), bar_path(tmp_path))
    with pytest.raises(
        DataError, match=r"has no column 'volume'; write it again with all of open_ts, close_ts"
    ):
        read_all(tmp_path)


WRONG_TYPES = [
    (
        "open_ts",
        pa.timestamp("us", tz="UTC"),
        r"'open_ts' is timestamp\[us, tz=UTC\], expected timestamp\[ns",
    ),
    ("close_ts", pa.timestamp("ns"), r"'close_ts' is timestamp\[ns\], expected timestamp\[ns, tz=UTC\]"),
    ("close", pa.float32(), "'close' is float, expected double"),
    ("volume", pa.int64(), "'volume' is int64, expected double"),
    ("open", pa.string(), "'open' is string, expected double"),
]


@pytest.mark.parametrize(("name", "kind", "message"), WRONG_TYPES)
def test_a_column_of_the_wrong_type_is_named(
    name: str, kind: pa.DataType, message: str, tmp_path: Path
) -> None:
    good = table(bars([NEW_YEAR]))
    at = good.schema.get_field_index(name)
    pq.write_table(good.set_column(at, name, good[name].cast(kind)), bar_path(tmp_path))
    with pytest.raises(DataError, match=message):
        read_all(tmp_path)


@pytest.mark.parametrize("name", ["open_ts", "high", "volume"])
def test_a_value_that_is_not_there_is_named_with_its_row(name: str, tmp_path: Path) -> None:
    columns = bars([NEW_YEAR + at * MINUTE for at in range(6)])
    columns[name] = [None if row == 4 else value for row, value in enumerate(columns[name].tolist())]
    pq.write_table(table(columns), bar_path(tmp_path), row_group_size=3)
    with pytest.raises(DataError, match=rf"column '{name}' has no value in row 4"):
        read_all(tmp_path)


def test_a_stream_keeps_only_the_files_of_its_last_read_open_and_reads_earlier_ones_again(
    tmp_path: Path,
) -> None:
    stamps = [NEW_YEAR + year * YEAR_NS + YEAR_NS // 2 for year in range(4)]
    write_bars(tmp_path, "AAPL", "1m", bars(stamps), {})
    catalog = Catalog(tmp_path)
    for stamp in (*stamps, stamps[0]):
        assert catalog.read("AAPL", "1m", stamp, stamp + MINUTE).open_ts.tolist() == [stamp]
        assert len(catalog._opened["AAPL", "1m"]) == 1
    assert catalog.read("AAPL", "1m", *ALL_TIME).open_ts.tolist() == stamps
    assert len(catalog._opened["AAPL", "1m"]) == len(stamps)


def test_a_file_that_changes_while_it_is_in_use_is_named(tmp_path: Path) -> None:
    stamps = [NEW_YEAR + at * MINUTE for at in range(20_000)]
    write_bars(tmp_path, "AAPL", "1m", bars(stamps), {})
    catalog = Catalog(tmp_path)
    catalog.read("AAPL", "1m", stamps[0], stamps[10])
    write_bars(tmp_path, "AAPL", "1m", bars(stamps[:19_000]), {})
    with pytest.raises(DataError, match="changed while it was in use"):
        catalog.read("AAPL", "1m", stamps[18_000], stamps[18_010])


# tables


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_table_has_instants_plain_strings_and_numbers(tmp_path: Path) -> None:
    columns = {
        "event_ts": np.array([NEW_YEAR, NEW_YEAR + 1], dtype=np.int64),
        "symbol": ["AAPL", "RIVN"],
        "count": [1, 2],
        "score": np.array([99.5, 100.0]),
        "known_ts": [NEW_YEAR, None],
    }
    ParquetTables(tmp_path).write(columns, [Share("deep/down/quality.parquet", 2)])
    read = pq.read_table(tmp_path / "deep" / "down" / "quality.parquet")
    assert read.schema.types == [INSTANT, pa.string(), pa.int64(), pa.float64(), INSTANT]
    assert read["symbol"].to_pylist() == ["AAPL", "RIVN"]
    assert read["event_ts"].cast(pa.int64()).to_pylist() == [NEW_YEAR, NEW_YEAR + 1]
    assert files_below(tmp_path) == ["deep/down/quality.parquet"]


def test_fields_of_a_structured_array_are_columns(tmp_path: Path) -> None:
    records = np.array([(NEW_YEAR, 1.5, 7), (NEW_YEAR + 1, 2.5, 8)], dtype="<i8,<f8,<u2")
    ParquetTables(tmp_path).write(
        {"open_ts": records["f0"], "close": records["f1"], "flags": records["f2"]}, [Share("t.parquet", 2)]
    )
    read = pq.read_table(tmp_path / "t.parquet")
    assert read["open_ts"].cast(pa.int64()).to_pylist() == [NEW_YEAR, NEW_YEAR + 1]
    assert read["close"].to_pylist() == [1.5, 2.5]
    assert read.schema.field("flags").type == pa.uint16()


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    ParquetTables(tmp_path).write({"from_ts": [], "symbol": []}, [Share("gaps.parquet", 0)])
    read = pq.read_table(tmp_path / "gaps.parquet")
    assert read.schema.types == [INSTANT, pa.string()]
    assert read.num_rows == 0


def test_a_table_that_cannot_be_made_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    tables = ParquetTables(tmp_path)
    tables.write({"x": [1]}, [Share("t.parquet", 1)])
    with pytest.raises(pa.ArrowInvalid):
        tables.write({"x": [1, "two"]}, [Share("t.parquet", 2)])
    assert pq.read_table(tmp_path / "t.parquet")["x"].to_pylist() == [1]
    assert files_below(tmp_path) == ["t.parquet"]


@given(rows=st.lists(st.integers(0, 40), min_size=1, max_size=6), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_every_share_of_the_rows_is_a_file_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    columns = random_columns(sum(rows), seed)
    shares = [Share(f"bars/symbol=S{place}/part-0.parquet", count) for place, count in enumerate(rows)]
    ParquetTables(folder).write(columns, shares)
    assert files_below(folder) == [share.path for share in shares]
    for table in tables_of(columns, shares):
        read = pq.ParquetFile(folder / table.path).read()
        assert read.schema.types == [INSTANT, pa.string(), pa.float64(), pa.int32(), pa.bool_()]
        assert read["open_ts"].cast(pa.int64()).to_pylist() == table.columns["open_ts"].tolist()
        assert {name: read[name].to_pylist() for name in list(columns)[1:]} == {
            name: column.tolist() for name, column in list(table.columns.items())[1:]
        }


def random_columns(rows: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    random = np.random.default_rng(seed)
    return {
        "open_ts": random.integers(-(2**63) + 1, 2**63 - 1, rows),
        "session": random.choice(["2025-07-01", "", "é"], rows),
        "close": random.normal(size=rows),
        "n_base": random.integers(0, 5, rows, dtype=np.int32),
        "gap": random.random(rows) < 0.5,
    }


@pytest.mark.parametrize("room", [0, 4096])
def test_a_disk_that_is_full_is_told_with_the_file_and_leaves_no_part_of_it(
    room: int, tmp_path: Path
) -> None:
    tables = ParquetTables(tmp_path)
    tables.write({"x": [1]}, [Share("a/t.parquet", 1)])
    large = {"x": np.random.default_rng(0).normal(size=2000)}
    with no_file_longer_than(room), pytest.raises(OSError, match=r"File too large: '.*t\.parquet") as raised:
        tables.write(large, [Share("a/t.parquet", 2000)])
    assert raised.value.errno == errno.EFBIG
    assert pq.read_table(tmp_path / "a" / "t.parquet")["x"].to_pylist() == [1]
    assert files_below(tmp_path) == ["a/t.parquet"]


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Have the system refuse more, as it does on a full disk: what fits is written, then comes the error."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        signal.signal(signal.SIGXFSZ, before)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "bars").write_text("in the way")
    with pytest.raises(NotADirectoryError, match="bars/symbol=A"):
        ParquetTables(tmp_path).write({"x": [1]}, [Share("bars/symbol=A/part-0.parquet", 1)])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=5))
def test_appended_rows_are_there_in_order_after_close_and_not_before(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    tables = ParquetTables(folder)
    for batch in batches:
        tables.append("a/x.parquet", {"x": np.array(batch, dtype=np.int64)})
        tables.append("y.parquet", {"y_ts": batch, "name": [str(value) for value in batch]})
    assert list(folder.glob("**/[!.]*.parquet")) == []
    tables.close()
    rows = [value for batch in batches for value in batch]
    assert files_below(folder) == ["a/x.parquet", "y.parquet"]
    assert pq.read_table(folder / "a" / "x.parquet")["x"].to_pylist() == rows
    assert pq.read_table(folder / "y.parquet")["name"].to_pylist() == [str(value) for value in rows]
    assert pq.read_metadata(folder / "a" / "x.parquet").num_row_groups == sum(map(bool, batches))


def test_columns_appended_in_another_order_find_their_place(tmp_path: Path) -> None:
    tables = ParquetTables(tmp_path)
    tables.append("t.parquet", {"a": [1], "b": [2.0]})
    tables.append("t.parquet", {"b": [4], "a": [3]})
    tables.close()
    assert pq.read_table(tmp_path / "t.parquet").to_pydict() == {"a": [1, 3], "b": [2.0, 4.0]}


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    tables = ParquetTables(tmp_path)
    tables.append("t.parquet", {"a": [1]})
    tables.close()
    tables.close()
    assert files_below(tmp_path) == ["t.parquet"]
