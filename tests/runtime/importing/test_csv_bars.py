"""A text file's rows are what stands in it, however it is cut into blocks."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.errors import ConfigError, DataError
from actors.runtime.importing import source_format
from actors.runtime.importing.csv_bars import GENERIC, read_csv
from actors.runtime.importing.source import ImportRequest, RowFault, SourceRows

HEADER = "timestamp,open,high,low,close,volume"
NEW_YORK = ImportRequest("AAPL", "1m", "open", "America/New_York")


def written(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def read(path: Path, request: ImportRequest = NEW_YORK, block_bytes: int = 2**20) -> list[SourceRows]:
    return list(read_csv(path, request, GENERIC, block_bytes))


def stamps(pieces: list[SourceRows]) -> list[int]:
    return [stamp for piece in pieces for stamp in piece.stamps.tolist()]


def faults(pieces: list[SourceRows]) -> list[RowFault]:
    return sorted(fault for piece in pieces for fault in piece.faults)


def one(pieces: list[SourceRows]) -> SourceRows:
    (piece,) = [piece for piece in pieces if len(piece.stamps)]
    return piece


def test_rows_of_both_sides_of_a_clock_change_are_what_hand_reckoning_gives(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"{HEADER}\n2025-03-07 15:59:00,1,4,0.5,2,10\n2025-03-10 09:30:00,2,5,1.5,3,20\n",
    )
    rows = one(read(path))
    assert rows.stamps.tolist() == [utc("2025-03-07 20:59"), utc("2025-03-10 13:30")]
    assert {name: values.tolist() for name, values in rows.columns.items()} == {
        "open": [1.0, 2.0],
        "high": [4.0, 5.0],
        "low": [0.5, 1.5],
        "close": [2.0, 3.0],
        "volume": [10.0, 20.0],
    }
    assert rows.rows.tolist() == [2, 3]
    assert (rows.symbol, rows.interval) == ("AAPL", "1m")


@settings(max_examples=40)
@given(st.integers(1, 400), st.integers(0, 16), st.booleans())
def test_the_rows_do_not_depend_on_how_the_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory,
    block_bytes: int,
    gap: int,
    packed: bool,  # noqa: FBT001
) -> None:
    """Through the hour that New York has twice, with empty, short and wrong lines between."""
    minutes = [f"2025-11-02 {hour}:{minute:02}:00,1,2,1,{minute}.5,7" for hour, minute in _twice()]
    minutes.insert(gap, "")
    minutes.insert(gap + 2, "2025-11-02 01:00:00,1,2")
    minutes.insert(gap + 3, "soon,1,2,1,1,1")
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = "\r\n".join([HEADER, *minutes]).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    pieces = read(path, block_bytes=block_bytes)
    assert stamps(pieces) == [utc("2025-11-02 04:30") + 600 * 10**9 * at for at in range(len(_twice()))]
    assert [fault.row for fault in faults(pieces)] == [gap + 4, gap + 5]
    assert [fault.content for fault in faults(pieces)] == ["2025-11-02 01:00:00,1,2", "soon,1,2,1,1,1"]
    for piece in pieces:
        assert piece.content is not None
        assert [piece.content(row) for row in piece.rows.tolist()] == [minutes[row - 2] for row in piece.rows]


def _twice() -> list[tuple[str, int]]:
    hours = [("00", 30), ("00", 40), ("00", 50)]
    for hour in ("01", "01", "02"):
        hours += [(hour, minute) for minute in range(0, 60, 10)]
    return hours


def test_columns_go_by_name_whatever_their_order_case_and_neighbours(tmp_path: Path) -> None:
    text = "Volume, Close ,Low,note,High,Open,Date,Time\n9,2,1,x,4,3,20250702,0930\n"
    rows = one(read(written(tmp_path, text)))
    assert rows.stamps.tolist() == [utc("2025-07-02 13:30")]
    assert [rows.columns[name][0] for name in ("open", "high", "low", "close", "volume")] == [3, 4, 1, 2, 9]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_told_by_the_first_line(tmp_path: Path, delimiter: str) -> None:
    text = f"{HEADER}\n1751463000,1,2,1,2,3\n".replace(",", delimiter)
    assert stamps(read(written(tmp_path, text))) == [utc("2025-07-02 13:30")]


def test_what_is_no_number_is_nan_and_the_other_rows_of_the_block_stand(tmp_path: Path) -> None:
    lines = [
        f"2025-07-02 09:3{at}:00,1,2,1,{close},3" for at, close in enumerate(["1.5", "x", "", "nan", "1_0"])
    ]
    rows = one(read(written(tmp_path, "\n".join([HEADER, *lines]))))
    assert np.isnan(rows.columns["close"]).tolist() == [False, True, True, True, True]
    assert rows.columns["close"][0] == 1.5


def test_a_symbol_column_gives_a_piece_per_symbol(tmp_path: Path) -> None:
    text = f"symbol,{HEADER}\n" + "".join(
        f"{symbol},2025-07-02T13:{minute}:00Z,1,2,1,2,3\n" for minute in (30, 31) for symbol in ("B", "A")
    )
    pieces = [
        piece for piece in read(written(tmp_path, text), ImportRequest(None, "1m")) if len(piece.stamps)
    ]
    assert [(piece.symbol, piece.rows.tolist()) for piece in pieces] == [("A", [3, 5]), ("B", [2, 4])]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "time,open,high,low\n",
            "has no column for close, volume; its first line names time, open, high, low",
        ),
        ("2025-07-02 09:30,1,2,3,4,5\n", "has no column for a time"),
        ("", "has no first line"),
        (f"{HEADER}\r1751463000,1,2,1,2,3\r", "do not all end in LF"),
        (f"{HEADER}\n1751463000,1,2,1,2,3\r1751463060,1,2,1,2,3\n", "do not all end in LF"),
        ("\n\n", "has no first line"),
        (f"{HEADER}\n20250702,1,2,1,2,3\n", "s: 1970-08-23 09:11:42"),
    ],
)
def test_what_is_no_table_of_bars_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=r"a\.csv: ") as caught:
        read(written(tmp_path, text))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04....", "zip archive"),
        (b"PAR1....", "Parquet"),
        (b"\x28\xb5\x2f\xfd....", "zstd"),
        (HEADER.encode("utf-16"), "not a text file"),
        (gzip.compress(b"x" * 50, mtime=0)[:-9], "cannot be read"),
    ],
)
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.csv: ") as caught:
        read(tmp_path / "a.csv")
    assert message in str(caught.value)


def test_a_file_without_a_whole_row_gives_faults_alone(tmp_path: Path) -> None:
    pieces = read(written(tmp_path, f"{HEADER}\n1,2\n\n   \n3\n"))
    assert stamps(pieces) == []
    assert [(fault.row, fault.content) for fault in faults(pieces)] == [(2, "1,2"), (4, "   "), (5, "3")]


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read") as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_without_zone_and_label_the_readings_of_the_first_rows_are_shown(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER}\n2025-07-02 09:30:00,1,2,1,2,3\n")
    with pytest.raises(ConfigError) as caught:
        read(path, ImportRequest("AAPL", "1m"))
    zone, label = caught.value.problems
    assert zone.where == "--tz"
    assert "09:30:00 UTC with --tz UTC, 13:30:00 UTC with --tz America/New_York" in zone.message
    assert label.where == "--label"
    assert "row 2: 2025-07-02 09:30:00 to 09:31:00 with --label open" in label.message
    assert "2025-07-02 09:29:00 to 09:30:00 with --label close" in label.message


def test_a_symbol_and_an_interval_have_to_be_said(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER}\n")
    for request, option in ((ImportRequest("A"), "--interval"), (ImportRequest(None, "1m"), "--symbol")):
        with pytest.raises(ConfigError, match=option):
            read(path, request)


def test_alpaca_and_polygon_tables_are_in_utc_and_labelled_by_open(tmp_path: Path) -> None:
    alpaca, polygon = source_format("alpaca"), source_format("polygon")
    assert (alpaca.label, alpaca.timezone) == (polygon.label, polygon.timezone) == ("open", "UTC")
    first = written(tmp_path, "t,o,h,l,c,v,n,vw\n2025-07-02T13:30:00Z,1,2,1,2,3,4,1.5\n", "alpaca.csv")
    assert one(list(alpaca.read(first, ImportRequest("A", "1m")))).stamps.tolist() == [
        utc("2025-07-02 13:30")
    ]
    second = written(
        tmp_path,
        "ticker,volume,open,close,high,low,window_start,transactions\n"
        "B,1,2,3,4,1,1751463000000000000,5\nA,1,2,3,4,1,1751463060000000000,5\n",
        "polygon.csv",
    )
    pieces = [piece for piece in polygon.read(second, ImportRequest(None, "1m")) if len(piece.stamps)]
    assert [(piece.symbol, piece.stamps.tolist()) for piece in pieces] == [
        ("A", [utc("2025-07-02 13:31")]),
        ("B", [utc("2025-07-02 13:30")]),
    ]
