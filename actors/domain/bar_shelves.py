"""Keep recorded bars by stream until there are enough of them for a file."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import quote

import numpy as np

from actors.domain.ports import Columns, Share
from actors.domain.session_plan import SessionPlan, Stream
from protocol.blocks import BAR_DTYPE, BarFlag, Bars

_OPAQUE: Final = np.dtype((np.void, BAR_DTYPE.itemsize))
"""A bar as 68 bytes: numpy takes rows of it twenty times as fast as rows with fields."""
_BATCH_BARS: Final = 10_000
"""So many bars of short files are made into columns at once: file by file takes three times as long."""
_TAKEN: Final = 0.25
"""How much of the bars goes into files at a time. The less, the longer is a shelf that is taken later."""


class Table(NamedTuple):
    """Columns of equal length, and the path they belong to below the tables folder."""

    path: str
    columns: Columns

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values())))


class Batch(NamedTuple):
    """The rows of several tables, one behind the other."""

    columns: Columns
    shares: tuple[Share, ...]


class _Lot(NamedTuple):
    """Bars of one stream and one session."""

    date: str
    records: bytes
    """Its own copy: a view of a few would keep all bars of its session in memory."""

    @property
    def rows(self) -> int:
        return len(self.records) // BAR_DTYPE.itemsize


class BarShelves:
    """One shelf per served stream; what is taken from it becomes the stream's next part file."""

    def __init__(self, plan: SessionPlan) -> None:
        """Start with empty shelves."""
        self._plan = plan
        self._shelves: list[list[_Lot]] = [[] for _ in plan.served]
        self._counts = np.zeros(len(plan.served), dtype=np.int64)
        self._parts: Counter[int] = Counter()

    @property
    def rows(self) -> int:
        """How many bars are kept."""
        return int(self._counts.sum())

    @property
    def longest(self) -> int:
        """How many bars the stream with the most has."""
        return int(self._counts.max(initial=0))

    def put(self, session: int, bars: Bars) -> None:
        """Sort bars of one session, as they were delivered, by stream."""
        date = self._plan.session(session).date
        order = np.argsort(bars["stream"], kind="stable")
        by_stream = bars.view(_OPAQUE).take(order).view(BAR_DTYPE)
        stops = np.searchsorted(by_stream["stream"], np.arange(len(self._shelves)), side="right").tolist()
        for shelf, start, stop in zip(self._shelves, [0, *stops], stops, strict=False):
            if stop > start:
                shelf.append(_Lot(date, by_stream[start:stop].tobytes()))
        self._counts += np.diff(stops, prepend=0)

    def take_full(self) -> Iterator[Batch]:
        """Take the longest shelves, a quarter of all bars: few large files rather than many small ones."""
        longest_first = np.argsort(-self._counts, kind="stable")
        bars_before = np.cumsum(self._counts[longest_first]) - self._counts[longest_first]
        taken = np.count_nonzero(bars_before < _TAKEN * self.rows)
        yield from self._take(np.sort(longest_first[:taken]).tolist())

    def take_all(self) -> Iterator[Batch]:
        """Take all that is left; a stream that never had a bar gives one table without rows."""
        left = [id_ for id_, count in enumerate(self._counts.tolist()) if count or not self._parts[id_]]
        yield from self._take(left)

    def _take(self, stream_ids: Iterable[int]) -> Iterator[Batch]:
        """Take shelves in batches, which hold one that is long or several that are short."""
        batch: list[int] = []
        rows = 0
        for id_ in stream_ids:
            count = int(self._counts[id_])
            if batch and rows + count > _BATCH_BARS:
                yield self._batch(batch)
                batch, rows = [], 0
            batch.append(id_)
            rows += count
        if batch:
            yield self._batch(batch)

    def _batch(self, stream_ids: list[int]) -> Batch:
        shares = tuple(Share(self._next_path(id_), int(self._counts[id_])) for id_ in stream_ids)
        lots = [lot for id_ in stream_ids for lot in self._shelves[id_]]
        for id_ in stream_ids:
            self._shelves[id_] = []
        self._counts[stream_ids] = 0
        return Batch(_columns(lots), shares)

    def _next_path(self, stream_id: int) -> str:
        part = self._parts[stream_id]
        self._parts[stream_id] += 1
        return _path(self._plan.served[stream_id], part)


def _path(stream: Stream, part: int) -> str:
    """Name a file; a symbol that is no file name is percent-encoded."""
    return f"bars/interval={stream.interval}/symbol={quote(stream.symbol, safe='')}/part-{part:05d}.parquet"


def _columns(lots: list[_Lot]) -> Columns:
    bars = np.frombuffer(b"".join(lot.records for lot in lots), dtype=BAR_DTYPE)
    flags = bars["flags"]
    return {
        "session": np.repeat(np.array([lot.date for lot in lots], dtype=np.str_), [lot.rows for lot in lots]),
        "open_ts": bars["open_ts"].astype(np.int64),
        "close_ts": bars["close_ts"].astype(np.int64),
        **{name: bars[name].astype(np.float64) for name in ("open", "high", "low", "close", "volume")},
        **{name: bars[name].astype(np.int32) for name in ("n_base", "n_expected", "flags")},
        **{str(flag.name).lower(): (flags & flag) != 0 for flag in BarFlag},
    }
