"""Take the rows of one file: place them, sort out the faulty ones, stage the others."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.domain.intervals import Interval
from actors.domain.screening import VALUES, impossibility, possible
from actors.runtime.importing.fault_lists import FaultList
from actors.runtime.importing.placement import Placed, SessionDays, off_grid, placed
from actors.runtime.importing.source import Label, RowFault, SourceRows
from actors.runtime.importing.staging import ROW, Rows, Staging

Stream = tuple[str, str]
"""Symbol and interval."""
_BEFORE_ALL: Final = -(2**63)
_AFTER_ALL: Final = 2**63 - 1


@dataclass
class StreamTally:
    """What one file holds of one stream."""

    rows: int = 0
    off_grid: int = 0
    unsorted: int = 0
    lowest_open_ns: int = _AFTER_ALL
    highest_open_ns: int = _BEFORE_ALL


class IntakeRules(NamedTuple):
    """How rows are taken."""

    label: Label
    days: SessionDays | None
    sorts: bool
    """Whether unsorted rows are counted and taken, else they are faults."""


@dataclass
class Intake:
    """The rows of one file on their way into the staging."""

    number: int
    """Which of the imported files it is."""
    rules: IntakeRules
    staging: Staging
    faults: FaultList
    tallies: dict[Stream, StreamTally] = field(default_factory=dict)
    label: Label | None = None
    """What the stamps are, known with the first rows."""

    def take(self, rows: SourceRows) -> None:
        """Take some rows."""
        tally = self.tallies.setdefault((rows.symbol, rows.interval), StreamTally())
        interval = Interval.parse(rows.interval)
        self.label = rows.label or self.rules.label
        place = placed(rows.stamps, self.label, interval, self.rules.days)
        bad = ~possible(rows.columns)
        bad[list(place.faults)] = True
        late = ~bad & _late(np.where(bad, _BEFORE_ALL, place.open_ts), tally.highest_open_ns)
        refused = bad if self.rules.sorts else bad | late
        self.faults.take(
            int(np.count_nonzero(refused)) + len(rows.faults),
            heapq.merge(rows.faults, _faults(rows, place, refused), key=lambda fault: fault.row),
        )
        taken = _records(place, rows.columns)[~bad]
        self.staging.add(self.number, rows.symbol, rows.interval, taken)
        _count(tally, taken["open_ts"], interval)
        tally.unsorted += int(np.count_nonzero(late))


def _count(tally: StreamTally, opens: npt.NDArray[np.int64], interval: Interval) -> None:
    tally.rows += len(opens)
    if not len(opens):
        return
    tally.lowest_open_ns = min(tally.lowest_open_ns, int(opens.min()))
    tally.highest_open_ns = max(tally.highest_open_ns, int(opens.max()))
    tally.off_grid += off_grid(opens, interval)


def _late(opens: npt.NDArray[np.int64], before: int) -> npt.NDArray[np.bool_]:
    """Tell which rows stand behind a row that opens later."""
    return opens < np.maximum(np.maximum.accumulate(opens), before)


def _records(place: Placed, columns: dict[str, npt.NDArray[np.float64]]) -> Rows:
    records = np.empty(len(place.open_ts), dtype=ROW)
    records["open_ts"], records["close_ts"] = place.open_ts, place.close_ts
    for name in VALUES:
        records[name] = columns[name]
    return records


def _faults(rows: SourceRows, place: Placed, refused: npt.NDArray[np.bool_]) -> Iterator[RowFault]:
    good = possible(rows.columns)
    for at in np.flatnonzero(refused).tolist():
        values = {name: float(rows.columns[name][at]) for name in VALUES}
        if at in place.faults:
            reason = place.faults[at]
        elif good[at]:
            reason = "unsorted, it stands behind a row that opens later"
        else:
            reason = impossible_text(values)
        number = int(rows.rows[at])
        content = rows.content(number) if rows.content else _content(int(rows.stamps[at]), values)
        yield RowFault(number, content, reason)


def impossible_text(values: dict[str, float]) -> str:
    """Say what about five values cannot be."""
    missing = [name for name in VALUES if np.isnan(values[name])]
    return f"{missing[0]} is no number" if missing else impossibility(values)


def _content(stamp: int, values: dict[str, float]) -> str:
    numbers = ",".join(f"{value:g}" for value in values.values())
    return f"{np.datetime64(stamp, 'ns')}Z,{numbers}"
