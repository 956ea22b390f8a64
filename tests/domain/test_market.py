from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.bar_views import FLOAT_FIELDS, INT_FIELDS, BarColumns, BarSeries
from actors.domain.indicators import IndicatorBoard, UnknownIndicator
from actors.domain.market import Market, UnknownStream, UnknownSymbol
from actors.domain.quality_ledger import QualityView
from actors.domain.session_plan import (
    Hours,
    IndicatorSpec,
    Session,
    Stream,
)
from actors.domain.strategy import Context
from actors.domain.trading.broker import Broker
from actors.domain.trading.opening import open_desk
from protocol.blocks import (
    BAR_DTYPE,
    QUALITY_DTYPE,
    Bars,
    as_bars,
    as_times,
    bar_block,
    quality_block,
    time_block,
)
from protocol.messages import Gap, SealedWindow
from tests.plans import make_plan

MINUTE = 60 * 10**9
DAY = 1440 * MINUTE
STEPS = 15
SYMBOLS = ("AAPL", "RIVN")
SMA = IndicatorSpec("sma", "1m", {"period": 4})


def session(index: int) -> Session:
    start = (1000 + index) * DAY
    hours = Hours(start, start + STEPS * MINUTE)
    return Session(index, f"day {index}", "full", hours.open_ns, hours.close_ns, (hours,), start - DAY)


STREAMS = (
    Stream(0, "AAPL", "1m", "STREAMED", "", history_sessions=2),
    Stream(1, "RIVN", "1m", "STREAMED", "", history_sessions=1),
    Stream(2, "AAPL", "5m", "GENERATED", "", base=0, history_sessions=3),
    Stream(3, "RIVN", "5m", "GENERATED", "", base=1),
)
PLAN = make_plan([session(index) for index in range(-2, 3)], STREAMS)


class Tape:
    """One session of random bars, quality records and gaps, to be cut into windows."""

    def __init__(self, session: Session, rng: np.random.Generator) -> None:
        self.session = session
        self.steps = session.open_ns + MINUTE * np.arange(1, STEPS + 1)
        bars = np.concatenate([self._stream(stream, rng) for stream in STREAMS])
        self.bars = bars[np.lexsort((bars["stream"], bars["close_ts"]))]
        self.quality = self._quality(rng)
        times = self.steps[rng.random(STEPS) < 0.3].tolist()
        self.gaps = tuple(Gap(int(rng.integers(0, 4)), now, now, 1, now) for now in times)

    def _stream(self, stream: Stream, rng: np.random.Generator) -> Bars:
        minutes = 1 if stream.interval == "1m" else 5
        bars = np.zeros(STEPS // minutes, BAR_DTYPE)
        bars["stream"] = stream.id
        bars["n_base"] = bars["n_expected"] = minutes
        bars["flags"] = rng.integers(0, 8, len(bars))
        bars["open_ts"] = self.session.open_ns + minutes * MINUTE * np.arange(len(bars))
        bars["close_ts"] = bars["open_ts"] + minutes * MINUTE
        for field in FLOAT_FIELDS:
            bars[field] = rng.uniform(1, 100, len(bars))
        return bars[rng.random(len(bars)) < 0.8]

    def _quality(self, rng: np.random.Generator) -> npt.NDArray[np.void]:
        records = np.zeros(STEPS, QUALITY_DTYPE)
        records["event_ts"] = self.steps
        records["stream"] = rng.integers(0, 2, STEPS)
        records["missing"] = rng.integers(0, 9, STEPS)
        return records[rng.random(STEPS) < 0.5]

    def windows(self, cuts: set[int]) -> list[SealedWindow]:
        return [self._window(start, stop) for start, stop in pairwise(sorted({0, STEPS, *cuts}))]

    def _window(self, start: int, stop: int) -> SealedWindow:
        times = self.steps[start:stop]
        bars, records = (
            rows[(rows[stamp] >= times[0]) & (rows[stamp] <= times[-1])]
            for rows, stamp in ((self.bars, "close_ts"), (self.quality, "event_ts"))
        )
        return SealedWindow(
            seq=0,
            session=self.session.index,
            first=start == 0,
            last=stop == STEPS,
            steps=time_block(times),
            block=bar_block(bars),
            quality=quality_block(records),
            gaps=tuple(gap for gap in self.gaps if times[0] <= gap.known_ts <= times[-1]),
            defects=(),
        )


class Oracle:
    """What must be visible, worked out anew each time from everything that was ever on tape."""

    def __init__(self, tapes: list[Tape]) -> None:
        self.tapes = tapes
        self.rows = np.concatenate([tape.bars for tape in tapes])

    def bars(self, stream: int, session: Session, now: int) -> Bars:
        rows = self.rows[(self.rows["stream"] == stream) & (self.rows["close_ts"] <= now)]
        return rows[rows["open_ts"] >= session.open_ns]

    def history(self, stream: Stream, session: Session) -> Bars:
        first = session.open_ns - stream.history_sessions * DAY
        rows = self.rows[(self.rows["stream"] == stream.id) & (self.rows["open_ts"] >= first)]
        return rows[rows["open_ts"] < session.open_ns]

    def sma(self, stream: int, now: int) -> float | None:
        closes = self.rows["close"][(self.rows["stream"] == stream) & (self.rows["close_ts"] <= now)]
        return float(talib.SMA(closes.copy(), 4)[-1]) if len(closes) >= 4 else None


def owners(array: npt.NDArray[np.generic]) -> list[npt.NDArray[np.generic]]:
    chain = [array]
    while isinstance(chain[-1].base, np.ndarray):
        chain.append(chain[-1].base)
    assert chain[-1].base is None, "the memory is numpy's own: no bytes of a message lie beneath"
    return chain


def check_series(series: BarSeries, expected: Bars, now: int) -> None:
    assert len(series) == len(expected)
    for field in (*INT_FIELDS, *FLOAT_FIELDS):
        column = getattr(series, field)
        assert column.tolist() == expected[field].tolist()
        assert not column.flags.writeable
    for beneath in owners(series.close_ts):
        assert beneath.max(initial=0) <= now
    known_prices = {0.0, *(price for field in FLOAT_FIELDS for price in expected[field].tolist())}
    for beneath in owners(series.close):
        assert set(beneath.ravel().tolist()) <= known_prices


def check_slices(series: BarSeries, expected: Bars, rng: np.random.Generator) -> None:
    n, ts = int(rng.integers(0, STEPS)), int(rng.choice(expected["close_ts"])) if len(expected) else 0
    assert series.last(n).close.tolist() == expected["close"][max(0, len(expected) - n) :].tolist()
    assert series.since(ts).close.tolist() == expected["close"][expected["close_ts"] > ts].tolist()
    assert [bar.close for bar in series] == expected["close"].tolist()
    latest = series.latest
    assert (latest and latest.close_ts) == (expected["close_ts"][-1] if len(expected) else None)


def check_symbol(ctx: Context, oracle: Oracle, symbol: str, tape: Tape) -> None:
    base = oracle.bars(SYMBOLS.index(symbol), ctx.session, ctx.now)
    volume = None
    for one in base["volume"].tolist():
        volume = one if volume is None else volume + one
    assert ctx.volume(symbol) == volume
    assert ctx.high(symbol) == (base["high"].max() if len(base) else None)
    assert ctx.low(symbol) == (base["low"].min() if len(base) else None)
    assert ctx.last_update(symbol) == (base["close_ts"][-1] if len(base) else None)
    assert ctx.indicator("sma_4_1m", symbol) == oracle.sma(SYMBOLS.index(symbol), ctx.now)
    assert ctx.gaps(symbol) == tuple(
        gap for gap in tape.gaps if gap.known_ts <= ctx.now and STREAMS[gap.stream].symbol == symbol
    )
    view = QualityView(PLAN)
    view.start_session(ctx.session)
    for record in tape.quality[tape.quality["event_ts"] <= ctx.now]:
        view.apply(record.reshape(1))
    assert ctx.quality(symbol) == view.at(SYMBOLS.index(symbol), ctx.now)


def check_everything(ctx: Context, oracle: Oracle, tape: Tape, rng: np.random.Generator) -> None:
    for stream in STREAMS:
        bars = oracle.bars(stream.id, ctx.session, ctx.now)
        check_series(ctx.bars(stream.symbol, stream.interval), bars, ctx.now)
        check_slices(ctx.bars(stream.symbol, stream.interval), bars, rng)
        past = oracle.history(stream, ctx.session)
        check_series(ctx.history(stream.symbol, stream.interval), past, ctx.now)
    for symbol in SYMBOLS:
        check_symbol(ctx, oracle, symbol, tape)


def reader(market: Market) -> Context:
    return Context(market, IndicatorBoard(market, [SMA]), Broker(open_desk(PLAN.trading), market))


def all_tapes(seed: int) -> list[Tape]:
    rng = np.random.default_rng(seed)
    return [Tape(PLAN.session(index), rng) for index in range(-2, 3)]


def play(market: Market, tape: Tape, cuts: set[int]) -> None:
    market.start_session(tape.session)
    for window in tape.windows(cuts):
        market.offer(window, BarColumns.of_block(as_bars(window.block)))
        market.close_window(int(as_times(window.steps)[-1]))


cut_points = st.sets(st.integers(1, STEPS - 1))
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, cuts=cut_points, looks=st.sets(st.integers(0, STEPS - 1), max_size=6))
def test_at_any_step_and_for_any_cut_all_that_can_be_read_is_what_was_known_by_the_clock(
    seed: int, cuts: set[int], looks: set[int]
) -> None:
    tapes, market, rng = all_tapes(seed), Market(PLAN), np.random.default_rng(seed)
    ctx, oracle = reader(market), Oracle(tapes)
    for tape in tapes:
        market.start_session(tape.session)
        check_everything(ctx, oracle, tape, rng)
        for window in tape.windows(cuts):
            market.offer(window, BarColumns.of_block(as_bars(window.block)))
            for market.now in as_times(window.steps).tolist():
                if (market.now - tape.session.open_ns) // MINUTE - 1 in looks:
                    check_everything(ctx, oracle, tape, rng)
            market.close_window(market.now)
            check_everything(ctx, oracle, tape, rng)


PER_STREAM: Final = ("bars", "history", "lag_ns", "is_catching_up")
PER_SYMBOL: Final = ("volume", "high", "low", "last_update", "quality", "gaps", "position", "orders")
READINGS: Final[dict[str, Callable[[Context], object]]] = {
    **{
        name: lambda ctx, name=name: [getattr(ctx, name)(one.symbol, one.interval) for one in STREAMS]
        for name in PER_STREAM
    },
    **{
        name: lambda ctx, name=name: [getattr(ctx, name)(symbol) for symbol in SYMBOLS] for name in PER_SYMBOL
    },
    **{
        name: lambda ctx, name=name: getattr(ctx, name)
        for name in ("now", "session", "symbols", "cash", "equity")
    },
    "stream": lambda ctx: [ctx.stream(one.id) for one in STREAMS],
    "indicator": lambda ctx: [ctx.indicator("sma_4_1m", symbol) for symbol in SYMBOLS],
    "signal": lambda ctx: [ctx.signal(symbol, "BUY", 1) for symbol in SYMBOLS],
    "cancel": lambda ctx: ctx.cancel(0),
    "take_signals": lambda ctx: ctx.take_signals(),
}
NOT_IN_THIS_PLAN: Final = {"historical", "historical_reason"}


def reachable(value: object, seen: dict[int, object]) -> Iterator[npt.NDArray[Any] | float]:
    """Give the arrays and the numbers that public attributes, items and `.base` lead to from a value."""
    if id(value) in seen or isinstance(value, str):
        return
    seen[id(value)] = value
    if isinstance(value, float):
        yield value
    elif isinstance(value, np.ndarray):
        yield from owners(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from reachable(item, seen)
    else:
        for name in dir(value):
            if not name.startswith("_") and not callable(part := getattr(value, name)):
                yield from reachable(part, seen)


def check_nothing_later(ctx: Context, later: set[float]) -> None:
    for name, read in READINGS.items():
        for found in reachable(read(ctx), {}):
            if isinstance(found, np.ndarray) and found.dtype == np.int64:
                assert found.max(initial=0) <= ctx.now, name
            else:
                assert later.isdisjoint(np.ravel(found).tolist()), name


@settings(max_examples=15, deadline=None)
@given(seed=seeds, cuts=cut_points, looks=st.sets(st.integers(0, STEPS - 1), min_size=1, max_size=4))
def test_no_public_member_of_the_context_leads_to_a_number_of_a_later_bar(
    seed: int, cuts: set[int], looks: set[int]
) -> None:
    members = {name for name in dir(Context) if not name.startswith("_")}
    assert members == set(READINGS) | NOT_IN_THIS_PLAN
    tapes, market = all_tapes(seed), Market(PLAN)
    ctx, rows = reader(market), np.concatenate([tape.bars for tape in tapes])
    for tape in tapes:
        market.start_session(tape.session)
        for window in tape.windows(cuts):
            market.offer(window, BarColumns.of_block(as_bars(window.block)))
            for step, market.now in enumerate(as_times(window.steps).tolist()):
                if step in looks:
                    unknown = rows[rows["close_ts"] > market.now]
                    check_nothing_later(ctx, {x for name in FLOAT_FIELDS for x in unknown[name].tolist()})
            market.close_window(market.now)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, cuts=cut_points)
def test_a_view_that_was_handed_out_stays_what_it_was(seed: int, cuts: set[int]) -> None:
    market, kept = Market(PLAN), []
    for tape in all_tapes(seed):
        market.start_session(tape.session)
        for window in tape.windows(cuts):
            market.offer(window, BarColumns.of_block(as_bars(window.block)))
            for market.now in as_times(window.steps).tolist():
                for stream in STREAMS:
                    for view in (market.bars, market.history):
                        series = view(stream.symbol, stream.interval)
                        kept.append((series, series.ints.copy(), series.floats.copy()))
            market.close_window(market.now)
    for series, ints, floats in kept:
        assert np.array_equal(series.ints, ints)
        assert np.array_equal(series.floats, floats)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, cuts=cut_points)
def test_history_that_slid_equals_history_that_was_loaded_anew(seed: int, cuts: set[int]) -> None:
    tapes = all_tapes(seed)
    slid, loaded = Market(PLAN), Market(PLAN)
    for tape in tapes[:-1]:
        play(slid, tape, cuts)
    for tape in tapes[-4:-1]:
        play(loaded, tape, set())
    for market in (slid, loaded):
        market.start_session(tapes[-1].session)
    for stream in STREAMS:
        mine, other = (market.history(stream.symbol, stream.interval) for market in (slid, loaded))
        assert np.array_equal(mine.ints, other.ints)
        assert np.array_equal(mine.floats, other.floats)


def test_memory_holds_the_session_and_its_history_and_nothing_older() -> None:
    market = Market(PLAN)
    rng = np.random.default_rng(0)
    for day in range(40):
        play(market, Tape(session(day), rng), {5, 10})
    market.start_session(session(40))
    for stream in STREAMS:
        past = market.history(stream.symbol, stream.interval)
        assert len(set((past.close_ts // DAY).tolist())) == stream.history_sessions
        assert len(owners(past.close)[-1].ravel()) == 5 * len(past)


def test_an_unknown_symbol_interval_or_indicator_is_named_with_what_there_is() -> None:
    ctx = reader(Market(PLAN))
    with pytest.raises(UnknownStream, match="no 7m bars of AAPL: it serves 1m, 5m"):
        ctx.bars("AAPL", "7m")
    with pytest.raises(UnknownStream, match="nothing of that symbol"):
        ctx.history("MSFT", "1m")
    with pytest.raises(UnknownSymbol, match="'MSFT' is not in this run: it has AAPL, RIVN"):
        ctx.volume("MSFT")
    with pytest.raises(UnknownIndicator, match=r"no indicator sma_9_1m of AAPL.*declared: sma_4_1m"):
        ctx.indicator("sma_9_1m", "AAPL")


def test_a_bar_says_whether_it_is_partial_or_clipped() -> None:
    market = Market(PLAN)
    tape = Tape(PLAN.session(0), np.random.default_rng(3))
    play(market, tape, set())
    for bar in market.bars("AAPL", "1m"):
        assert (bar.partial, bar.clipped) == (bool(bar.flags & 1), bool(bar.flags & 2))
        assert (bar.symbol, bar.interval, bar.close_ts - bar.open_ts) == ("AAPL", "1m", MINUTE)


def test_a_number_of_a_stream_can_be_looked_up() -> None:
    assert reader(Market(PLAN)).stream(3) == STREAMS[3]
