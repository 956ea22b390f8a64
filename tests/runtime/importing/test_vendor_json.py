"""Answers of vendors' interfaces give the rows that stand in them."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.domain.errors import ConfigError, DataError
from actors.runtime.importing import source_format
from actors.runtime.importing.source import ImportRequest, SourceRows

AT_0930 = int(datetime(2025, 7, 2, 13, 30, tzinfo=UTC).timestamp())
"""In New York."""
MINUTE = ImportRequest(None, "1m")


def read(folder: Path, name: str, document: object, request: ImportRequest = MINUTE) -> list[SourceRows]:
    path = folder / "a.json"
    path.write_text(json.dumps(document))
    return list(source_format(name).read(path, request))


def bar(time: object, **other: object) -> dict[str, Any]:
    return {"t": time, "o": 1, "h": 2.5, "l": 0.5, "c": 2, "v": 100, "n": 3, "vw": 1.5} | other


def test_alpaca_bars_of_many_symbols(tmp_path: Path) -> None:
    document = {
        "bars": {"B": [bar("2025-07-02T13:30:00Z")], "A": [bar("2025-03-07T14:30:00Z")]},
        "next_page_token": None,
    }
    first, second = read(tmp_path, "alpaca", document)
    assert (first.symbol, first.stamps.tolist()) == ("B", [AT_0930 * 10**9])
    assert {name: values.tolist() for name, values in first.columns.items()} == {
        "open": [1.0],
        "high": [2.5],
        "low": [0.5],
        "close": [2.0],
        "volume": [100.0],
    }
    assert second.stamps.tolist() == [int(datetime(2025, 3, 7, 14, 30, tzinfo=UTC).timestamp()) * 10**9]


@pytest.mark.parametrize("packed", [False, True])
def test_alpaca_bars_of_one_symbol_name_it_or_it_is_said(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001
    bars = [bar("2025-07-02T13:30:00Z")]
    assert read(tmp_path, "alpaca", {"bars": bars, "symbol": "A"})[0].symbol == "A"
    path = tmp_path / "list.json"
    text = json.dumps(bars).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    (rows,) = source_format("alpaca").read(path, ImportRequest("C", "1m"))
    assert (rows.symbol, rows.rows.tolist()) == ("C", [1])
    with pytest.raises(ConfigError, match="--symbol"):
        list(source_format("alpaca").read(path, MINUTE))


def test_alpaca_records_without_a_time_are_faults_with_their_content(tmp_path: Path) -> None:
    bars = [
        bar("2025-07-02T13:30:00Z"),
        bar("2025-07-02T13:31:00"),
        bar(17),
        "x",
        bar("2025-07-02T13:32:00Z", c="2"),
    ]
    (rows,) = read(tmp_path, "alpaca", {"bars": bars, "symbol": "A"})
    assert rows.rows.tolist() == [1, 5]
    assert [fault.row for fault in rows.faults] == [2, 3, 4]
    assert "names no offset" in rows.faults[0].reason
    assert json.loads(rows.faults[1].content) == bar(17)
    assert np.isnan(rows.columns["close"]).tolist() == [False, True]


def test_polygon_aggregates_count_milliseconds(tmp_path: Path) -> None:
    results = [bar(AT_0930 * 1000), bar(AT_0930), bar(True), bar(None), bar(AT_0930 * 1000 + 60_000)]
    (rows,) = read(tmp_path, "polygon", {"ticker": "A", "results": results, "adjusted": True})
    assert rows.symbol == "A"
    assert rows.stamps.tolist() == [AT_0930 * 10**9, (AT_0930 + 60) * 10**9]
    assert [fault.row for fault in rows.faults] == [2, 3, 4]
    assert "no count of ms" in rows.faults[0].reason


@pytest.mark.parametrize(
    ("name", "document"),
    [
        (
            "alpaca",
            {
                "symbol": "A",
                "bars": [
                    bar("2025-03-07T14:30:00Z", o=924.59),
                    bar("2025-03-10T13:30:00Z", o=224.6, h=224.7, l=224.5, c=224.65, v=7),
                ],
            },
        ),
        (
            "polygon",
            {
                "ticker": "A",
                "results": [
                    bar(1_741_357_800_000, o=924.59),
                    bar(1_741_613_400_000, o=224.6, h=224.7, l=224.5, c=224.65, v=7),
                ],
            },
        ),
    ],
)
def test_the_open_in_new_york_is_an_hour_earlier_in_utc_once_summer_time_has_begun(
    tmp_path: Path, name: str, document: object
) -> None:
    (rows,) = read(tmp_path, name, document)
    assert rows.stamps.tolist() == [1_741_357_800 * 10**9, 1_741_613_400 * 10**9]
    assert rows.columns["open"].tolist() == [924.59, 224.6]
    assert [rows.columns[field][1] for field in ("high", "low", "close", "volume")] == [
        224.7,
        224.5,
        224.65,
        7,
    ]


@pytest.mark.parametrize(("name", "what"), [("alpaca", "bars"), ("polygon", "results")])
@pytest.mark.parametrize("document", [{"message": "forbidden"}, {"bars": 1, "results": 1}])
def test_another_answer_is_refused_by_name(tmp_path: Path, name: str, what: str, document: object) -> None:
    with pytest.raises(DataError, match=rf"a\.json: has no '{what}'"):
        read(tmp_path, name, document)


def test_half_a_document_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"results": [')
    with pytest.raises(DataError, match=r"a\.json: is no whole JSON document"):
        list(source_format("polygon").read(tmp_path / "a.json", MINUTE))
