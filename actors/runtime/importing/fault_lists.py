"""What happens to rows that cannot be taken: they are shown, or written beside the catalog."""

import csv
import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, TextIO

from actors.runtime.importing.source import RowFault

SHOWN: Final = 10
_MAX_CONTENT: Final = 160


class FaultList(Protocol):
    """Where the faults of one file go."""

    count: int

    def take(self, count: int, faults: Iterable[RowFault]) -> None:
        """Take so many faults, in file order; their texts are made as far as they are looked at."""
        ...


class FirstFaults:
    """Keep the first faults of a file, to show them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self._first: list[RowFault] = []

    def take(self, count: int, faults: Iterable[RowFault]) -> None:
        """Count all, keep the first."""
        self.count += count
        self._first.extend(islice(faults, SHOWN - len(self._first)))

    def text(self) -> str:
        """Show the first ones, a line each."""
        first = sorted(self._first, key=lambda fault: fault.row)
        lines = [f"  row {fault.row}: {fault.reason}: {_cut(fault.content)}" for fault in first]
        more = self.count - len(self._first)
        return "\n".join([*lines, *([f"  and {more} more"] if more else [])])


class Quarantine:
    """Write the faults of a file as CSV; the file appears under its name when all are in it."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made with the first fault."""
        self.path = path
        self.count = 0
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._file: TextIO | None = None

    def take(self, count: int, faults: Iterable[RowFault]) -> None:
        """Write all."""
        if count:
            csv.writer(self._opened()).writerows(faults)
        self.count += count

    def finish(self) -> None:
        """Give the file its name."""
        if self._file is not None:
            self._file.close()
            self._partial.replace(self.path)

    def discard(self) -> None:
        """Leave nothing behind of a file that was not finished."""
        if self._file is not None:
            self._file.close()
            with suppress(FileNotFoundError):
                self._partial.unlink()

    def _opened(self) -> TextIO:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("w", newline="", encoding="utf-8")
            csv.writer(self._file).writerow(RowFault._fields)
        return self._file


def _cut(content: str) -> str:
    return content if len(content) <= _MAX_CONTENT else f"{content[:_MAX_CONTENT]}…"
