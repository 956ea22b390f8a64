"""Bars as Alpaca gives them: `t o h l c v n vw`, as JSON or as a table; UTC, labelled by open."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from actors.domain.errors import DataError
from actors.runtime.importing.csv_bars import Dialect, read_csv
from actors.runtime.importing.json_bars import is_json, json_rows, load_json
from actors.runtime.importing.source import ImportRequest, Label, SourceRows
from actors.runtime.importing.times import Instants, Reasons, UnitUnclear, written_times

DIALECT: Final = Dialect(
    times=("t", "timestamp"),
    symbols=("symbol", "s"),
    values={
        "open": ("o", "open"),
        "high": ("h", "high"),
        "low": ("l", "low"),
        "close": ("c", "close"),
        "volume": ("v", "volume"),
    },
    timezone="UTC",
)


class Alpaca:
    """An answer of the API (`bars` of one symbol or of many, or only the list), or a table of it."""

    name = "alpaca"
    label: Label | None = "open"
    timezone: str | None = "UTC"

    def read(self, path: Path, request: ImportRequest) -> Iterator[SourceRows]:
        """Give the rows of a file."""
        if not is_json(path):
            yield from read_csv(path, request, DIALECT)
            return
        interval = request.needed_interval(path)
        for symbol, records in _bars(path, request, load_json(path)):
            yield json_rows(symbol, interval, records, _times)


def _bars(path: Path, request: ImportRequest, document: Any) -> Iterator[tuple[str, list[Any]]]:  # noqa: ANN401  any JSON
    """Find the lists of bars, each with its symbol."""
    bars = document.get("bars") if isinstance(document, dict) else document
    if isinstance(bars, dict):
        for symbol, records in bars.items():
            yield symbol, records if isinstance(records, list) else [records]
    elif isinstance(bars, list):
        held = document.get("symbol") if isinstance(document, dict) else None
        yield held or request.needed_symbol(path), bars
    else:
        raise DataError(f"{path}: has no 'bars'; give the answer to a request for bars")


def _times(values: Sequence[Any]) -> tuple[Instants, Reasons]:
    try:
        found = written_times([value if isinstance(value, str) else "" for value in values])
    except UnitUnclear as error:
        found = written_times([""] * len(values))
        return found.stamps, dict.fromkeys(range(len(values)), f"{error.count} is no time")
    unclear = dict.fromkeys(found.local.nonzero()[0].tolist(), "its time names no offset")
    return found.stamps, unclear | found.faults
