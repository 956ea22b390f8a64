"""Where two runs part: configuration, counts, digests, the first bar and the first signal that differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from actors.results import Run
from actors.results.columns import Column, Columns, columns_of

FIGURES: Final = ("bars", "derived", "quality", "gaps", "signals", "results", "suppressed_derived")
"""The parts of summary.json that two equal runs share."""
ABSENT: Final = "(not there)"


class Difference(NamedTuple):
    """A value that differs, by its JSON path."""

    where: str
    first: Any
    second: Any


class Parting(NamedTuple):
    """The first row in which two tables differ."""

    what: str
    """`AAPL 5m`, or `signals`."""
    event_ts: int
    """ns UTC, the earlier of the two."""
    first: Mapping[str, Any] | None
    """The row in the first run; None where its table is over."""
    second: Mapping[str, Any] | None


class Comparison(NamedTuple):
    """All that was compared."""

    configuration: tuple[Difference, ...]
    figures: tuple[Difference, ...]
    digests: tuple[Difference, ...]
    bar: Parting | None
    """The earliest bar that is not the same, of all streams that both runs served."""
    signal: Parting | None

    @property
    def is_equal(self) -> bool:
        """Whether the runs saw and did the same."""
        return not (self.digests or self.bar or self.signal)


def compare(first: Run, second: Run) -> Comparison:
    """Compare two runs that are over.

    Raises DataError where one has no summary, or a table cannot be read.
    """
    figures = ({name: run.summary.get(name) for name in FIGURES} for run in (first, second))
    return Comparison(
        configuration=tuple(differences("", first.config, second.config)),
        figures=tuple(differences("", *figures)),
        digests=tuple(differences("digest", first.summary["digest"], second.summary["digest"])),
        bar=_first_bar(first, second),
        signal=_first_row("signals", first, second),
    )


def differences(where: str, first: Any, second: Any) -> Iterator[Difference]:  # noqa: ANN401  JSON
    """Yield where two JSON values differ; `where` is the path of both."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in dict.fromkeys((*first, *second)):
            path = f"{where}.{key}" if where else key
            yield from differences(path, first.get(key, ABSENT), second.get(key, ABSENT))
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from differences(f"{where}[{index}]", one, other)
    elif first != second:
        yield Difference(where, first, second)


def _first_bar(first: Run, second: Run) -> Parting | None:
    shared = [stream for stream in first.streams if stream in second.streams]
    partings = (
        find_parting(f"{s} {i}", columns_of(first.bars(s, i)), columns_of(second.bars(s, i)), "close_ts")
        for s, i in shared
    )
    return min((parting for parting in partings if parting), key=lambda found: found.event_ts, default=None)


def _first_row(name: str, first: Run, second: Run) -> Parting | None:
    return find_parting(name, columns_of(first.table(name)), columns_of(second.table(name)), "event_ts")


def find_parting(what: str, first: Columns, second: Columns, clock: str) -> Parting | None:
    """Find the first row in which two tables of the same columns differ; None where they are equal.

    `clock` names the column of instants.
    """
    row = _first_unequal(list(first.values()), list(second.values()))
    if row is None:
        return None
    one, other = _row(first, row), _row(second, row)
    return Parting(what, min(found[clock] for found in (one, other) if found), one, other)


def _row(columns: Mapping[str, Column], row: int) -> Mapping[str, Any] | None:
    if row >= len(next(iter(columns.values()))):
        return None
    return {name: values[row : row + 1].tolist()[0] for name, values in columns.items()}


def _differ(first: Column, second: Column) -> Column:
    """Mark where two columns are not the same; no number is the same as no number."""
    both_numbers = first.dtype.kind == second.dtype.kind == "f"
    nothing = np.isnan(first) & np.isnan(second) if both_numbers else np.False_
    return np.asarray((first != second) & ~nothing)


def _first_unequal(first: Sequence[Column], second: Sequence[Column]) -> int | None:
    """Find the first row that is not the same in both, or that only one has."""
    shared = min(len(first[0]), len(second[0]))
    unequal = np.zeros(shared, dtype=np.bool_)
    for one, other in zip(first, second, strict=True):
        unequal |= _differ(one[:shared], other[:shared])
    if unequal.any():
        return int(np.argmax(unequal))
    return None if len(first[0]) == len(second[0]) else shared
