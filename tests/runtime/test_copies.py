from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from actors.domain.errors import DataError
from actors.runtime.store import Catalog, alter_streams, copy_streams, write_bars

MINUTE = 60 * 10**9
START = int(np.datetime64("2024-12-31T23:50", "ns").astype(np.int64))
"""Ten minutes before a new year, and so before a new file."""


def write(catalog: Path, symbol: str) -> None:
    opens = START + MINUTE * np.arange(20)
    closes = np.linspace(100, 120, 20)
    prices = {"open": closes, "high": closes + 1, "low": closes - 1, "close": closes}
    columns = {"open_ts": opens, "close_ts": opens + MINUTE, **prices, "volume": np.arange(20.0)}
    write_bars(catalog, symbol, "1m", columns, {"source": "a test"})


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    for symbol in ("AAPL", "BRK/B", "RIVN"):
        write(tmp_path / "catalog", symbol)
    return tmp_path / "catalog"


def test_a_copy_holds_the_same_files_of_the_symbols_and_no_others(catalog: Path, tmp_path: Path) -> None:
    copy_streams(catalog, ("AAPL", "BRK/B"), tmp_path / "copy")
    assert Catalog(tmp_path / "copy").symbols() == ("AAPL", "BRK/B")
    copied = sorted(path.relative_to(tmp_path / "copy") for path in (tmp_path / "copy").rglob("*.parquet"))
    assert len(copied) == 4
    for path in copied:
        assert (tmp_path / "copy" / path).read_bytes() == (catalog / path).read_bytes()
        assert (tmp_path / "copy" / path).stat().st_ino != (catalog / path).stat().st_ino


@pytest.mark.parametrize("known", [0, 3, 10, 14, 20])
def test_all_that_is_known_later_is_altered_around_the_last_known_price(
    known: int, catalog: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in catalog.rglob("*.parquet")}
    alter_streams(catalog, ("AAPL",), tmp_path / "altered", START + known * MINUTE)
    first, second = (
        Catalog(folder).read("AAPL", "1m", START, START + 20 * MINUTE)
        for folder in (catalog, tmp_path / "altered")
    )
    assert np.array_equal(first.open_ts, second.open_ts)
    same = first.columns["close"] == second.columns["close"]
    assert same.tolist() == [True] * known + [False] * (20 - known)
    if known:
        assert (second.columns["high"][known:] < first.columns["close"][known - 1]).all()
    assert {path: path.read_bytes() for path in catalog.rglob("*.parquet")} == before


def test_an_altered_file_keeps_what_it_says_of_itself(catalog: Path, tmp_path: Path) -> None:
    alter_streams(catalog, ("RIVN",), tmp_path / "altered", START)
    (path, *_) = (tmp_path / "altered").rglob("*.parquet")
    assert pq.read_metadata(path).metadata[b"source"] == b"a test"


def test_a_damaged_file_stays_as_it_is(catalog: Path, tmp_path: Path) -> None:
    (path, *_) = sorted((catalog / "bars" / "interval=1m" / "symbol=RIVN").rglob("*.parquet"))
    path.write_bytes(b"PAR1 and no more")
    alter_streams(catalog, ("RIVN",), tmp_path / "altered", START)
    copy = tmp_path / "altered" / path.relative_to(catalog)
    assert copy.read_bytes() == b"PAR1 and no more"


def test_a_file_that_cannot_be_copied_is_named(catalog: Path, tmp_path: Path) -> None:
    (path, *_) = (catalog / "bars" / "interval=1m" / "symbol=RIVN").rglob("*.parquet")
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"part-0.parquet: cannot be copied"):
        copy_streams(catalog, ("RIVN",), tmp_path / "copy")
