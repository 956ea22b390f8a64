"""The session as a strategy may know it: nothing later than the clock."""

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from actors.domain.bar_views import BarColumns, BarSeries
from actors.domain.equal_runs import run_starts
from actors.domain.historical_board import HistoricalBoard
from actors.domain.intervals import NS_PER_S, Interval
from actors.domain.lag import lag_ns
from actors.domain.quality_ledger import QualityView, StreamQuality
from actors.domain.session_plan import Session, SessionPlan, Stream
from actors.domain.stream_bars import BarListener, SessionTotals, StreamBars
from actors.domain.trading.matching import TradeBar
from protocol.blocks import NO_QUALITY, QualityBlock, as_quality
from protocol.messages import Figure, Gap, SealedWindow

T = TypeVar("T")


class UnknownStream(LookupError):
    """A strategy asked for a symbol or an interval that the run does not serve."""

    def __init__(self, symbol: str, interval: str, served: Sequence[str]) -> None:
        """Name what was asked for and what there is."""
        has = f"it serves {', '.join(served)}" if served else "it serves nothing of that symbol"
        super().__init__(f"this run has no {interval} bars of {symbol}: {has}")
        self.symbol = symbol
        self.interval = interval


class UnknownSymbol(LookupError):
    """A strategy named a symbol that is not in the run."""

    def __init__(self, symbol: str, known: Sequence[str]) -> None:
        """Name the symbol and those that are."""
        super().__init__(f"{symbol!r} is not in this run: it has {', '.join(known)}")
        self.symbol = symbol


class KnownQuality:
    """Quality records up to the clock."""

    def __init__(self, plan: SessionPlan) -> None:
        """Know no record."""
        self._view = QualityView(plan)
        self._waiting = as_quality(NO_QUALITY)
        self._times: list[int] = []
        self._taken = 0

    def start_session(self, session: Session) -> None:
        """Begin counting anew."""
        self._view.start_session(session)

    def offer(self, block: QualityBlock) -> None:
        """Lay a window's records ready."""
        if not block.n:
            self._times, self._taken = [], 0
            return
        self._waiting = as_quality(block)
        self._times = self._waiting["event_ts"].tolist()
        self._taken = 0

    def advance(self, now: int) -> None:
        """Learn the records of steps up to `now`."""
        end = bisect_right(self._times, now, self._taken)
        if end > self._taken:
            self._view.apply(self._waiting[self._taken : end])
            self._taken = end

    def at(self, stream: int, now: int) -> StreamQuality:
        """Judge a base stream as of `now`."""
        self.advance(now)
        return self._view.at(stream, now)


class KnownGaps:
    """Gaps up to the clock, per symbol."""

    def __init__(self, plan: SessionPlan) -> None:
        """Know no gap."""
        self._symbols = [stream.symbol for stream in plan.served]
        self._known: defaultdict[str, list[Gap]] = defaultdict(list)
        self._waiting: deque[Gap] = deque()

    def start_session(self) -> None:
        """Forget the gaps of the session before."""
        self._known.clear()

    def offer(self, gaps: Sequence[Gap]) -> None:
        """Lay a window's gaps ready, which come in the order in which they become known."""
        self._waiting.extend(gaps)

    def advance(self, now: int) -> None:
        """Learn the gaps that show by `now`."""
        while self._waiting and self._waiting[0].known_ts <= now:
            gap = self._waiting.popleft()
            self._known[self._symbols[gap.stream]].append(gap)

    def of(self, symbol: str, now: int) -> tuple[Gap, ...]:
        """List a symbol's gaps of this session, in the order in which they became known."""
        self.advance(now)
        return tuple(self._known.get(symbol, ()))


class Market:
    """Everything that is known at `now`; the analysis role turns the clock, strategies read."""

    def __init__(self, plan: SessionPlan) -> None:
        """Know nothing yet; the clock stands at the first session's open."""
        self._plan = plan
        self.session = plan.sessions[0]
        self.now = self.session.open_ns
        self.symbols = plan.symbols
        self._streams = [StreamBars(stream) for stream in plan.served]
        self._by_name = {
            (stream.symbol, stream.interval): bars
            for stream, bars in zip(plan.served, self._streams, strict=True)
        }
        self._base = {stream.symbol: stream.id for stream in reversed(plan.base_streams)}
        self._totals = {symbol: SessionTotals(self._streams[base]) for symbol, base in self._base.items()}
        self._quality = KnownQuality(plan)
        self._gaps = KnownGaps(plan)
        self.historical = HistoricalBoard(plan)
        self._offered: list[StreamBars] = []
        self._oldest = np.array([_oldest(plan, stream) for stream in plan.served], dtype=np.int64)

    def start_session(self, session: Session, figures: Sequence[Figure] = ()) -> None:
        """Set the clock to the open; the session before becomes history."""
        self.session = session
        self.historical.start_session(figures)
        self.now = session.open_ns
        for stream in self._streams:
            stream.start_session()
        for totals in self._totals.values():
            totals.start_session()
        self._quality.start_session(session)
        self._gaps.start_session()

    def offer(self, window: SealedWindow, bars: BarColumns) -> None:
        """Lay a window ready: `bars` are those of its block, in its order.

        What is read before a stream's history, for longer bars to begin with, is of no concern here.
        """
        bars = self._without_lead(bars)
        ordered = bars if window.steps.n == 1 else bars.take(np.argsort(bars.stream, kind="stable"))
        starts = run_starts(ordered.stream)
        bounds = pairwise([*starts.tolist(), len(bars)])
        self._offered = [self._streams[stream] for stream in ordered.stream[starts].tolist()]
        for stream, (start, end) in zip(self._offered, bounds, strict=True):
            stream.offer(ordered.between(start, end))
        self._quality.offer(window.quality)
        self._gaps.offer(window.gaps)

    def close_window(self, last_step: int) -> None:
        """Learn all that the window has left over, and set the clock to its last step."""
        self.now = last_step
        for stream in self._offered:
            stream.flush()
        self._quality.advance(last_step)
        self._gaps.advance(last_step)

    def listen(self, symbol: str, interval: str, listener: BarListener) -> StreamBars:
        """Have a listener given every bar of a stream, history included."""
        stream = self._stream(symbol, interval)
        stream.listeners.append(listener)
        return stream

    def stream(self, stream: int) -> Stream:
        """Look a stream up by its id."""
        return self._plan.served[stream]

    def bars(self, symbol: str, interval: str) -> BarSeries:
        """View a stream's bars of this session so far."""
        stream = self._stream(symbol, interval)
        stream.advance(self.now)
        return stream.series()

    def history(self, symbol: str, interval: str) -> BarSeries:
        """View a stream's bars of the trailing sessions."""
        return self._stream(symbol, interval).history()

    def totals(self, symbol: str) -> SessionTotals:
        """Give a symbol's session volume, high and low so far."""
        return self._of_symbol(self._totals, symbol).advance(self.now)

    def newest(self, symbol: str) -> TradeBar | None:
        """Give a symbol's newest base bar, be it of a session before; None before its first."""
        return self._streams[self._of_symbol(self._base, symbol)].newest(self.now)

    def last_update(self, symbol: str) -> int | None:
        """Give the close of a symbol's newest base bar of this session, ns UTC."""
        stream = self._streams[self._of_symbol(self._base, symbol)]
        stream.advance(self.now)
        return stream.last_close_ts

    def lag_ns(self, symbol: str, interval: str) -> int:
        """Tell how far a stream is behind the clock."""
        bars = self._stream(symbol, interval)
        bars.advance(self.now)
        stream = self._plan.served[self._plan.stream_id(symbol, interval)]
        base = stream if stream.base is None else self._plan.served[stream.base]
        if not base.is_read_in(self.session.index):
            return 0
        return lag_ns(self.session, Interval.parse(interval), bars.last_close_ts, self.now)

    def is_catching_up(self, symbol: str, interval: str) -> bool:
        """Tell whether a stream lags more than the plan's threshold."""
        return self.lag_ns(symbol, interval) > self._plan.rules.catchup_threshold_s * NS_PER_S

    def quality(self, symbol: str) -> StreamQuality:
        """Judge a symbol's base stream."""
        return self._quality.at(self._of_symbol(self._base, symbol), self.now)

    def stream_quality(self, stream: int) -> StreamQuality:
        """Judge a base stream by its id."""
        return self._quality.at(stream, self.now)

    def gaps(self, symbol: str) -> tuple[Gap, ...]:
        """List a symbol's gaps of this session so far."""
        self._of_symbol(self._base, symbol)
        return self._gaps.of(symbol, self.now)

    def _without_lead(self, bars: BarColumns) -> BarColumns:
        if self.session.index >= 0:
            return bars
        kept = self._oldest[bars.stream] <= self.session.index
        return BarColumns(bars.ints.compress(kept, axis=1), bars.floats.compress(kept, axis=1))

    def _stream(self, symbol: str, interval: str) -> StreamBars:
        try:
            return self._by_name[symbol, interval]
        except KeyError:
            served = [of_interval for of_symbol, of_interval in self._by_name if of_symbol == symbol]
            raise UnknownStream(symbol, interval, served) from None

    def _of_symbol(self, values: Mapping[str, T], symbol: str) -> T:
        try:
            return values[symbol]
        except KeyError:
            raise UnknownSymbol(symbol, self.symbols) from None


def _oldest(plan: SessionPlan, stream: Stream) -> int:
    """Give the first session whose bars of a stream count: the first that its base keeps."""
    base = stream if stream.base is None else plan.served[stream.base]
    return -base.history_sessions if base.lead_sessions else -len(plan.history)
