import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cli.data_import import import_
from actors.domain.errors import ConfigError, DataError
from actors.runtime.importing import source_format
from actors.runtime.importing.source import ImportRequest, SourceRows

MINUTE_930 = 34_200_000


def zipped(path: Path, member: str, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, "".join(f"{line}\r\n" for line in lines))
    return path


def minute_zip(root: Path, day: str, lines: list[str], ticker: str = "aapl") -> Path:
    path = root / "equity" / "usa" / "minute" / ticker / f"{day}_trade.zip"
    return zipped(path, f"{day}_{ticker}_minute_trade.csv", lines)


def read(path: Path, request: ImportRequest | None = None) -> SourceRows:
    (rows,) = source_format("lean").read(path, request or ImportRequest())
    return rows


def ns(*instants: str) -> list[int]:
    return [int(np.datetime64(instant, "ns").astype(np.int64)) for instant in instants]


def test_minutes_on_both_sides_of_the_spring_change_open_when_new_york_says_so(tmp_path: Path) -> None:
    row = f"{MINUTE_930},2245900,2246000.5,2245800,2245950,12345"
    friday = read(minute_zip(tmp_path, "20250307", [row, f"{MINUTE_930 + 60_000},2250000,1,1,1,7"]))
    monday = read(minute_zip(tmp_path, "20250310", [row]))
    assert friday.stamps.tolist() == ns("2025-03-07T14:30", "2025-03-07T14:31")
    assert monday.stamps.tolist() == ns("2025-03-10T13:30")
    assert (friday.symbol, friday.interval) == ("AAPL", "1m")
    assert {name: column[0] for name, column in friday.columns.items()} == {
        "open": 224.59, "high": 224.60005, "low": 224.58, "close": 224.595, "volume": 12345.0,
    }  # fmt: skip
    assert friday.columns["open"][1] == 225.0
    assert friday.rows.tolist() == [1, 2]


def test_milliseconds_of_the_autumn_day_count_by_the_clock_not_by_what_has_passed(tmp_path: Path) -> None:
    path = minute_zip(tmp_path, "20251102", [f"{MINUTE_930},1,1,1,1,1"])
    assert read(path).stamps.tolist() == ns("2025-11-02T14:30")


def test_a_daily_file_gives_new_york_midnights(tmp_path: Path) -> None:
    path = tmp_path / "equity" / "usa" / "daily" / "brk.b.zip"
    lines = ["20250307 00:00,4900000,4910000,4890000,4905000,10", "20250310 00:00,1,1,1,1,1"]
    rows = read(zipped(path, "brk.b.csv", lines))
    assert (rows.symbol, rows.interval) == ("BRK.B", "1d")
    assert rows.stamps.tolist() == ns("2025-03-07T05:00", "2025-03-10T04:00")
    assert rows.columns["close"].tolist() == [490.5, 0.0001]


def test_hours_and_seconds_are_told_by_their_folder(tmp_path: Path) -> None:
    hour = tmp_path / "equity" / "usa" / "hour" / "spy.zip"
    assert read(zipped(hour, "spy.csv", ["20250702 15:00,1,1,1,1,1"])).interval == "1h"
    second = tmp_path / "equity" / "usa" / "second" / "spy" / "20250702_trade.zip"
    rows = read(zipped(second, "20250702_spy_second_trade.csv", ["34201000,1,1,1,1,1"]))
    assert (rows.interval, rows.stamps.tolist()) == ("1s", ns("2025-07-02T13:30:01"))


def test_a_ticker_that_is_also_the_name_of_a_folder_is_a_ticker(tmp_path: Path) -> None:
    assert read(minute_zip(tmp_path, "20250702", ["0,1,1,1,1,1"], ticker="option")).symbol == "OPTION"


def test_rows_that_are_none_are_shown_with_their_line(tmp_path: Path) -> None:
    lines = [
        "34200000,1,1,1,1,1",
        "noon,1,1,1,1,1",
        "34260000,1,1",
        "86400000,1,1,1,1,1",
        "34320000,x,1,1,1,1",
    ]
    rows = read(minute_zip(tmp_path, "20250702", lines))
    assert [(fault.row, fault.content) for fault in rows.faults] == [
        (2, "noon,1,1,1,1,1"), (3, "34260000,1,1"), (4, "86400000,1,1,1,1,1"),
    ]  # fmt: skip
    assert rows.rows.tolist() == [1, 5]
    assert np.isnan(rows.columns["open"][1])
    assert rows.content is not None
    assert rows.content(5) == "34320000,x,1,1,1,1"


def test_a_time_that_new_york_skips_is_shown_as_a_fault(tmp_path: Path) -> None:
    rows = read(minute_zip(tmp_path, "20250309", ["9000000,1,1,1,1,1", "34200000,1,1,1,1,1"]))
    assert [fault.row for fault in rows.faults] == [1]
    assert rows.stamps.tolist() == ns("2025-03-09T13:30")


@pytest.mark.parametrize("folder", ["crypto/coinbase/minute/btcusd", "equity/india/minute/tcs", "downloads"])
def test_a_zip_outside_the_folders_of_us_equities_is_refused(folder: str, tmp_path: Path) -> None:
    path = tmp_path.joinpath(*folder.split("/")) / "20250702_trade.zip"
    with pytest.raises(DataError, match=r"20250702_trade\.zip.*only US equities.*equity/usa/minute/aapl"):
        read(zipped(path, "20250702_x_minute_trade.csv", ["0,1,1,1,1,1"]))


def test_quotes_and_ticks_are_refused_by_name_and_by_content(tmp_path: Path) -> None:
    quotes = tmp_path / "equity" / "usa" / "minute" / "aapl" / "20250702_quote.zip"
    with pytest.raises(DataError, match=r"holds quote bars; import 20250702_trade\.zip"):
        read(zipped(quotes, "20250702_aapl_minute_quote.csv", ["0,1,1,1,1,1,1,1,1,1,1"]))
    with pytest.raises(DataError, match="holds quotes"):
        read(minute_zip(tmp_path, "20250702", ["0,1,1,1,1,1,1,1,1,1,1"]))
    ticks = tmp_path / "equity" / "usa" / "tick" / "aapl" / "20250702_trade.zip"
    with pytest.raises(DataError, match="holds tick data; bars lie in"):
        read(zipped(ticks, "20250702_aapl_Trade_Tick.csv", ["0,1,1,D,1,0"]))


def test_a_zip_that_is_none_or_cut_short_is_refused(tmp_path: Path) -> None:
    path = minute_zip(tmp_path, "20250702", ["34200000,1,1,1,1,1"] * 1000)
    whole = path.read_bytes()
    for content in (b"", b"no zip", whole[: len(whole) // 2], whole[:40] + b"\0" * 40 + whole[80:]):
        path.write_bytes(content)
        with pytest.raises(
            DataError, match=rf"{re.escape(str(path))}: is no whole zip of LEAN .*; copy it again"
        ):
            read(path)


def test_a_zip_of_another_day_or_of_several_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "equity" / "usa" / "minute" / "aapl" / "20250702_trade.zip"
    with pytest.raises(DataError, match=r"should hold one file 20250702_….csv but holds 20250703_aapl"):
        read(zipped(path, "20250703_aapl_minute_trade.csv", ["0,1,1,1,1,1"]))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("20250702_aapl_minute_trade.csv", "0,1,1,1,1,1")
    with pytest.raises(DataError, match="should hold one file"):
        read(path)


def test_a_name_without_a_day_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "equity" / "usa" / "minute" / "aapl" / "20250732_trade.zip"
    with pytest.raises(DataError, match="is not named as LEAN names minute bars"):
        read(zipped(path, "x.csv", []))


def test_an_interval_other_than_the_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--interval: is 1s, but the file's folder says 1m"):
        read(minute_zip(tmp_path, "20250702", ["0,1,1,1,1,1"]), ImportRequest(interval="1s"))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(240, 1199), st.integers(1, 10**9)), max_size=20))
def test_every_row_comes_out_at_its_minute_and_price(rows: list[tuple[int, int]]) -> None:
    text = [f"{minute * 60_000},{price},{price},{price},{price},{price}" for minute, price in rows]
    with TemporaryDirectory() as folder:
        read_back = read(minute_zip(Path(folder), "20250702", text))
    midnight = np.datetime64("2025-07-02T04:00", "ns")
    assert read_back.stamps.tolist() == [
        int((midnight + np.timedelta64(minute, "m")).astype(np.int64)) for minute, _ in rows
    ]
    assert read_back.columns["low"].tolist() == [price / 10_000 for _, price in rows]
    assert read_back.columns["volume"].tolist() == [float(price) for _, price in rows]


def imported(catalog: Path, *arguments: str) -> str:
    result = CliRunner().invoke(import_, ["--format", "lean", "--catalog", str(catalog), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def stored(catalog: Path) -> dict[str, list[Any]]:
    (path,) = catalog.glob("bars/*/symbol=AAPL/year=2025/*.parquet")
    table = pq.read_table(path, partitioning=None)
    stamps = {name: table[name].cast("int64").to_pylist() for name in ("open_ts", "close_ts")}
    return {**table.to_pydict(), **stamps}


def test_zips_reach_the_catalog_and_a_second_time_change_nothing(tmp_path: Path) -> None:
    files = [
        str(minute_zip(tmp_path, "20250307", [f"{MINUTE_930},2245900,2250000,2240000,2245950,10"])),
        str(minute_zip(tmp_path, "20250310", [f"{MINUTE_930},2300000,2300000,2300000,2300000,20"])),
    ]
    assert "1 new, 0 known, 0 changed" in imported(tmp_path / "catalog", *files)
    assert "0 new, 1 known, 0 changed" in imported(tmp_path / "catalog", *files)
    rows = stored(tmp_path / "catalog")
    assert rows["open_ts"] == ns("2025-03-07T14:30", "2025-03-10T13:30")
    assert rows["close_ts"] == ns("2025-03-07T14:31", "2025-03-10T13:31")
    assert rows["close"] == [224.595, 230.0]


def test_daily_bars_reach_the_catalog_as_sessions(tmp_path: Path) -> None:
    path = tmp_path / "equity" / "usa" / "daily" / "aapl.zip"
    zipped(path, "aapl.csv", ["20250703 00:00,1,1,1,1,1", "20250707 00:00,1,1,1,1,1"])
    imported(tmp_path / "catalog", "--calendar", "XNYS", str(path))
    rows = stored(tmp_path / "catalog")
    assert rows["open_ts"] == ns("2025-07-03T13:30", "2025-07-07T13:30")
    assert rows["close_ts"] == ns("2025-07-03T17:00", "2025-07-07T20:00")
