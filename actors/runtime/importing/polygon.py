"""Bars as Polygon (Massive) gives them: aggregates as JSON, or flat files of all tickers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from actors.domain.errors import DataError
from actors.domain.screening import VALUES
from actors.runtime.importing.csv_bars import Dialect, read_csv
from actors.runtime.importing.json_bars import is_json, json_rows, load_json
from actors.runtime.importing.source import ImportRequest, Label, SourceRows
from actors.runtime.importing.times import COUNT_UNITS_NS, Instants, Reasons, UnitUnclear, unit_of

DIALECT: Final = Dialect(
    times=("window_start",),
    symbols=("ticker",),
    values={name: (name,) for name in VALUES},
    timezone="UTC",
)


class Polygon:
    """Aggregates (`results` with `t` in ms since 1970) or a flat file (`window_start` in ns since 1970)."""

    name = "polygon"
    label: Label | None = "open"
    timezone: str | None = "UTC"

    def read(self, path: Path, request: ImportRequest) -> Iterator[SourceRows]:
        """Give the rows of a file."""
        if not is_json(path):
            yield from read_csv(path, request, DIALECT)
            return
        document = load_json(path)
        records = document.get("results") if isinstance(document, dict) else None
        if not isinstance(records, list):
            raise DataError(f"{path}: has no 'results'; give the answer to a request for aggregates")
        symbol = document.get("ticker") or request.needed_symbol(path)
        yield json_rows(symbol, request.needed_interval(path), records, _times)


def _times(values: Sequence[Any]) -> tuple[Instants, Reasons]:
    reasons = {at: f"{value!r} is no count of ms" for at, value in enumerate(values) if not _is_ms(value)}
    counts = [0 if at in reasons else int(value) for at, value in enumerate(values)]
    return np.array(counts, dtype=np.int64) * COUNT_UNITS_NS["ms"], reasons


def _is_ms(value: object) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    try:
        return unit_of(value) == "ms"
    except UnitUnclear:
        return False
