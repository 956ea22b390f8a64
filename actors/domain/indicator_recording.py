"""Turn what indicators gave into the columns of tables. `docs/run_folder.md` describes them.

Tables grow by parts, which are cut by rows alone: no file depends on how windows are cut.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from math import nan
from typing import Final, NamedTuple, cast

import numpy as np

from actors.domain.bar_shelves import Table
from actors.domain.bar_views import BarColumns, Floats, Ints
from actors.domain.equal_runs import distinct
from actors.domain.indicator_values import Values
from actors.domain.indicators import IndicatorBoard, outputs
from actors.domain.ports import Columns, Share, Sparse, TableSink
from actors.domain.recording import Labels
from actors.domain.session_plan import IndicatorSpec, SessionPlan

PART_NUMBERS: Final = 250_000
"""How many values of a table are kept in memory: 2 MB."""
LABELS: Final = 10
"""How many values the session, the time and the symbol of a row take, as much as on their way to a file."""


class NoTables:
    """Where the tables go that nobody wants."""

    def write(self, columns: Columns, shares: Sequence[Share]) -> None:
        """Forget tables."""

    def append(self, path: str, columns: Columns) -> None:
        """Forget rows."""

    def close(self) -> None:
        """Have nothing to finish."""


NO_TABLES: Final = NoTables()


class Part(NamedTuple):
    """Rows of a table."""

    ints: Ints
    """Session, event time and stream; of shape (3, n)."""
    floats: Floats
    """Values, of shape (columns, n); NaN where there is none."""

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.ints.shape[1])

    def slice(self, start: int, end: int | None = None) -> "Part":
        """View some of the rows."""
        return Part(self.ints[:, start:end], self.floats[:, start:end])


class Parts:
    """Rows on their way into parts of equal size."""

    def __init__(self, columns: int, capacity: int) -> None:
        """Hold none; a part has `capacity` rows."""
        self._columns = columns
        self._capacity = capacity
        self._begin()

    def add(self, rows: Part) -> Iterator[Part]:
        """Take rows; give the parts that they make full."""
        start = 0
        while (end := start + self._capacity - self._held) <= rows.rows:
            self._fill(rows.slice(start, end))
            yield self.take()
            start = end
        self._fill(rows.slice(start))

    def take(self) -> Part:
        """Take the rows that are held, if any; what was taken stays what it is."""
        part = self._part.slice(0, self._held)
        self._begin()
        return part

    def _begin(self) -> None:
        ints = np.empty((3, self._capacity), dtype=np.int64)
        self._part = Part(ints, np.empty((self._columns, self._capacity), dtype=np.float64))
        self._held = 0

    def _fill(self, rows: Part) -> None:
        place = self._part.slice(self._held, self._held + rows.rows)
        place.ints[:], place.floats[:] = rows
        self._held += rows.rows


class IndicatorTable:
    """The values of a strategy's indicators on one interval: a row per bar, as bars are delivered."""

    def __init__(
        self, plan: SessionPlan, path: str, specs: Sequence[IndicatorSpec], part_numbers: int
    ) -> None:
        """Hold no row. There is a spec, and all are of one interval."""
        self._path = path
        self._names = {spec.key: column_names(spec) for spec in specs}
        interval = specs[0].interval
        self._is_ours = np.array([stream.interval == interval for stream in plan.served], dtype=np.bool_)
        self._symbols = [stream.symbol for stream in plan.served]
        self._labels = Labels(plan)
        self._width = sum(map(len, self._names.values()))
        self._parts = Parts(self._width, max(1, part_numbers // (self._width + LABELS)))

    def add(self, session: int, bars: BarColumns, board: IndicatorBoard) -> Iterator[Table]:
        """Take the values after each bar of a window that the board was given last; give the full parts."""
        rows = np.flatnonzero(self._is_ours[bars.stream])
        if not len(rows):
            return
        streams = bars.stream[rows]
        sessions = np.full(len(rows), session)
        floats = np.empty((self._width, len(rows)), dtype=np.float64)
        floats[:, np.argsort(streams, kind="stable")] = self._read(board, streams)
        part = Part(np.stack((sessions, bars.close_ts[rows], streams)), floats)
        yield from map(self._table, self._parts.add(part))

    def take(self) -> Table:
        """Take the rows that are held, if any."""
        return self._table(self._parts.take())

    def _read(self, board: IndicatorBoard, streams: Ints) -> Floats:
        """Give the values of all columns, symbol after symbol."""
        symbols = [self._symbols[stream] for stream in distinct(streams).tolist()]
        return np.concatenate(
            [numbers(board.window_values(key, symbols), len(names)) for key, names in self._names.items()]
        )

    def _table(self, part: Part) -> Table:
        sessions, event_ts, streams = part.ints
        names = chain.from_iterable(self._names.values())
        columns = {
            "session": self._labels.dates(sessions),
            "event_ts": event_ts,
            "symbol": self._labels.symbols(streams),
            **dict(zip(names, map(Sparse, part.floats), strict=True)),
        }
        return Table(self._path, columns)


class IndicatorRecording:
    """The values of a strategy's indicators on their way to tables, one per interval."""

    def __init__(
        self,
        plan: SessionPlan,
        strategy: str,
        board: IndicatorBoard,
        sink: TableSink,
        part_numbers: int = PART_NUMBERS,
    ) -> None:
        """Have recorded nothing."""
        self._board = board
        self._sink = sink
        specs = board.specs if plan.indicator_tables else ()
        self._tables = [
            IndicatorTable(plan, f"indicators/{strategy}/{interval}.parquet", list(group), part_numbers)
            for interval, group in groupby(sorted(specs, key=_interval), key=_interval)
        ]

    def add(self, session: int, bars: BarColumns) -> None:
        """Take the values after each bar of a window that the board was given last."""
        for table in self._tables:
            self._append(table.add(session, bars, self._board))

    def finish(self) -> None:
        """Write what is left."""
        self._append(table.take() for table in self._tables)

    def _append(self, tables: Iterable[Table]) -> None:
        for table in tables:
            self._sink.append(table.path, table.columns)


def _interval(spec: IndicatorSpec) -> str:
    return spec.interval


def column_names(spec: IndicatorSpec) -> tuple[str, ...]:
    """Name an indicator's columns: `sma_20_5m`, or `macd_5m.signal` where it gives several numbers."""
    return tuple(f"{spec.key}.{output}" for output in outputs(spec)) or (spec.key,)


def numbers(values: Values, columns: int) -> Floats:
    """Lay values out in shape (columns, n), NaN for None: 0.03 µs for a float, 0.15 for three numbers."""
    if columns == 1:
        return np.array([values], dtype=np.float64)
    nothing = (nan,) * columns
    several = cast("list[tuple[float, ...] | None]", values)
    flat = chain.from_iterable(value or nothing for value in several)
    return np.fromiter(flat, dtype=np.float64, count=columns * len(values)).reshape(-1, columns).T
