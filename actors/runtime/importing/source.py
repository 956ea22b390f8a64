"""What a format is, and what passes between it and the import.

A format reads one file and says what stands in it: rows, in file order, with the stamps as the source labels
them, as instants in UTC. It does not move stamps from close to open, judge prices or sort: that is the same
for all formats.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from actors.domain.errors import ConfigError, Problem

Label = Literal["open", "close"]
"""Whether a stamp is that of the bar's open or of its close."""


class RowFault(NamedTuple):
    """One row that cannot be taken as it is."""

    row: int
    """Its number in the file, as SourceRows counts."""
    content: str
    reason: str


class SourceRows(NamedTuple):
    """Some rows of one stream, in file order; arrays of shape (n,)."""

    symbol: str
    interval: str
    stamps: npt.NDArray[np.int64]
    """ns UTC, as labelled by the source."""
    columns: dict[str, npt.NDArray[np.float64]]
    """`open high low close volume`; NaN where the file has no number."""
    rows: npt.NDArray[np.int64]
    """Numbers for messages: lines count from 1 with the header, records of other files from 1."""
    faults: tuple[RowFault, ...] = ()
    """Rows whose stamp, symbol or shape cannot be read; they are not in the arrays."""
    content: Callable[[int], str] | None = None
    """Give the text of the row with this number; without it, messages show stamp and values."""
    label: Label | None = None
    """Set where the file shows it though its format does not fix it."""


@dataclass(frozen=True)
class ImportRequest:
    """What the user says about a file; None where not said."""

    symbol: str | None = None
    interval: str | None = None
    label: Label | None = None
    timezone: str | None = None

    def needed_symbol(self, path: Path) -> str:
        """Give the symbol, for a format that does not hold it.

        Raises ConfigError where it is not said.
        """
        return self.symbol or _missing(path, "--symbol", "the file does not say whose bars it holds; say it")

    def needed_interval(self, path: Path) -> str:
        """Give the interval, for a format that does not hold it.

        Raises ConfigError where it is not said.
        """
        return self.interval or _missing(
            path, "--interval", "the file does not say how long a bar is; say it"
        )


class SourceFormat(Protocol):
    """A way in which bars are stored by others."""

    name: str
    label: Label | None
    """Set where the format itself fixes it."""
    timezone: str | None
    """Set where the format itself fixes it."""

    def read(self, path: Path, request: ImportRequest) -> Iterator[SourceRows]:
        """Give the rows of a file, piece by piece, so that memory does not grow with the file.

        Rows of several streams may come in any order. Raises ConfigError where the request lacks something
        and DataError where the file is not of this format; both name the file.
        """
        ...


def _missing(path: Path, option: str, message: str) -> str:
    raise ConfigError(path, (Problem(option, message),))
