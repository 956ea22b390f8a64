"""Bars as a strategy sees them: one bar, the series of one stream, all bars of one step.

Columns, not rows: two arrays, integers of shape (6, n) and floats of shape (5, n), so that every column is
contiguous and a copy of some bars is two cheap copies. Every array that is handed out is read-only.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from actors.domain.session_plan import SessionPlan
from protocol.blocks import BarFlag, Bars

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

INT_FIELDS: Final = ("stream", "open_ts", "close_ts", "n_base", "n_expected", "flags")
FLOAT_FIELDS: Final = ("open", "high", "low", "close", "volume")
_PARTIAL: Final = BarFlag.PARTIAL.value
_CLIPPED: Final = BarFlag.CLIPPED.value
_FILLED: Final = BarFlag.FILLED.value


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One bar. Instants are ns UTC; it is known from `close_ts` on."""

    symbol: str
    interval: str
    open_ts: int
    close_ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    n_base: int
    """How many base bars went into it, of `n_expected`; both are 1 for a base bar."""
    n_expected: int
    flags: int
    """A `protocol.blocks.BarFlag`."""

    @property
    def partial(self) -> bool:
        """Whether base bars are missing in it."""
        return bool(self.flags & _PARTIAL)

    @property
    def clipped(self) -> bool:
        """Whether its bin was cut short: by the close, a break or, on the clock's marks, the open."""
        return bool(self.flags & _CLIPPED)

    @property
    def filled(self) -> bool:
        """Whether it was missing, or made of one that was, and has been rebuilt from a finer interval."""
        return bool(self.flags & _FILLED)


class BarColumns:
    """Some bars, column by column; each column is an array of shape (n,)."""

    __slots__ = ("floats", "ints")

    def __init__(self, ints: Ints, floats: Floats) -> None:
        """Take the columns of `INT_FIELDS` and `FLOAT_FIELDS`, one per row."""
        self.ints = ints
        self.floats = floats

    @classmethod
    def of_block(cls, bars: Bars) -> Self:
        """Copy packed bars of shape (n,) into columns."""
        ints = np.empty((len(INT_FIELDS), len(bars)), dtype=np.int64)
        floats = np.empty((len(FLOAT_FIELDS), len(bars)), dtype=np.float64)
        for row, field in enumerate(INT_FIELDS):
            ints[row] = bars[field]
        for row, field in enumerate(FLOAT_FIELDS):
            floats[row] = bars[field]
        return cls(ints, floats)

    @classmethod
    def empty(cls, capacity: int = 0) -> Self:
        """Make room for bars, filled with zeros so that nothing of other bars shows through."""
        ints = np.zeros((len(INT_FIELDS), capacity), dtype=np.int64)
        return cls(ints, np.zeros((len(FLOAT_FIELDS), capacity), dtype=np.float64))

    def __len__(self) -> int:
        return int(self.ints.shape[1])

    def between(self, start: int, stop: int) -> "BarColumns":
        """View the bars `start <= k < stop`."""
        return BarColumns(self.ints[:, start:stop], self.floats[:, start:stop])

    def copied(self, start: int, stop: int) -> "BarColumns":
        """Copy those bars, so that nothing of the others is in what is handed over."""
        return BarColumns(self.ints[:, start:stop].copy(), self.floats[:, start:stop].copy())

    def take(self, rows: Ints) -> "BarColumns":
        """Copy the bars at these places, in this order."""
        return BarColumns(self.ints.take(rows, axis=1), self.floats.take(rows, axis=1))

    def read_only(self) -> "BarColumns":
        """View the same bars without the right to write; so are all views of that view."""
        ints, floats = self.ints.view(), self.floats.view()
        ints.setflags(write=False)
        floats.setflags(write=False)
        return BarColumns(ints, floats)

    @property
    def stream(self) -> Ints:
        """The streams' ids in the session plan."""
        return self._ints_of(0)

    @property
    def open_ts(self) -> Ints:
        """Open stamps."""
        return self._ints_of(1)

    @property
    def close_ts(self) -> Ints:
        """Close stamps: the instants at which the bars became known."""
        return self._ints_of(2)

    @property
    def n_base(self) -> Ints:
        """How many base bars went into each."""
        return self._ints_of(3)

    @property
    def n_expected(self) -> Ints:
        """How many base bars each should have."""
        return self._ints_of(4)

    @property
    def flags(self) -> Ints:
        """Bits of `protocol.blocks.BarFlag`."""
        return self._ints_of(5)

    @property
    def open(self) -> Floats:
        """First prices."""
        return self._floats_of(0)

    @property
    def high(self) -> Floats:
        """Highest prices."""
        return self._floats_of(1)

    @property
    def low(self) -> Floats:
        """Lowest prices."""
        return self._floats_of(2)

    @property
    def close(self) -> Floats:
        """Last prices."""
        return self._floats_of(3)

    @property
    def volume(self) -> Floats:
        """Volumes."""
        return self._floats_of(4)

    def _ints_of(self, row: int) -> Ints:
        column: Ints = self.ints[row]
        return column

    def _floats_of(self, row: int) -> Floats:
        column: Floats = self.floats[row]
        return column


class BarSeries(BarColumns):
    """Bars of one stream, oldest first, as they were known when it was asked for; it never changes."""

    __slots__ = ("interval", "symbol")

    def __init__(self, symbol: str, interval: str, ints: Ints, floats: Floats) -> None:
        """Take read-only columns."""
        super().__init__(ints, floats)
        self.symbol = symbol
        self.interval = interval

    @property
    def latest(self) -> Bar | None:
        """The newest bar, or None where there is none."""
        return next(iter(self.last(1)), None)

    def last(self, n: int) -> "BarSeries":
        """Give the newest `n` bars, or all where there are fewer."""
        return self._from(max(0, len(self) - max(0, n)))

    def since(self, ts: int) -> "BarSeries":
        """Give the bars that became known after the instant `ts`, ns UTC."""
        return self._from(int(np.searchsorted(self.close_ts, ts, side="right")))

    def __iter__(self) -> Iterator[Bar]:
        n = len(self)
        return bar_objects([self.symbol] * n, [self.interval] * n, self)

    def _from(self, start: int) -> "BarSeries":
        return BarSeries(self.symbol, self.interval, self.ints[:, start:], self.floats[:, start:])


class StreamLayout:
    """What stream ids stand for, as arrays and ranges."""

    def __init__(self, plan: SessionPlan) -> None:
        """Read the served streams; those of one length have consecutive ids."""
        served = plan.served
        self.symbols = np.array([stream.symbol for stream in served], dtype=object)
        self.intervals = np.array([stream.interval for stream in served], dtype=object)
        positions = {symbol: position for position, symbol in enumerate(plan.symbols)}
        self.symbol_count = len(positions)
        self.symbol_index = np.array([positions[stream.symbol] for stream in served], dtype=np.int64)
        self.id_ranges: dict[str, tuple[int, int]] = {}
        for stream in served:
            first, _ = self.id_ranges.get(stream.interval, (stream.id, 0))
            self.id_ranges[stream.interval] = (first, stream.id + 1)
        sizes = Counter(stream.interval for stream in served)
        self.mixed = {text for text, (first, end) in self.id_ranges.items() if end - first > sizes[text]}
        """Intervals between whose ids there are others: two of one length, as `7d` and `1w`."""


class Step(BarColumns):
    """All bars of one step that a strategy wants, shorter intervals first, then in symbol order."""

    __slots__ = ("_layout", "now")

    def __init__(self, now: int, layout: StreamLayout, ints: Ints, floats: Floats) -> None:
        """Take columns that hold this step alone, and close them to writers."""
        ints.setflags(write=False)
        floats.setflags(write=False)
        super().__init__(ints, floats)
        self.now = now
        self._layout = layout

    @property
    def symbol_index(self) -> Ints:
        """The position of each bar's symbol in `ctx.symbols`."""
        return self._layout.symbol_index[self.stream]

    def of(self, interval: str) -> "Step":
        """Give the bars of one interval; none where it is not streamed."""
        first, end = self._layout.id_ranges.get(interval, (0, 0))
        start, stop = np.searchsorted(self.stream, (first, end)).tolist()
        ints, floats = self.ints[:, start:stop], self.floats[:, start:stop]
        if interval in self._layout.mixed:
            own = self._layout.intervals[ints[0]] == interval
            ints, floats = ints.compress(own, axis=1), floats.compress(own, axis=1)
        return Step(self.now, self._layout, ints, floats)


def bar_objects(symbols: list[str], intervals: list[str], bars: BarColumns) -> Iterator[Bar]:
    """Make `Bar`s one by one as they are asked for: 0.25 µs each, `tolist` included."""
    opens, closes, bases, expected, flags = bars.ints[1:].tolist()
    return map(Bar, symbols, intervals, opens, closes, *bars.floats.tolist(), bases, expected, flags)
