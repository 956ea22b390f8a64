"""Read a run's tables back."""

from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from actors.domain.errors import DataError
from actors.runtime.store.bar_file import Arrow

BARS: Final = "bars"


def table_names(folder: Path) -> tuple[str, ...]:
    """List the tables of a run by name, sorted; `bars` stands for all files of bars."""
    names = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.parquet")}
    alone = {name for name in names if not name.startswith(f"{BARS}/")}
    return tuple(sorted(alone | ({BARS} if alone != names else set())))


def read_table(folder: Path, name: str) -> Arrow:
    """Read a table as Arrow.

    Raises DataError where there is none of that name, or it cannot be read.
    """
    path = folder / f"{name}.parquet"
    if not path.is_file():
        there = ", ".join(table_names(folder)) or "none: the run ended before any was written"
        raise DataError(f"{folder} has no table {name!r}; it has {there}")
    return _read(path)


def read_stream(folder: Path, symbol: str, interval: str) -> Arrow:
    """Read the bars of one stream, by time, as Arrow.

    Raises DataError where the run did not serve the stream, or a file cannot be read.
    """
    parts = sorted(
        (folder / BARS / f"interval={interval}" / f"symbol={quote(symbol, safe='')}").glob("*.parquet")
    )
    if not parts:
        raise DataError(
            f"{folder} has no {interval} bars of {symbol}: plan.json lists the streams of the run"
        )
    return pa.concat_tables([_read(part) for part in parts])


def _read(path: Path) -> Arrow:
    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); it is damaged, so run the session again"
        ) from error
