from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cli.data_import import import_
from actors.domain.errors import ConfigError, DataError
from actors.runtime.importing import source_format
from actors.runtime.importing.source import ImportRequest, SourceRows
from actors.runtime.store import Catalog

AAPL = "AAPL.XNAS-1-MINUTE-LAST-EXTERNAL"
MINUTE_NS = 60 * 10**9
FIRST_NS, SECOND_NS = 1_741_357_860 * 10**9, 1_741_613_460 * 10**9
"""2025-03-07 14:31 and 2025-03-10 13:31 UTC: 09:31 in New York before and after the clocks change."""
BARS = {
    "open": ["924.59", "224.60"],
    "high": ["925.00", "224.70"],
    "low": ["924.01", "224.50"],
    "close": ["924.60", "224.65"],
    "volume": ["12345", "0.5"],
}


def raw(text: str, digits: int) -> int:
    return int(Decimal(text).scaleb(digits))


def of_bytes(width: int, digits: int) -> Callable[[list[str]], Any]:
    def column(texts: list[str]) -> Any:  # noqa: ANN401
        cells = [raw(text, digits).to_bytes(width, "little", signed=True) for text in texts]
        return pa.array(cells, type=pa.binary(width))

    return column


FORMS: dict[str, Callable[[list[str]], Any]] = {
    "16 bytes": of_bytes(16, 16),
    "8 bytes": of_bytes(8, 9),
    "int64": lambda texts: pa.array([raw(text, 9) for text in texts], type=pa.int64()),
    "uint64": lambda texts: pa.array([raw(text, 9) for text in texts], type=pa.uint64()),
    "decimals": lambda texts: pa.array([Decimal(text) for text in texts], type=pa.decimal128(38, 16)),
    "floats": lambda texts: pa.array([float(text) for text in texts], type=pa.float64()),
    "texts": lambda texts: pa.array(texts, type=pa.string()),
}


def written(
    root: Path,
    columns: dict[str, Any],
    bar_type: str = AAPL,
    metadata: bool = True,  # noqa: FBT001, FBT002
) -> Path:
    path = root / "data" / "bar" / bar_type.replace("/", "") / "2025-03-07-2025-03-10.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = {"bar_type": bar_type, "price_precision": "2", "size_precision": "0"} if metadata else None
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(extra), path, compression="zstd")
    return path


def columns_of(
    form: str = "16 bytes", event: list[int] | None = None, delay_ns: int = 0, **others: list[str]
) -> dict[str, Any]:
    stamps = event or [FIRST_NS, SECOND_NS]
    return {
        **{name: FORMS[form](texts) for name, texts in {**BARS, **others}.items()},
        "ts_event": pa.array(stamps, type=pa.uint64()),
        "ts_init": pa.array([stamp + delay_ns for stamp in stamps], type=pa.uint64()),
    }


def read(path: Path, request: ImportRequest | None = None) -> SourceRows:
    (rows,) = source_format("nautilus").read(path, request or ImportRequest())
    return rows


@pytest.mark.parametrize("form", FORMS)
def test_bars_come_out_the_same_from_every_form_of_numbers(form: str, tmp_path: Path) -> None:
    rows = read(written(tmp_path, columns_of(form)))
    assert (rows.symbol, rows.interval, rows.label) == ("AAPL", "1m", "close")
    assert rows.stamps.tolist() == [FIRST_NS, SECOND_NS]
    assert {name: column.tolist() for name, column in rows.columns.items()} == {
        "open": [924.59, 224.6],
        "high": [925.0, 224.7],
        "low": [924.01, 224.5],
        "close": [924.6, 224.65],
        "volume": [12345.0, 0.5],
    }
    assert rows.rows.tolist() == [1, 2]


def test_stamps_may_be_arrow_timestamps_as_in_newer_catalogs(tmp_path: Path) -> None:
    instants = pa.array([FIRST_NS, SECOND_NS], type=pa.timestamp("ns", tz="UTC"))
    columns = {**columns_of("decimals"), "ts_event": instants, "ts_init": instants}
    assert read(written(tmp_path, columns)).stamps.tolist() == [FIRST_NS, SECOND_NS]


def test_a_size_beyond_signed_integers_is_a_size(tmp_path: Path) -> None:
    size = (2**63 + 10**9).to_bytes(8, "little")
    columns = {**columns_of("8 bytes"), "volume": pa.array([size, size], type=pa.binary(8))}
    assert read(written(tmp_path, columns)).columns["volume"].tolist() == [(2**63 + 10**9) / 10**9] * 2


def test_undefined_and_missing_prices_are_no_numbers(tmp_path: Path) -> None:
    undefined = (2**127 - 1).to_bytes(16, "little")
    columns = {**columns_of(), "low": pa.array([undefined, None], type=pa.binary(16))}
    assert np.isnan(read(written(tmp_path, columns)).columns["low"]).all()


def test_where_ts_init_is_an_interval_later_the_stamps_are_opens(tmp_path: Path) -> None:
    rows = read(written(tmp_path, columns_of(delay_ns=MINUTE_NS)))
    assert (rows.label, rows.stamps.tolist()) == ("open", [FIRST_NS, SECOND_NS])


def test_where_ts_init_is_a_little_later_the_stamps_are_closes(tmp_path: Path) -> None:
    assert read(written(tmp_path, columns_of(delay_ns=1_500_000))).label == "close"


@pytest.mark.parametrize("delay_ns", [-1, MINUTE_NS + 1, 10**18])
def test_where_ts_init_shows_neither_the_label_has_to_be_said(delay_ns: int, tmp_path: Path) -> None:
    path = written(tmp_path, columns_of(delay_ns=delay_ns))
    with pytest.raises(DataError, match="say --label open or --label close"):
        read(path)
    assert read(path, ImportRequest(label="open")).label == "open"
    assert read(path, ImportRequest(label="close")).label == "close"


def test_rows_that_disagree_about_the_label_are_refused(tmp_path: Path) -> None:
    init = pa.array([FIRST_NS, SECOND_NS + MINUTE_NS], type=pa.uint64())
    with pytest.raises(DataError, match="ts_init is neither"):
        read(written(tmp_path, {**columns_of(), "ts_init": init}))


def test_a_day_that_ends_at_midnight_keeps_its_date(tmp_path: Path) -> None:
    midnight_ns = 1_741_392_000 * 10**9
    path = written(tmp_path, columns_of(event=[midnight_ns] * 2), "AAPL.XNAS-1-DAY-LAST-INTERNAL")
    rows = read(path)
    assert rows.interval == "1d"
    assert str(rows.stamps.view("datetime64[ns]")[0].astype("datetime64[D]")) == "2025-03-07"


@pytest.mark.parametrize(
    ("bar_type", "symbol", "interval"),
    [
        ("AUD/USD.SIM-5-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL", "AUD/USD", "5m"),
        ("BRK.B.XNYS-1-HOUR-LAST-EXTERNAL", "BRK.B", "1h"),
        ("BTCUSDT-PERP.BINANCE-1-SECOND-LAST-EXTERNAL", "BTCUSDT-PERP", "1s"),
    ],
)
def test_the_bar_type_says_symbol_and_interval(
    bar_type: str, symbol: str, interval: str, tmp_path: Path
) -> None:
    rows = read(written(tmp_path, columns_of(), bar_type))
    assert (rows.symbol, rows.interval) == (symbol, interval)


def test_without_metadata_the_folder_says_the_bar_type(tmp_path: Path) -> None:
    assert read(written(tmp_path, columns_of(), metadata=False)).symbol == "AAPL"


def test_without_any_bar_type_symbol_and_interval_have_to_be_said(tmp_path: Path) -> None:
    path = written(tmp_path, columns_of(), "bars", metadata=False)
    with pytest.raises(ConfigError, match="--symbol"):
        read(path)
    rows = read(path, ImportRequest(symbol="AAPL", interval="1m"))
    assert (rows.symbol, rows.interval) == ("AAPL", "1m")


def test_bars_of_quotes_need_a_symbol_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path, columns_of(), "EUR/USD.IDEALPRO-1-MINUTE-BID-EXTERNAL")
    with pytest.raises(ConfigError, match="are of BID prices, not of trades; say under which symbol"):
        read(path)
    assert read(path, ImportRequest(symbol="EURUSD-BID")).symbol == "EURUSD-BID"


def test_bars_by_ticks_or_volume_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bars by TICK are not bars of a fixed time"):
        read(written(tmp_path, columns_of(), "AAPL.XNAS-100-TICK-LAST-INTERNAL"))


def test_an_interval_other_than_the_bar_types_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--interval: is 5m, but the file holds 1m bars"):
        read(written(tmp_path, columns_of()), ImportRequest(interval="5m"))


def test_a_file_of_other_data_is_refused(tmp_path: Path) -> None:
    columns = columns_of()
    quotes = {"bid_price": columns["open"], "ts_event": columns["ts_event"], "ts_init": columns["ts_init"]}
    with pytest.raises(DataError, match=r"\.parquet: has no column 'open'; it needs open, .*has bid_price"):
        read(written(tmp_path, quotes))


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("open", pa.array([b"12", b"13"], type=pa.binary(2))),
        ("close", pa.array([True, False])),
        ("ts_event", pa.array([1.0, 2.0])),
        ("ts_init", pa.array(["now", "then"])),
    ],
)
def test_an_unknown_encoding_is_refused_with_the_columns_name(name: str, column: Any, tmp_path: Path) -> None:  # noqa: ANN401
    with pytest.raises(DataError, match=f"column '{name}' is .*, in which NautilusTrader is not known"):
        read(written(tmp_path, {**columns_of(), name: column}))


def test_texts_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'high', rows 1 to 2: .*'dear'"):
        read(written(tmp_path, columns_of("texts", high=["dear", "1.0"])))


def test_stamps_that_are_missing_or_no_times_are_refused(tmp_path: Path) -> None:
    missing = pa.array([FIRST_NS, None], type=pa.uint64())
    with pytest.raises(DataError, match="column 'ts_event' has no value in row 2"):
        read(written(tmp_path, {**columns_of(), "ts_event": missing}))
    huge = pa.array([FIRST_NS, 2**64 - 1], type=pa.uint64())
    with pytest.raises(DataError, match="column 'ts_event' holds what are no nanoseconds"):
        read(written(tmp_path, {**columns_of(), "ts_event": huge}))


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, columns_of())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"\.parquet: cannot be read .*; copy it again from its source"):
        read(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=8), st.sampled_from(["16 bytes", "decimals"]))
def test_prices_are_the_floats_nearest_to_what_was_written(cents: list[int], form: str) -> None:
    texts = [f"{value // 100}.{value % 100:02}" for value in cents]
    columns = columns_of(form, event=[FIRST_NS] * len(texts), **dict.fromkeys(BARS, texts))
    with TemporaryDirectory() as folder:
        rows = read(written(Path(folder), columns))
    assert rows.columns["close"].tolist() == [float(text) for text in texts]


def imported(catalog: Path, *arguments: str) -> str:
    result = CliRunner().invoke(import_, ["--format", "nautilus", "--catalog", str(catalog), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_bars_reach_the_catalog_by_their_close_or_open(tmp_path: Path) -> None:
    for delay_ns, shift_ns in ((0, MINUTE_NS), (MINUTE_NS, 0)):
        catalog = tmp_path / f"catalog{delay_ns}"
        imported(catalog, str(written(tmp_path, columns_of(delay_ns=delay_ns))))
        rows = Catalog(catalog).read("AAPL", "1m", 0, 2**62)
        assert rows.open_ts.tolist() == [FIRST_NS - shift_ns, SECOND_NS - shift_ns]
        assert rows.columns["open"].tolist() == [924.59, 224.6]


def test_the_label_that_is_said_overrules_what_the_file_shows(tmp_path: Path) -> None:
    imported(tmp_path / "catalog", "--label", "open", str(written(tmp_path, columns_of())))
    rows = Catalog(tmp_path / "catalog").read("AAPL", "1m", 0, 2**62)
    assert rows.open_ts.tolist() == [FIRST_NS, SECOND_NS]
