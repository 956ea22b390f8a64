"""Notice in a run of one process that a strategy opens files of stored bars by itself."""

import os
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import msgspec

from actors.analysis import Analysis
from actors.runtime.store.parquet_audit import PARQUET_READ, audit_parquet_reads
from actors.runtime.strategy_loading import load_strategy

_EVENTS: Final = frozenset({"open", PARQUET_READ})
_HANDLING: Final[tuple[CodeType, ...]] = (Analysis._call.__code__, Analysis._deliver.__code__)  # noqa: SLF001
"""The frames that handlers run in."""
_LOADING: Final[CodeType] = load_strategy.__code__


class Reading(msgspec.Struct, frozen=True):
    """A file of stored bars that something else than the run itself has opened."""

    file: str
    """Below the catalog."""
    strategy: str | None = None
    """Its name, or its target while it is loaded; None where it is not known."""
    place: str | None = None
    """The handler; None outside of handlers."""
    traced: bool = True
    """False: the system tells of it, and it may have been another program."""


class ReadWatch:
    """An audit hook. The run itself reads `copy` alone, and a strategy neither it nor `catalog`."""

    def __init__(self, catalog: Path, copy: Path, report: Path) -> None:
        """Write a line to `report` for every reading, each once."""
        self._catalog = os.path.realpath(catalog)
        self._copy = os.path.realpath(copy)
        self._report = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._seen: set[Reading] = set()

    def install(self) -> None:
        """Watch this process from now on, to its end."""
        audit_parquet_reads()
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.realpath(os.fsdecode(arguments[0]))
        in_copy = _file_below(self._copy, path)
        file = in_copy or _file_below(self._catalog, path)
        if file is None:
            return
        strategy, place = _reader(sys._getframe(1))  # noqa: SLF001  there is no public way to the stack
        if strategy is not None or in_copy is None:
            self._note(Reading(file, strategy, place))

    def _note(self, reading: Reading) -> None:
        if reading not in self._seen:
            self._seen.add(reading)
            os.write(self._report, msgspec.json.encode(reading) + b"\n")


def read_report(report: Path) -> list[Reading]:
    """Read what a watch has written."""
    lines = report.read_bytes().splitlines() if report.exists() else []
    return [msgspec.json.decode(line, type=Reading) for line in lines]


def _file_below(catalog: str, path: str) -> str | None:
    """Give a path below a catalog's bars, or a folder that holds them, relative to the catalog."""
    bars = os.path.join(catalog, "bars")  # noqa: PTH118  in the way of every file that is opened
    if f"{path}/".startswith(f"{bars}/"):
        return os.path.relpath(path, catalog)
    return "bars" if path == catalog else None


def _reader(frame: FrameType | None) -> tuple[str | None, str | None]:
    """Find the strategy in whose handler, or in whose loading, this is."""
    while frame is not None:
        if frame.f_code in _HANDLING:
            return frame.f_locals["self"].strategy_name, frame.f_locals["name"]
        if frame.f_code is _LOADING:
            return frame.f_locals["target"], None
        frame = frame.f_back
    return None, None
