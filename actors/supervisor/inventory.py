"""What storage has of the bars that a plan needs, found by their open stamps alone."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from actors.domain.errors import DataError
from actors.domain.intervals import Interval
from actors.domain.ports import BarSource
from actors.domain.session_grid import Instants, SessionGrid
from actors.domain.session_plan import Session, Stored, Stream
from actors.supervisor.wording import listed

_BARS_AT_ONCE: Final = 2_000_000
_DATES_SHOWN: Final = 5
_LINES_SHOWN: Final = 20


class Inventory(NamedTuple):
    """What storage has."""

    stored: tuple[Stored, ...]
    """By STREAMED stream: its history, then the run."""
    history_bars: Mapping[int, int]
    """Stream id -> bars that the history before the first session gives; derived streams included."""


class StockTaker:
    """Count stored bars, stream by stream."""

    def __init__(self, source: BarSource, streams: tuple[Stream, ...], min_coverage: float) -> None:
        """Count in `source`; `streams` are those that are served."""
        self._source = source
        self._streams = streams
        self._derived: dict[int | None, list[Stream]] = {}
        for stream in streams:
            self._derived.setdefault(stream.base, []).append(stream)
        self._min_coverage = min_coverage
        self._grids: dict[tuple[str, int, int], tuple[SessionGrid, ...]] = {}

    def count(self, history: tuple[Session, ...], sessions: tuple[Session, ...]) -> Inventory:
        """Count over the sessions, and over as much of the history as each stream keeps.

        Raises DataError where storage is unreadable.
        """
        stored: list[Stored] = []
        history_bars = dict.fromkeys((stream.id for stream in self._streams), 0)
        for stream in self._streams:
            if stream.label == "STREAMED":
                kept = history[len(history) - stream.sessions_read :]
                stored += self._count_history(stream, kept, history_bars)
                stored += self._count_run(stream, sessions)
        return Inventory(tuple(stored), history_bars)

    def _count_run(self, stream: Stream, sessions: tuple[Session, ...]) -> Iterator[Stored]:
        for grid in self._grids_of(sessions, stream.interval):
            yield from _stored(stream, grid, self._stamps(stream, grid))

    def _count_history(
        self, stream: Stream, history: tuple[Session, ...], bars: dict[int, int]
    ) -> Iterator[Stored]:
        derived = self._derived.get(stream.id, [])
        for grid in self._grids_of(history, stream.interval):
            stamps = self._stamps(stream, grid)
            presence = grid.presence(stamps)
            bars[stream.id] += int(np.count_nonzero(presence))
            for other in derived:
                bars[other.id] += grid.derived(presence, Interval.parse(other.interval), self._min_coverage)
            yield from _stored(stream, grid, stamps)

    def _grids_of(self, sessions: tuple[Session, ...], interval: str) -> tuple[SessionGrid, ...]:
        if not sessions:
            return ()
        key = interval, sessions[0].index, len(sessions)
        if key not in self._grids:
            self._grids[key] = tuple(_grids(sessions, Interval.parse(interval)))
        return self._grids[key]

    def _stamps(self, stream: Stream, grid: SessionGrid) -> Instants:
        start_ns, end_ns = grid.sessions[0].previous_close_ns, grid.sessions[-1].close_ns
        stamps = self._source.open_stamps(stream.symbol, stream.interval, start_ns, end_ns)
        return np.sort(stamps, kind="stable")  # 60 times as fast where they ascend


def check_run(
    streams: tuple[Stream, ...], stored: Iterable[Stored], sessions: tuple[Session, ...], catalog: str
) -> None:
    """Make sure that every streamed (symbol, interval) has bars in every session of the run.

    Raises DataError, which lists those that have none.
    """
    absent = _absent(streams, stored, sessions)
    if absent:
        raise DataError(
            f"{catalog} has no bars for these sessions:\n{_shortened(absent, '  ')}\n"
            "import them, or change backtest_config.start_date and end_date or session_data_config.symbols"
        )


def history_warnings(
    streams: tuple[Stream, ...], stored: Iterable[Stored], history: tuple[Session, ...]
) -> tuple[str, ...]:
    """Name the streams that lack whole sessions of their history."""
    return tuple(f"no stored history of {line}" for line in _absent(streams, stored, history))


def _absent(
    streams: tuple[Stream, ...], stored: Iterable[Stored], sessions: tuple[Session, ...]
) -> list[str]:
    """Write a line for every stream without a bar on the grid of one of these sessions."""
    dates = {session.index: session.date for session in sessions}
    absent: dict[int, list[str]] = {}
    for holding in stored:
        if holding.session in dates and not holding.on_grid:
            absent.setdefault(holding.stream, []).append(dates[holding.session])
    return [
        f"{streams[id_].symbol} {streams[id_].interval}: {listed(days, _DATES_SHOWN)}"
        for id_, days in absent.items()
    ]


def _shortened(lines: list[str], indent: str) -> str:
    rest = len(lines) - _LINES_SHOWN
    shown = lines[:_LINES_SHOWN] + ([f"and {rest} more streams"] if rest > 0 else [])
    return "\n".join(f"{indent}{line}" for line in shown)


def _stored(stream: Stream, grid: SessionGrid, stamps: Instants) -> Iterator[Stored]:
    present = grid.present(grid.presence(stamps))
    counts = zip(grid.sessions, grid.expected, grid.rows(stamps), present, strict=True)
    for session, expected, rows, on_grid in counts:
        yield Stored(stream.id, session.index, int(expected), int(rows), int(on_grid))


def _grids(sessions: tuple[Session, ...], interval: Interval) -> Iterator[SessionGrid]:
    """Cut sessions into stretches whose stamps fit in memory at once."""
    stretch: list[Session] = []
    bars = 0
    for session in sessions:
        expected = _bars_at_most(session, interval)
        if stretch and bars + expected > _BARS_AT_ONCE:
            yield SessionGrid.of(tuple(stretch), interval)
            stretch, bars = [], 0
        stretch.append(session)
        bars += expected
    yield SessionGrid.of(tuple(stretch), interval)


def _bars_at_most(session: Session, interval: Interval) -> int:
    return (session.close_ns - session.open_ns) // interval.length_ns + 2 * len(session.parts)
