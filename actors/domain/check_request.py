"""What a check of stored bars is asked for. This module is light: the command line imports it at once."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """What is to be checked: by default all that is stored."""

    catalog: Path
    calendar: str | None = None
    """A calendar, or an exchange group; None takes the one that the files name."""
    symbols: tuple[str, ...] = ()
    intervals: tuple[str, ...] = ()
    start: date | None = None
    """None: each stream's first stored session."""
    end: date | None = None
    jump_ratio: float = 2.0
    corporate_actions: Path | None = None
    """A file of splits and dividends, which prices are judged after."""
    extended_hours: bool = False
    align: Literal["session", "clock"] = "session"
    """From where bars of an hour, say, are expected: as `derived.align` of a run."""
