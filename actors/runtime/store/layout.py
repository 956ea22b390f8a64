"""Where a catalog keeps what: `bars/interval=1m/symbol=AAPL/year=2025/part-0.parquet`.

A symbol's folder has its name percent-encoded, so that no symbol leads out of the catalog. A file belongs in
the year of its open stamps; a day to either side is read too, for sources that go by the exchange's date.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from actors.domain.intervals import UNIT_NS, Interval, UnknownInterval

STAMPS: Final = ("open_ts", "close_ts")
VALUES: Final = ("open", "high", "low", "close", "volume")
_DAY_NS: Final = UNIT_NS["d"]
_INTERVAL_FOLDER: Final = re.compile(r"interval=(.+)")
_YEAR_FOLDER: Final = re.compile(r"year=([0-9]{4})")


class YearFile(NamedTuple):
    """One part file and the open stamps that it may hold, `[start_ns, end_ns)`."""

    path: Path
    start_ns: int
    end_ns: int


def bars_folder(catalog: Path) -> Path:
    """Name the folder that holds all bars."""
    return catalog / "bars"


def stream_folder(catalog: Path, symbol: str, interval: str) -> Path:
    """Name the folder of one stream."""
    return bars_folder(catalog) / f"interval={quote(interval, safe='')}" / f"symbol={quote(symbol, safe='')}"


def year_folder(catalog: Path, symbol: str, interval: str, year: int) -> Path:
    """Name the folder of one stream's year."""
    return stream_folder(catalog, symbol, interval) / f"year={year:04}"


def year_files(folder: Path) -> tuple[YearFile, ...]:
    """List the part files below a stream's folder by year, then by name; none where there is no folder."""
    years = sorted((int(match[1]), path) for path, match in _matching(folder, _YEAR_FOLDER))
    return tuple(
        YearFile(path, _year_start_ns(year) - _DAY_NS, _year_start_ns(year + 1) + _DAY_NS)
        for year, year_path in years
        for path in part_files(year_path)
    )


def part_files(folder: Path) -> tuple[Path, ...]:
    """List the part files of a year's folder by name; none where there is no folder."""
    return tuple(sorted(folder.glob("[!._]*.parquet")))


def stored_intervals(catalog: Path, symbol: str) -> tuple[str, ...]:
    """List the intervals with files of a symbol, shortest first."""
    names = [match[1] for _, match in _matching(bars_folder(catalog), _INTERVAL_FOLDER)]
    stored = [name for name in names if year_files(stream_folder(catalog, symbol, name))]
    return tuple(str(interval) for interval in sorted(_intervals(stored)))


def stored_symbols(catalog: Path) -> tuple[str, ...]:
    """List all symbols that have a folder, sorted."""
    found = bars_folder(catalog).glob("interval=*/symbol=*")
    return tuple(sorted({unquote(path.name.removeprefix("symbol=")) for path in found if path.is_dir()}))


def stored_streams(catalog: Path) -> tuple[tuple[str, str], ...]:
    """List the (symbol, interval) that have a folder, by symbol, then shortest first."""
    found = bars_folder(catalog).glob("interval=*/symbol=*")
    names = [
        (path.name.removeprefix("symbol="), path.parent.name.removeprefix("interval=")) for path in found
    ]
    streams = [
        (unquote(symbol), interval) for symbol, text in names for interval in _intervals([unquote(text)])
    ]
    return tuple((symbol, str(interval)) for symbol, interval in sorted(streams))


def _matching(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    for path in folder.glob("*=*"):
        match = pattern.fullmatch(path.name)
        if match is not None:
            yield path, match


def _intervals(texts: list[str]) -> Iterator[Interval]:
    for text in texts:
        try:
            yield Interval.parse(text)
        except UnknownInterval:
            continue


def _year_start_ns(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * UNIT_NS["s"]
