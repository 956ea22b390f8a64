import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import databento_dbn
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from actors.cli.data_import import import_
from actors.domain.errors import ConfigError, DataError
from actors.runtime.importing import source_format
from actors.runtime.importing.source import ImportRequest, SourceRows
from actors.runtime.store import Catalog

FRIDAY_NS, MONDAY_NS = 1_741_357_800 * 10**9, 1_741_613_400 * 10**9
"""2025-03-07 14:30 and 2025-03-10 13:30 UTC: 09:30 in New York before and after the clocks change."""
RAW_SYMBOL, INSTRUMENT_ID = 1, 0
OHLCV_1M = 6
UNDEFINED = 2**63 - 1
HEADER = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol"


class Mapping(NamedTuple):
    symbol: str
    start: int
    end: int
    instrument: str


MAPPINGS = (Mapping("AAPL", 20250307, 20250311, "38"), Mapping("MSFT", 20250307, 20250311, "10888"))


def text(value: str, length: int = 71) -> bytes:
    return value.encode().ljust(length, b"\0")


def head(
    mappings: Sequence[Mapping] = MAPPINGS, stype_in: int = RAW_SYMBOL, stype_out: int = INSTRUMENT_ID
) -> bytes:
    """Write the head of DBN version 2 as Databento's documentation lays it out."""
    fixed = struct.pack(
        "<16sHQQQBBBH53x", b"XNAS.ITCH", OHLCV_1M, FRIDAY_NS, 0, 0, stype_in, stype_out, 0, 71
    )
    symbols = list(dict.fromkeys(mapping.symbol for mapping in mappings))
    count = struct.pack("<I", len(symbols))
    spans = [[mapping for mapping in mappings if mapping.symbol == symbol] for symbol in symbols]
    body = [fixed, struct.pack("<I", 0), count, *map(text, symbols), struct.pack("<II", 0, 0), count]
    for symbol, of_symbol in zip(symbols, spans, strict=True):
        body += [text(symbol), struct.pack("<I", len(of_symbol))]
        body += [struct.pack("<II", span.start, span.end) + text(span.instrument) for span in of_symbol]
    whole = b"".join(body)
    return b"DBN\x02" + struct.pack("<I", len(whole)) + whole


def bar(
    stamp: int,
    instrument: int = 38,
    prices: tuple[int, int, int, int] = (224_590000000, 224_600050000, 224_580000000, 224_595000000),
    rtype: int = 33,
    publisher: int = 2,
) -> bytes:
    return struct.pack("<BBHIQqqqqQ", 14, rtype, publisher, instrument, stamp, *prices, 12345)


def dbn(path: Path, *records: bytes, mappings: Sequence[Mapping] = MAPPINGS) -> Path:
    path.write_bytes(head(mappings) + b"".join(records))
    return path


def table(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def zstd(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.zst")
    with pa.CompressedOutputStream(str(packed), "zstd") as stream:
        stream.write(path.read_bytes())
    return packed


def read(path: Path, request: ImportRequest | None = None) -> list[SourceRows]:
    return list(source_format("databento").read(path, request or ImportRequest()))


def shown(rows: SourceRows) -> tuple[str, str, list[int], list[float], list[int]]:
    return rows.symbol, rows.interval, rows.stamps.tolist(), rows.columns["open"].tolist(), rows.rows.tolist()


def test_records_open_at_ts_event_and_have_the_symbols_of_the_head(tmp_path: Path) -> None:
    file = dbn(tmp_path / "x.dbn", bar(FRIDAY_NS), bar(FRIDAY_NS, 10888, (1, 1, 1, 1)), bar(MONDAY_NS))
    for path in (file, zstd(file)):
        apple, microsoft = read(path)
        assert shown(apple) == ("AAPL", "1m", [FRIDAY_NS, MONDAY_NS], [224.59, 224.59], [1, 3])
        assert shown(microsoft) == ("MSFT", "1m", [FRIDAY_NS], [1e-9], [2])
        assert {name: column[0] for name, column in apple.columns.items()} == {
            "open": 224.59, "high": 224.60005, "low": 224.58, "close": 224.595, "volume": 12345.0,
        }  # fmt: skip


def test_a_symbol_may_stand_for_other_instruments_on_other_days(tmp_path: Path) -> None:
    rolled = (Mapping("ES.c.0", 20250307, 20250310, "5"), Mapping("ES.c.0", 20250310, 20250311, "6"))
    (rows,) = read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS, 5), bar(MONDAY_NS, 6), mappings=rolled))
    assert (rows.symbol, rows.stamps.tolist()) == ("ES.c.0", [FRIDAY_NS, MONDAY_NS])


def test_an_instrument_may_stand_for_other_symbols_on_other_days(tmp_path: Path) -> None:
    renamed = (Mapping("FB", 20250307, 20250310, "5"), Mapping("META", 20250310, 20250311, "5"))
    old, new = read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS, 5), bar(MONDAY_NS, 5), mappings=renamed))
    assert (old.symbol, old.stamps.tolist()) == ("FB", [FRIDAY_NS])
    assert (new.symbol, new.stamps.tolist()) == ("META", [MONDAY_NS])


def test_a_request_by_number_is_mapped_the_other_way(tmp_path: Path) -> None:
    mapping = Mapping("38", 20250307, 20250311, "AAPL")
    path = tmp_path / "x.dbn"
    path.write_bytes(head([mapping], INSTRUMENT_ID, RAW_SYMBOL) + bar(FRIDAY_NS))
    (rows,) = read(path)
    assert rows.symbol == "AAPL"


@pytest.mark.parametrize(("rtype", "interval"), [(32, "1s"), (33, "1m"), (34, "1h"), (35, "1d")])
def test_the_record_type_says_the_interval(rtype: int, interval: str, tmp_path: Path) -> None:
    (rows,) = read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS, rtype=rtype)))
    assert rows.interval == interval


def test_undefined_prices_are_no_numbers(tmp_path: Path) -> None:
    (rows,) = read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS, prices=(UNDEFINED, 2, 1, 1))))
    assert np.isnan(rows.columns["open"]).tolist() == [True]


def test_rows_of_a_long_file_are_numbered_through(tmp_path: Path) -> None:
    minute = 60 * 10**9
    stamps = [FRIDAY_NS + at * minute for at in range(80_000)]
    mapping = Mapping("AAPL", 20250307, 20260311, "38")
    pieces = read(dbn(tmp_path / "x.dbn", *map(bar, stamps), mappings=[mapping]))
    assert len(pieces) > 1
    assert np.concatenate([piece.rows for piece in pieces]).tolist() == list(range(1, 80_001))
    assert np.concatenate([piece.stamps for piece in pieces]).tolist() == stamps


def test_a_record_without_a_symbol_on_its_day_is_refused(tmp_path: Path) -> None:
    for records in ((bar(FRIDAY_NS), bar(FRIDAY_NS, 39)), (bar(FRIDAY_NS, 39), bar(FRIDAY_NS))):
        with pytest.raises(DataError, match=r"x\.dbn: instrument 39, as in row [12], has no symbol"):
            read(dbn(tmp_path / "x.dbn", *records), ImportRequest(symbol="AAPL"))


def test_without_any_symbols_the_one_instrument_needs_a_name(tmp_path: Path) -> None:
    path = dbn(tmp_path / "x.dbn", bar(FRIDAY_NS), mappings=[])
    with pytest.raises(ConfigError, match="--symbol"):
        read(path)
    assert read(path, ImportRequest(symbol="AAPL"))[0].symbol == "AAPL"
    several = dbn(tmp_path / "x.dbn", bar(FRIDAY_NS), bar(FRIDAY_NS, 39), mappings=[])
    with pytest.raises(DataError, match="no symbol"):
        read(several, ImportRequest(symbol="AAPL"))


def test_an_instrument_with_two_symbols_at_once_is_refused(tmp_path: Path) -> None:
    twice = (Mapping("ES.c.0", 20250307, 20250311, "38"), Mapping("ESH5", 20250307, 20250311, "38"))
    with pytest.raises(DataError, match=r"instrument 38 is both ES\.c\.0 and ESH5; request one of them"):
        read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS), mappings=twice))


def test_bars_of_two_publishers_are_no_stream(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2 is AAPL by publisher 43, others by 2"):
        read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS), bar(FRIDAY_NS, publisher=43)))


def test_other_records_are_refused(tmp_path: Path) -> None:
    trade = struct.pack("<BBHIQqIccBBQiI", 12, 0, 2, 38, FRIDAY_NS, 1, 1, b"T", b"A", 0, 0, FRIDAY_NS, 0, 1)
    with pytest.raises(
        DataError, match="record 1 is a TradeMsg, not a bar; import a file of an ohlcv schema"
    ):
        read(dbn(tmp_path / "x.dbn", trade))
    with pytest.raises(DataError, match="row 1 has rtype 36"):
        read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS, rtype=36)))


def test_a_dbn_file_that_is_cut_short_or_damaged_is_refused(tmp_path: Path) -> None:
    path = dbn(tmp_path / "x.dbn", *[bar(FRIDAY_NS + at) for at in range(100)])
    whole = path.read_bytes()
    packed = zstd(path).read_bytes()
    for content in (whole[:-1], whole[:60], packed[:-10], packed[: len(packed) // 2], whole + bytes(56)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.dbn: .*; copy it again from its source"):
            read(path)


def test_without_the_decoder_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "databento_dbn", None)
    monkeypatch.delitem(sys.modules, "actors.runtime.importing.dbn", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'sessionflow\[databento\]', or import CSV files"):
        read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS)))


@pytest.mark.parametrize(
    "lines",
    [
        (
            "2025-03-07T14:30:00.000000000Z,33,2,38,224.590000000,225.000000000,224.000000000,224.500000000,10,AAPL",
            "2025-03-10T13:30:00.000000000Z,33,2,38,224.590000000,225.000000000,224.000000000,224.500000000,10,AAPL",
        ),
        (
            f"{FRIDAY_NS},33,2,38,224590000000,225000000000,224000000000,224500000000,10,AAPL",
            f"{MONDAY_NS},33,2,38,224590000000,225000000000,224000000000,224500000000,10,AAPL",
        ),
    ],
    ids=["pretty", "fixed"],
)
def test_csv_files_are_read_pretty_or_not(lines: tuple[str, str], tmp_path: Path) -> None:
    file = table(tmp_path / "x.csv", HEADER, *lines)
    for path in (file, zstd(file)):
        (rows,) = read(path)
        assert shown(rows) == ("AAPL", "1m", [FRIDAY_NS, MONDAY_NS], [224.59, 224.59], [2, 3])
        assert rows.columns["volume"].tolist() == [10.0, 10.0]
        assert rows.content is not None
        assert rows.content(3) == lines[1]


@pytest.mark.parametrize(("pretty_price", "pretty_time"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("packing", [databento_dbn.Compression.NONE, databento_dbn.Compression.ZSTD])
def test_a_csv_file_by_databentos_own_writer_says_the_same_as_the_dbn_file(
    pretty_price: bool,  # noqa: FBT001
    pretty_time: bool,  # noqa: FBT001
    packing: databento_dbn.Compression,
    tmp_path: Path,
) -> None:
    stamps = [FRIDAY_NS + at * 60 * 10**9 for at in range(50)]
    records = [bar(stamp, 38 + at % 2 * 10850) for at, stamp in enumerate(stamps)]
    undefined = bar(MONDAY_NS, prices=(UNDEFINED, 2, 1, 1))
    source = dbn(tmp_path / "x.dbn", *records, undefined)
    written = tmp_path / "x.csv"
    with written.open("wb") as file:
        csv = databento_dbn.Transcoder(
            file, databento_dbn.Encoding.CSV, packing, pretty_px=pretty_price, pretty_ts=pretty_time
        )
        csv.write(source.read_bytes())
        csv.flush()
        csv.finish()
    for from_csv, from_dbn in zip(read(written), read(source), strict=True):
        assert from_csv.symbol == from_dbn.symbol
        assert from_csv.stamps.tolist() == from_dbn.stamps.tolist()
        for name, column in from_dbn.columns.items():
            np.testing.assert_array_equal(from_csv.columns[name], column)


def test_a_csv_file_that_mixes_prices_is_refused(tmp_path: Path) -> None:
    lines = (f"{FRIDAY_NS},33,2,38,1.5,2.0,1.0,1.5,10,AAPL", f"{MONDAY_NS},33,2,38,1.5,2,1.0,1.5,10,AAPL")
    with pytest.raises(DataError, match="line 3 has the price 2, but others are with a point"):
        read(table(tmp_path / "x.csv", HEADER, *lines))


def test_a_csv_file_without_symbols_needs_one(tmp_path: Path) -> None:
    header = HEADER.removesuffix(",symbol")
    path = table(tmp_path / "x.csv", header, f"{FRIDAY_NS},33,2,38,1.5,2.0,1.0,1.5,10")
    with pytest.raises(ConfigError, match="--symbol"):
        read(path)
    assert read(path, ImportRequest(symbol="AAPL"))[0].symbol == "AAPL"


def test_a_csv_file_with_symbols_in_some_rows_only_is_refused(tmp_path: Path) -> None:
    lines = [f"{FRIDAY_NS},33,2,38,1.5,2.0,1.0,1.5,10,{symbol}" for symbol in ("AAPL", "")]
    with pytest.raises(DataError, match="instrument 38, as in row 3, has no symbol"):
        read(table(tmp_path / "x.csv", HEADER, *lines), ImportRequest(symbol="AAPL"))


def test_faulty_lines_of_a_csv_file_are_shown(tmp_path: Path) -> None:
    good = f"{FRIDAY_NS},33,2,38,1.5,2.0,1.0,1.5,10,AAPL"
    bad = (
        f"{FRIDAY_NS},33",
        "noon,33,2,38,1.5,2.0,1.0,1.5,10,AAPL",
        f"{FRIDAY_NS},x,2,38,1.5,2.0,1.0,1.5,10,AAPL",
    )
    (rows,) = read(table(tmp_path / "x.csv", HEADER, good, *bad, good.replace("2.0", "")))
    assert [(fault.row, fault.content) for fault in rows.faults] == [(3, bad[0]), (4, bad[1]), (5, bad[2])]
    assert rows.rows.tolist() == [2, 6]
    assert np.isnan(rows.columns["high"]).tolist() == [False, True]
    with pytest.raises(DataError, match=r"no row can be read; row 2: .*noon"):
        read(table(tmp_path / "x.csv", HEADER, bad[1]))


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.csv: its first line has no ts_event, rtype"):
        read(table(tmp_path / "x.csv", "date,open,high,low,close,volume", "2025-03-07,1,1,1,1,1"))
    (tmp_path / "x.bin").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match=r"x\.bin: is neither DBN nor CSV"):
        read(tmp_path / "x.bin")


def test_an_interval_other_than_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--interval: is 1s, but the file holds 1m bars"):
        read(dbn(tmp_path / "x.dbn", bar(FRIDAY_NS)), ImportRequest(interval="1s"))


def imported(catalog: Path, *arguments: str) -> str:
    result = CliRunner().invoke(import_, ["--format", "databento", "--catalog", str(catalog), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_bars_reach_the_catalog_and_one_symbol_may_be_chosen(tmp_path: Path) -> None:
    path = dbn(tmp_path / "x.dbn", bar(FRIDAY_NS), bar(FRIDAY_NS, 10888), bar(MONDAY_NS))
    imported(tmp_path / "catalog", "--symbol", "AAPL", str(zstd(path)))
    catalog = Catalog(tmp_path / "catalog")
    rows = catalog.read("AAPL", "1m", 0, 2**62)
    assert catalog.symbols() == ("AAPL",)
    assert rows.open_ts.tolist() == [FRIDAY_NS, MONDAY_NS]
    assert rows.columns["low"].tolist() == [224.58, 224.58]
