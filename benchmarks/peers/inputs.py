"""Read the workload's bars. Runs in the environment of every peer, so it imports nothing of the project."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

FIELDS = ("open", "high", "low", "close", "volume")
STAMPS = ("open_ts", "close_ts")

Columns = dict[str, Any]
"""`open_ts close_ts` (int64, ns UTC) and `open high low close volume` (float64), arrays of shape (n,)."""


def symbols(folder: Path) -> list[str]:
    """List the symbols in the order of the configuration."""
    document = json.loads((folder / "session.json").read_bytes())
    names: list[str] = document["session_data_config"]["symbols"]
    return names


def minutes(folder: Path, symbol: str) -> Columns:
    """Read all minutes of a symbol, oldest first."""
    files = sorted((folder / "bars" / "interval=1m" / f"symbol={symbol}").rglob("*.parquet"))
    tables = [pq.ParquetFile(file).read() for file in files]
    stamps = {name: _column(tables, name, np.int64) for name in STAMPS}
    return stamps | {name: _column(tables, name, np.float64) for name in FIELDS}


def _column(tables: list[Any], name: str, kind: type) -> Any:  # noqa: ANN401  an array
    """Join the chunks buffer by buffer: `to_numpy` would import pandas where that is installed, 1 s."""
    chunks = [chunk for table in tables for chunk in table[name].chunks]
    views: list[Any] = [
        np.frombuffer(chunk.buffers()[1], kind)[chunk.offset :][: len(chunk)] for chunk in chunks
    ]
    return np.concatenate(views)


def report(bars: int, signals: int) -> None:
    """Print what a run did, as one line of JSON."""
    print(json.dumps({"bars": bars, "signals": signals}))
