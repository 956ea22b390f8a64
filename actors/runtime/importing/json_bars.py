"""Bars in JSON, as the interfaces of vendors give them: a list of objects."""

import gzip
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from actors.domain.errors import DataError
from actors.runtime.importing.source import RowFault, SourceRows
from actors.runtime.importing.times import Instants, Reasons

KEYS: Final = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
_GZIP: Final = b"\x1f\x8b"
Record = Mapping[str, Any]
Times = Callable[[Sequence[Any]], tuple[Instants, Reasons]]
"""From the records' `t` to stamps in ns UTC, and what is wrong with which."""


def is_json(path: Path) -> bool:
    """Tell whether a file begins as JSON does.

    Raises DataError where it cannot be read.
    """
    return _content(path, 64).lstrip()[:1] in {b"{", b"["}


def load_json(path: Path) -> Any:  # noqa: ANN401  whatever stands there
    """Read a file.

    Raises DataError where it cannot be read or is no JSON.
    """
    try:
        return msgspec.json.decode(_content(path))
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: is no whole JSON document ({error}); fetch it again") from error


def json_rows(symbol: str, interval: str, records: Sequence[Any], times: Times) -> SourceRows:
    """Turn records with the keys `t o h l c v` into rows."""
    whole = [record if isinstance(record, dict) else {} for record in records]
    stamps, reasons = times([record.get("t") for record in whole])
    present = np.ones(len(records), np.bool_)
    present[list(reasons)] = False
    columns = {name: np.array([_number(record.get(key)) for record in whole]) for name, key in KEYS.items()}

    def content(number: int) -> str:
        return json.dumps(records[number - 1])

    return SourceRows(
        symbol,
        interval,
        stamps[present],
        {name: values[present] for name, values in columns.items()},
        np.flatnonzero(present) + 1,
        tuple(RowFault(at + 1, content(at + 1), reasons[at]) for at in sorted(reasons)),
        content,
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _content(path: Path, length: int = -1) -> bytes:
    """Read a file, or its beginning; one packed by gzip is unpacked."""
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == _GZIP
            return gzip.GzipFile(fileobj=file).read(length) if packed else file.read(length)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason}); check the file's name and rights") from error
