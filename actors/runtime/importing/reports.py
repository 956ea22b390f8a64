"""What an import was asked to do, and what became of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from actors.domain.calendar_table import CalendarTable
from actors.runtime.importing.source import ImportRequest
from actors.runtime.store.merging import Conflict

NOT_STATED: Final = "not stated"
"""The adjustment of files of which nobody said any."""


@dataclass(frozen=True)
class ImportSettings:
    """How files are brought into which catalog."""

    catalog: Path
    request: ImportRequest
    on_defect: Literal["reject", "quarantine"] = "reject"
    adjustment: str = NOT_STATED
    calendar: CalendarTable | None = None
    """The sessions that bars of a day belong to."""


@dataclass(frozen=True)
class StreamReport:
    """What became of one file's rows of one stream."""

    symbol: str
    interval: str
    rows: int
    """Those without fault: added, known, changed and repeated."""
    added: int
    known: int
    """Stored before with the same values."""
    changed: int
    """Stored before with other values, which these replaced."""
    repeated: int
    """Rows at whose stamp the file has a later row, which was taken."""
    unsorted: int
    off_grid: int
    first_open_ns: int
    last_open_ns: int
    conflicts: tuple[Conflict, ...]
    """The first of those changed, or repeated with other values."""
    written: tuple[str, ...]
    """The catalog's files that were written, relative to it."""


@dataclass(frozen=True)
class FileReport:
    """What became of one file."""

    path: str
    sha256: str
    quarantined: int
    quarantine: str | None
    """The file that the faulty rows are in."""
    streams: tuple[StreamReport, ...]
