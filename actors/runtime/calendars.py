"""Exchange calendars from a cache of compiled tables, which a run reads in milliseconds.

A cache file is a checksum and a MessagePack body; its name carries the version of exchange_calendars and of
this format. A file that cannot be read is made anew; a folder that cannot be written costs only time.
"""

import contextlib
import importlib
import os
import tempfile
import zlib
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote

import msgspec
import numpy as np

from actors.domain.calendar_table import CalendarTable

CACHE_VARIABLE: Final = "SESSIONFLOW_CACHE_DIR"
_FORMAT: Final = 1
_COMPILER: Final = "actors.runtime.calendar_compiler"
_CHECKSUM_BYTES: Final = 4


class _CachedTable(msgspec.Struct, frozen=True, array_like=True):
    """A table as it stands in a file: columns are little-endian, days are counted from 1970-01-01."""

    name: str
    timezone: str
    first: date
    last: date
    weekmask: str
    days: bytes
    opens: bytes
    break_starts: bytes
    break_ends: bytes
    closes: bytes
    halves: bytes


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(_CachedTable).decode


class Calendars:
    """Give calendar tables by name."""

    def __init__(self, cache: Path | None = None) -> None:
        """Keep tables in `cache`; None takes the user's cache folder."""
        self._cache = cache if cache is not None else cache_folder()

    def table(self, name: str, last: date) -> CalendarTable:
        """Give a calendar, compiled anew where the cached one ends before `last`.

        The table may still end before `last`. Raises CalendarError where there is no such calendar.
        """
        path = self._cache / _file_name(name)
        cached = _read(path)
        if cached is not None and cached.name == name and last <= cached.last:
            return cached
        table = _compile(name)
        _write(path, table)
        return table


def cache_folder() -> Path:
    """Name the folder for calendars: below SESSIONFLOW_CACHE_DIR, else below the user's cache folder.

    A user without a home, as in some containers, gets a folder that cannot be.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen) / "calendars"
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        caches = Path(os.devnull)
    return caches / "sessionflow" / "calendars"


def _compile(name: str) -> CalendarTable:
    compiler = importlib.import_module(_COMPILER)
    return cast("CalendarTable", compiler.compile_calendar(name))


def _file_name(name: str) -> str:
    return f"{quote(name, safe='')}-{version('exchange_calendars')}-{_FORMAT}.msgpack"


def _read(path: Path) -> CalendarTable | None:
    try:
        content = path.read_bytes()
        body = content[_CHECKSUM_BYTES:]
        if zlib.crc32(body) != int.from_bytes(content[:_CHECKSUM_BYTES], "little"):
            return None
        return _unpacked(_DECODE(body))
    except (OSError, ValueError, msgspec.DecodeError):
        return None


def _write(path: Path, table: CalendarTable) -> None:
    body = _ENCODE(_packed(table))
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as folder:
            unfinished = Path(folder) / path.name
            unfinished.write_bytes(zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little") + body)
            unfinished.replace(path)


def _packed(table: CalendarTable) -> _CachedTable:
    return _CachedTable(
        name=table.name,
        timezone=table.timezone,
        first=table.first,
        last=table.last,
        weekmask=table.weekmask,
        days=table.days.astype("<i8").tobytes(),
        opens=table.opens.astype("<i8").tobytes(),
        break_starts=table.break_starts.astype("<i8").tobytes(),
        break_ends=table.break_ends.astype("<i8").tobytes(),
        closes=table.closes.astype("<i8").tobytes(),
        halves=table.halves.tobytes(),
    )


def _unpacked(cached: _CachedTable) -> CalendarTable:
    return CalendarTable(
        name=cached.name,
        timezone=cached.timezone,
        first=cached.first,
        last=cached.last,
        weekmask=cached.weekmask,
        days=np.frombuffer(cached.days, "<i8").astype("datetime64[D]"),
        opens=np.frombuffer(cached.opens, "<i8"),
        break_starts=np.frombuffer(cached.break_starts, "<i8"),
        break_ends=np.frombuffer(cached.break_ends, "<i8"),
        closes=np.frombuffer(cached.closes, "<i8"),
        halves=np.frombuffer(cached.halves, np.bool_),
    )
