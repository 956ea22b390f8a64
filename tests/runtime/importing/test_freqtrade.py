from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from actors.cli.data_import import import_
from actors.domain.errors import ConfigError, DataError
from actors.runtime.importing import source_format
from actors.runtime.importing.source import ImportRequest, SourceRows
from actors.runtime.store import Catalog

INSTANTS = ["2025-03-30 00:59", "2025-03-30 01:00", "2025-03-30 01:01"]
"""Around the start of summer time in Europe, which UTC does not know."""
OPENS_NS = [1_743_296_340 * 10**9, 1_743_296_400 * 10**9, 1_743_296_460 * 10**9]


def candles(unit: str = "ms") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": pd.to_datetime(INSTANTS, utc=True).as_unit(unit),
            "open": [82_000.1, 82_001.25, 82_002.0],
            "high": [82_005.0, 82_006.0, 82_007.0],
            "low": [81_990.0, 81_991.0, 81_992.0],
            "close": [82_001.25, 82_002.0, 82_003.5],
            "volume": [0.125, 3.0, 0.0],
        }
    )


def stored(path: Path, frame: pd.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(frame)
    pyarrow.feather.write_feather(table, path, compression="lz4", compression_level=9)
    return path


def read(path: Path, request: ImportRequest | None = None) -> list[SourceRows]:
    return list(source_format("freqtrade").read(path, request or ImportRequest()))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_candles_open_at_their_date_in_utc(unit: str, tmp_path: Path) -> None:
    (rows,) = read(stored(tmp_path / "binance" / "BTC_USDT-1m.feather", candles(unit)))
    assert (rows.symbol, rows.interval) == ("BTC/USDT", "1m")
    assert rows.stamps.tolist() == OPENS_NS
    assert rows.columns["open"].tolist() == [82_000.1, 82_001.25, 82_002.0]
    assert rows.columns["volume"].tolist() == [0.125, 3.0, 0.0]
    assert rows.rows.tolist() == [1, 2, 3]


def test_whole_numbers_are_milliseconds_as_freqtrade_reads_them(tmp_path: Path) -> None:
    frame = candles().assign(date=[1_743_296_340_000, 1_743_296_400_000, 1_743_296_460_000])
    (rows,) = read(stored(tmp_path / "BTC_USDT-1m.feather", frame))
    assert rows.stamps.tolist() == OPENS_NS


def test_futures_have_the_name_of_their_contract(tmp_path: Path) -> None:
    (rows,) = read(stored(tmp_path / "futures" / "ETH_USDT_USDT-1h-futures.feather", candles()))
    assert (rows.symbol, rows.interval) == ("ETH/USDT:USDT", "1h")


def test_parquet_files_of_freqtrade_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-5m.parquet"
    pq.write_table(pa.Table.from_pandas(candles()), path)
    (rows,) = read(path)
    assert (rows.interval, rows.stamps.tolist()) == ("5m", OPENS_NS)


def test_a_missing_price_is_no_number_and_the_rows_go_on_over_batches(tmp_path: Path) -> None:
    frame = pd.concat([candles()] * 40_000, ignore_index=True)
    frame.loc[100_000, "close"] = np.nan
    pieces = read(stored(tmp_path / "BTC_USDT-1m.feather", frame))
    assert len(pieces) > 1
    rows = np.concatenate([piece.rows for piece in pieces])
    closes = np.concatenate([piece.columns["close"] for piece in pieces])
    assert rows.tolist() == list(range(1, 120_001))
    assert np.flatnonzero(np.isnan(closes)).tolist() == [100_000]


@pytest.mark.parametrize("candle_type", ["mark", "index", "funding_rate", "premiumIndex"])
def test_candles_that_are_no_trades_are_refused(candle_type: str, tmp_path: Path) -> None:
    path = tmp_path / f"BTC_USDT_USDT-1h-{candle_type}.feather"
    with pytest.raises(DataError, match=rf"holds {candle_type} candles, which are no trades"):
        read(stored(path, candles()))


def test_a_file_without_a_column_is_refused_with_its_name(tmp_path: Path) -> None:
    path = stored(tmp_path / "BTC_USDT-1m.feather", candles().drop(columns="volume"))
    with pytest.raises(DataError, match=r"BTC_USDT-1m\.feather: has no column 'volume'"):
        read(path)


def test_columns_of_other_types_are_refused(tmp_path: Path) -> None:
    texts = stored(tmp_path / "BTC_USDT-1m.feather", candles().assign(open="82000"))
    with pytest.raises(DataError, match=r"column 'open' is (large_)?string, not a number"):
        read(texts)
    dates = stored(tmp_path / "BTC_USDT-1m.feather", candles().assign(date="2025-03-30"))
    with pytest.raises(
        DataError, match=r"column 'date' is (large_)?string; freqtrade writes instants in UTC"
    ):
        read(dates)
    elsewhere = candles().assign(date=pd.to_datetime(INSTANTS, utc=True).tz_convert("Asia/Tokyo"))
    with pytest.raises(DataError, match=r"column 'date' is timestamp\[.*Asia/Tokyo"):
        read(stored(tmp_path / "BTC_USDT-1m.feather", elsewhere))


def test_a_row_without_a_date_is_refused(tmp_path: Path) -> None:
    frame = candles()
    frame.loc[1, "date"] = pd.NaT
    with pytest.raises(DataError, match="column 'date' has no value in row 2; remove the row"):
        read(stored(tmp_path / "BTC_USDT-1m.feather", frame))


def test_a_file_cut_short_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path / "BTC_USDT-1m.feather", candles())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"BTC_USDT-1m\.feather: cannot be read .*copy it again"):
        read(path)
    path.write_bytes(b"date,open,high,low,close,volume\n")
    with pytest.raises(DataError, match="is no Parquet or Feather file"):
        read(path)


def test_a_name_without_pair_and_timeframe_needs_both_to_be_said(tmp_path: Path) -> None:
    path = stored(tmp_path / "bitcoin.feather", candles())
    with pytest.raises(ConfigError, match="--symbol"):
        read(path)
    (rows,) = read(path, ImportRequest(symbol="BTC/USDT", interval="1m"))
    assert (rows.symbol, rows.interval) == ("BTC/USDT", "1m")


def test_an_interval_other_than_the_names_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path / "BTC_USDT-5m.feather", candles())
    with pytest.raises(ConfigError, match="--interval: is 1m, but the file's name says 5m"):
        read(path, ImportRequest(interval="1m"))


def imported(catalog: Path, *arguments: str) -> str:
    result = CliRunner().invoke(import_, ["--format", "freqtrade", "--catalog", str(catalog), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_candles_reach_the_catalog(tmp_path: Path) -> None:
    path = stored(tmp_path / "BTC_USDT-1m.feather", candles())
    assert "BTC/USDT 1m, 3 rows" in imported(tmp_path / "catalog", str(path))
    rows = Catalog(tmp_path / "catalog").read("BTC/USDT", "1m", 0, 2**62)
    assert rows.open_ts.tolist() == OPENS_NS
    assert rows.columns["close"].tolist() == [82_001.25, 82_002.0, 82_003.5]
