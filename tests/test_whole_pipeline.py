"""All roles joined in memory: whatever the order in which messages arrive, the run is the same run."""

import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.analysis import Analysis
from actors.coordinator import Coordinator
from actors.domain.bar_views import Bar, Step
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.quality_ledger import StreamQuality
from actors.domain.roles import Done, Effect, Role, Send, Wake
from actors.domain.screening import StoredRows
from actors.domain.session_plan import (
    Flow,
    Hours,
    Rules,
    Session,
    SessionPlan,
    StrategySpec,
    Stream,
    Trading,
)
from actors.domain.strategy import Context, Strategy, StrategyParams
from actors.loader import Loader
from actors.processor import Processor
from actors.quality import QualityManager
from protocol import topics
from protocol.blocks import as_bars, as_quality, as_times
from protocol.lifecycle import PHASE_TRANSITIONS, Phase, PhaseEnd
from protocol.messages import (
    Derived,
    Finished,
    Leave,
    LoadReport,
    LoadSessions,
    Message,
    PhaseEvent,
    Quality,
    RawWindow,
    RunEnd,
    SealedWindow,
    SessionReport,
    Stop,
    StreamClosed,
)

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000
TIDES: dict[str, tuple[tuple[Any, ...], ...]] = {
    "full": ((0, 17),),
    "half": ((0, 8),),
    "lunch": ((0, 7), (10, 18)),
    "extended": ((0, 4, "pre"), (4, 11), (11, 16, "post")),
}
"""Where trading goes on in a session of each kind, in minutes from its open."""
HISTORY = 2
MAX_TURNS = 20_000
Tides = tuple[str, ...]
Rows = list[tuple[int, float, float, float, float, float]]


def sessions_of(kinds: Tides) -> tuple[Session, ...]:
    """Make a session a day; the first `HISTORY` of them are history."""
    made: list[Session] = []
    closed = OPEN - 1000 * MINUTE
    for day, kind in enumerate(kinds):
        opening = OPEN + day * 1440 * MINUTE
        parts = tuple(Hours(opening + a * MINUTE, opening + b * MINUTE, *part) for a, b, *part in TIDES[kind])
        length = "half" if kind == "half" else "full"
        hours = (parts[0].open_ns, parts[-1].close_ns)
        made.append(Session(day - HISTORY, f"2025-07-{day + 1:02}", length, *hours, parts, closed))
        closed = parts[-1].close_ns
    return tuple(made)


def streams_of(symbols: tuple[str, ...], history: int, skipped: tuple[int, ...]) -> tuple[Stream, ...]:
    """Serve 1m and 3m from storage, 5m and 1d from 1m, for every symbol; only 1m has all of the history.

    The last symbol is left out of some sessions.
    """
    served = {"1m": history, "3m": history // 2, "5m": history, "1d": history}
    streams: list[Stream] = []
    for interval, kept in served.items():
        for symbol in symbols:
            base = symbols.index(symbol) if interval in ("5m", "1d") else None
            label = "STREAMED" if base is None else "GENERATED"
            left_out = skipped if base is None and symbol == symbols[-1] else ()
            streams.append(Stream(len(streams), symbol, interval, label, "", base, kept, 0, left_out))
    return tuple(streams)


def plan_of(
    kinds: Tides, symbols: tuple[str, ...], engines: int, history: int, skipped: tuple[int, ...], flow: Flow
) -> SessionPlan:
    days = sessions_of(kinds)
    actors = tuple(f"analysis-{number}" for number in range(engines))
    return SessionPlan(
        *(1, "test", "XNYS", "America/New_York", days[HISTORY].date, days[-1].date, "/catalog", symbols),
        sessions=days[HISTORY:],
        history=days[HISTORY - history : HISTORY],
        holidays=(),
        streams=streams_of(symbols, history, skipped),
        stored=(),
        warmups=(),
        strategies=tuple(StrategySpec(name, name, "", {}) for name in actors),
        warnings=(),
        flow=flow,
        rules=Rules(min_coverage=0.3),
        trading=Trading(1.0, 1.0, 1.0, 1),
    )


class Storage:
    """Bars in memory with holes and flaws, and what a careful reader would find in them.

    There are bars of sessions that are left out too: nobody may notice.
    """

    def __init__(self, plan: SessionPlan, seed: int, holes: float, flaws: float) -> None:
        self._random = random.Random(seed)
        self._holes, self._flaws = holes, flaws
        self.valid: Counter[tuple[int, int]] = Counter()
        """Distinct good bars per stream and session."""
        self._rows: dict[tuple[str, str], Rows] = {}
        for stream in plan.base_streams:
            rows = self._rows.setdefault((stream.symbol, stream.interval), [])
            for session in (*plan.history, *plan.sessions):
                rows += self._session_rows(stream, session)

    def read(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> StoredRows:
        kept = [row for row in self._rows[symbol, interval] if start_ns <= row[0] < end_ns]
        stamps = np.array([row[0] for row in kept], dtype=np.int64)
        columns = {
            name: np.array([row[place] for row in kept], dtype=np.float64)
            for place, name in enumerate(("open", "high", "low", "close", "volume"), start=1)
        }
        return StoredRows(stamps, columns, np.arange(len(kept)), ((f"{symbol}.parquet", len(kept)),))

    def open_stamps(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> npt.NDArray[np.int64]:
        return self.read(symbol, interval, start_ns, end_ns).open_ts

    def stored_intervals(self, symbol: str) -> tuple[str, ...]:
        return tuple(interval for name, interval in self._rows if name == symbol)

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted({name for name, _ in self._rows}))

    def _session_rows(self, stream: Stream, session: Session) -> Rows:
        rows: Rows = []
        stamps = expected_opens(session, Interval.parse(stream.interval)).tolist()
        for stamp in stamps:
            if self._random.random() >= self._holes:
                rows.append(self._bar(stamp))
            if self._random.random() < self._flaws:
                self._spoil(rows, stamp, session)
        good = {stamp for stamp, _, high, low, *_ in rows if low <= high and stamp in stamps}
        if stream.is_read_in(session.index):
            self.valid[stream.id, session.index] = len(good)
        return rows

    def _bar(self, stamp: int) -> tuple[int, float, float, float, float, float]:
        low, high = sorted(round(10 + self._random.random(), 2) for _ in range(2))
        return stamp, low, high, low, high, float(self._random.randrange(1, 100))

    def _spoil(self, rows: Rows, stamp: int, session: Session) -> None:
        choice = self._random.randrange(5)
        if choice == 0 and rows:
            rows.append(rows[-1])
        elif choice == 1 and rows:
            rows.append(self._bar(rows[-1][0]))
        elif choice == 2:
            rows.append((stamp, 1.0, 1.0, 2.0, 1.0, 1.0))
        elif choice == 3:
            rows.append(self._bar(stamp + MINUTE // 3))
        else:
            rows.append(self._bar(session.open_ns - 30 * MINUTE))


class Diary(Strategy[StrategyParams]):
    """Write down all that is seen, refuse to see the future, and signal on what was seen."""

    def __init__(self) -> None:
        super().__init__(StrategyParams())
        self.pages: list[tuple[Any, ...]] = []

    def on_session_start(self, ctx: Context) -> None:
        assert ctx.now == ctx.session.open_ns
        for symbol in ctx.symbols:
            assert len(ctx.bars(symbol, "1m")) == 0
        self.pages.append(("open", ctx.session.date, len(ctx.history(ctx.symbols[0], "5m"))))

    def on_quality(self, ctx: Context, quality: StreamQuality) -> None:
        self.pages.append(("quality", ctx.now, quality))

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        assert bar.close_ts == ctx.now
        assert ctx.bars(bar.symbol, bar.interval).close_ts[-1] == ctx.now
        self.pages.append(("bar", ctx.now, bar))
        if int(bar.volume) % 5 == 0:
            ctx.signal(bar.symbol, "BUY", 1.0, reason=bar.interval)

    def on_step(self, ctx: Context, step: Step) -> None:
        assert step.now == ctx.now
        assert set(step.close_ts.tolist()) <= {ctx.now}
        self.pages.append(("step", ctx.now, len(step)))

    def on_session_end(self, ctx: Context) -> None:
        self.pages.append(("close", ctx.now))
        ctx.signal(ctx.symbols[0], "CLOSE", reason="session")

    def on_stop(self, ctx: Context) -> None:
        ctx.signal(ctx.symbols[0], "CLOSE", reason="stop")


@dataclass
class Sink:
    """A recorder that keeps everything in memory."""

    name: str = "recorder"
    subscriptions: tuple[str, ...] = (topics.SEALED, topics.SIGNAL, topics.CONTROL)
    windows: int = 0
    bars: int = 0
    kept: list[Message] = field(default_factory=list)

    def on_message(self, message: Message) -> Iterator[Effect]:
        self.kept.append(message)
        if isinstance(message, SealedWindow):
            self.windows += 1
            self.bars += message.block.n
        if isinstance(message, StreamClosed):
            yield Send(topics.report(self.name), Leave(self.name, self.windows, self.bars, ()))


@dataclass(frozen=True)
class Event:
    """A message that was sent, and how many had been cut and had landed by then."""

    sender: str
    message: Message
    cut: int
    landed: int


class Exchange:
    """Deliver messages in an order that chance chooses, first in first out between any two actors."""

    def __init__(self, plan: SessionPlan, storage: Storage, seed: int, stop_at: int | None = None) -> None:
        self.diaries = [Diary() for _ in plan.strategies]
        self.coordinator = Coordinator("coordinator", plan)
        engines = [
            Analysis(spec.actor, plan, diary, spec)
            for spec, diary in zip(plan.strategies, self.diaries, strict=True)
        ]
        self.roles: dict[str, Role] = {
            role.name: role
            for role in (
                Loader("loader", plan, storage, lambda: 0),
                Processor("processor", plan),
                QualityManager("quality", plan),
                Sink(),
                *engines,
            )
        }
        self.log: list[Event] = []
        self.finished: Finished | None = None
        self._random = random.Random(seed)
        self._channels: dict[tuple[str, str], deque[Message]] = {}
        self._members = [spec.actor for spec in plan.strategies]
        self._acked: Counter[str] = Counter()
        self._cut = self._sealed = 0
        self._now_ns = 0
        self._wake_ns: int | None = None
        self._stop_at = stop_at
        self._done = False

    def run(self) -> "Exchange":
        self._begin()
        turns = 0
        while not self._done or any(self._channels.values()):
            turns += 1
            assert turns < MAX_TURNS, "it goes on and on"
            if turns == self._stop_at:
                self._perform("coordinator", self.coordinator.on_message(Stop("test")))
            self._turn()
        return self

    def sent(self, kind: type[Any]) -> list[Any]:
        return [event.message for event in self.log if isinstance(event.message, kind)]

    def _begin(self) -> None:
        self._perform("coordinator", self.coordinator.on_time(self._now_ns))
        self._perform("coordinator", self.coordinator.begin())

    def _turn(self) -> None:
        ready = sorted(ends for ends, queue in self._channels.items() if queue)
        if not ready:
            self._wake()
            return
        sender, receiver = self._random.choice(ready)
        message = self._channels[sender, receiver].popleft()
        self._tell_time(self._random.randrange(MINUTE))
        if receiver == "coordinator":
            self._acked[sender] += type(message).__name__ == "Ack"
            self._perform(receiver, self.coordinator.on_message(message))
        else:
            self._deliver(receiver, message)

    def _deliver(self, receiver: str, message: Message) -> None:
        self._perform(receiver, self.roles[receiver].on_message(message))

    def _wake(self) -> None:
        assert self._wake_ns is not None, "nothing can ever happen again"
        self._tell_time(max(0, self._wake_ns - self._now_ns))
        self._wake_ns = None
        self._perform("coordinator", self.coordinator.on_wake())

    def _tell_time(self, passed_ns: int) -> None:
        self._now_ns += passed_ns
        self._perform("coordinator", self.coordinator.on_time(self._now_ns))

    def _perform(self, actor: str, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._send(actor, effect.topic, effect.message)
            elif isinstance(effect, Wake):
                self._wake_ns = effect.at_ns
            self._done = self._done or isinstance(effect, Done)

    def _send(self, actor: str, topic: str, message: Message) -> None:
        self._cut += isinstance(message, RawWindow)
        self._sealed += isinstance(message, SealedWindow)
        landed = min([self._sealed, *(self._acked[name] for name in self._members)])
        self.log.append(Event(actor, message, self._cut, landed))
        for receiver in self._receivers(topic):
            self._channels.setdefault((actor, receiver), deque()).append(message)
        if isinstance(message, Finished):
            self.finished = message

    def _receivers(self, topic: str) -> list[str]:
        channel, _, name = topic.partition("/")
        if channel in ("report", "ingest"):
            return ["coordinator"]
        if channel == "to":
            return [name]
        return [other for other, role in self.roles.items() if channel in role.subscriptions]


@dataclass(frozen=True)
class Market:
    """A run's results follow from this alone."""

    kinds: Tides
    symbols: tuple[str, ...]
    engines: int
    history: int
    seed: int
    holes: float
    flaws: float
    skipped: tuple[int, ...]

    def play(self, flow: Flow, seed: int, stop_at: int | None = None) -> tuple[SessionPlan, Exchange]:
        skipped = self.skipped if len(self.symbols) > 1 else ()
        plan = plan_of(self.kinds, self.symbols, self.engines, self.history, skipped, flow)
        return plan, Exchange(plan, self.storage(plan), seed, stop_at).run()

    def storage(self, plan: SessionPlan) -> Storage:
        return Storage(plan, self.seed, self.holes, self.flaws)


kinds = st.lists(st.sampled_from(sorted(TIDES)), min_size=1 + HISTORY, max_size=3 + HISTORY).map(tuple)
markets = st.builds(
    Market,
    kinds=kinds,
    symbols=st.sampled_from([("A",), ("B", "A")]),
    engines=st.integers(0, 2),
    history=st.integers(0, HISTORY),
    seed=st.integers(0, 2**32),
    holes=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    flaws=st.sampled_from([0.0, 0.3]),
    skipped=st.sampled_from([(), (0,), (1,), (0, 2)]),
)
flows = st.builds(
    Flow,
    window_steps=st.none() | st.sampled_from([1, 2, 7, 256]),
    window_rows=st.sampled_from([1, 5, 8192]),
    credit=st.sampled_from([1, 2, 8]),
    prefetch_sessions=st.integers(1, 3),
    speed=st.sampled_from([0.0, 0.0, 1.0, 3.7, 1e6]),
)
seeds = st.integers(0, 2**32)
quickly = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sealed_of(exchange: Exchange) -> list[SealedWindow]:
    return exchange.sent(SealedWindow)


def verdict(exchange: Exchange) -> Finished:
    assert exchange.finished is not None
    return exchange.finished


def outcome(exchange: Exchange) -> tuple[Any, ...]:
    """Tell what may not depend on how a run was played."""
    done = msgspec.structs.replace(verdict(exchange), phase_wall_ns={}, lag_ns=0)
    return done, [diary.pages for diary in exchange.diaries]


@quickly
@given(markets, flows, flows, seeds, seeds)
def test_digests_and_what_strategies_see_are_the_same_for_every_schedule_and_cut(
    market: Market, one: Flow, other: Flow, first: int, second: int
) -> None:
    assert outcome(market.play(one, first)[1]) == outcome(market.play(other, second)[1])


@quickly
@given(markets, flows, seeds)
def test_every_bar_is_delivered_once_in_order_and_with_its_own_step(
    market: Market, flow: Flow, seed: int
) -> None:
    plan, exchange = market.play(flow, seed)
    clocks: list[tuple[int, int]] = []
    bars: list[tuple[int, int, int]] = []
    for window in sealed_of(exchange):
        steps = as_times(window.steps).tolist()
        closes = as_bars(window.block)["close_ts"].tolist()
        assert set(closes) <= set(steps)
        clocks += [(window.session, step) for step in steps]
        streams = as_bars(window.block)["stream"].tolist()
        bars += [(window.session, *bar) for bar in zip(closes, streams, strict=True)]
    assert all(before < after for before, after in pairwise(clocks))
    assert all(before < after for before, after in pairwise(bars))
    seen = Counter((stream, session) for session, _, stream in bars)
    read = {
        (stream.id, session.index)
        for stream in plan.base_streams
        for session in (*plan.history, *plan.sessions)
        if stream.is_read_in(session.index)
    }
    valid = market.storage(plan).valid
    assert {key: seen[key] for key in read} == {key: valid[key] for key in read}
    assert not any(set(plan.served[stream].skipped) & {session} for stream, session in seen)


@quickly
@given(markets, flows, seeds)
def test_a_sealed_window_is_its_raw_window_with_the_answers_of_processor_and_quality(
    market: Market, flow: Flow, seed: int
) -> None:
    _, exchange = market.play(flow, seed)
    raws, answers = exchange.sent(RawWindow), exchange.sent(Derived)
    judgements, sealed = exchange.sent(Quality), sealed_of(exchange)
    assert [window.seq for window in sealed] == list(range(len(raws)))
    for raw, derived, quality, whole in zip(raws, answers, judgements, sealed, strict=True):
        assert raw.seq == derived.seq == quality.seq == whole.seq
        same = ("session", "first", "last", "steps", "defects")
        assert [getattr(raw, name) for name in same] == [getattr(whole, name) for name in same]
        assert (whole.quality, whole.gaps) == (quality.quality, quality.gaps)
        parts = [*as_bars(raw.block).tolist(), *as_bars(derived.block).tolist()]
        assert sorted(parts, key=lambda bar: (bar[5], bar[0])) == as_bars(whole.block).tolist()


@quickly
@given(markets, flows, seeds)
def test_delivered_and_missing_are_what_was_expected(market: Market, flow: Flow, seed: int) -> None:
    plan, exchange = market.play(flow, seed)
    valid = market.storage(plan).valid
    totals = {total.stream: total for total in verdict(exchange).streams}
    for stream in plan.base_streams:
        total, interval = totals[stream.id], Interval.parse(stream.interval)
        read = [session for session in plan.sessions if stream.is_read_in(session.index)]
        assert total.expected == sum(len(expected_opens(session, interval)) for session in read)
        assert (
            total.bars == total.received == sum(valid[stream.id, session.index] for session in plan.sessions)
        )
        assert total.bars + total.missing == total.expected
    assert verdict(exchange).bars == sum(totals[stream.id].bars for stream in plan.base_streams)
    for report, session in zip(exchange.sent(SessionReport), plan.sessions, strict=True):
        bars = sum(valid[stream.id, session.index] for stream in plan.base_streams)
        assert (report.session, report.bars) == (session.index, bars)


@quickly
@given(markets, flows, seeds)
def test_credit_and_the_loader_s_lead_are_never_exceeded(market: Market, flow: Flow, seed: int) -> None:
    plan, exchange = market.play(flow, seed)
    assert max(event.cut - event.landed for event in exchange.log) <= flow.credit
    session, streaming = 0, False
    for event in exchange.log:
        if isinstance(event.message, PhaseEvent):
            session, streaming = event.message.session, event.message.phase >= Phase.STREAMING
        if isinstance(event.message, LoadSessions):
            assert event.message.until <= session + flow.prefetch_sessions - (not streaming)
    loaded = [report.session for report in exchange.sent(LoadReport)]
    assert loaded == list(range(-len(plan.history), len(plan.sessions)))


@quickly
@given(markets, flows, seeds)
def test_every_phase_starts_and_completes_once_per_session_in_legal_order(
    market: Market, flow: Flow, seed: int
) -> None:
    plan, exchange = market.play(flow, seed)
    events: list[PhaseEvent] = exchange.sent(PhaseEvent)
    told = [(event.session, event.phase, event.state) for event in events]
    assert told == [
        (session.index, phase.value, state)
        for session in plan.sessions
        for phase in Phase
        for state in ("started", "complete")
    ]
    for before, after in pairwise(Phase(event.phase) for event in events[::2]):
        assert after in {PHASE_TRANSITIONS.get((before, why)) for why in PhaseEnd}
    assert all(before.elapsed_ns <= after.elapsed_ns for before, after in pairwise(events))


@quickly
@given(markets, flows, seeds)
def test_everyone_leaves_with_the_windows_and_bars_that_were_published(
    market: Market, flow: Flow, seed: int
) -> None:
    _, exchange = market.play(flow, seed)
    leaves = {leave.actor: leave for leave in exchange.sent(Leave)}
    (end,) = exchange.sent(RunEnd)
    sealed = sealed_of(exchange)
    raw_bars = sum(window.block.n for window in exchange.sent(RawWindow))
    sealed_bars = sum(window.block.n for window in sealed)
    expected = {name: (len(sealed), sealed_bars) for name in leaves if name.startswith("analysis")}
    expected |= {name: (len(sealed), raw_bars) for name in ("processor", "quality")}
    found = {name: (leave.windows, leave.bars) for name, leave in leaves.items() if name != "recorder"}
    assert found == expected
    assert len(leaves) == market.engines + 3
    assert end == RunEnd(len(sealed), verdict(exchange).data_digest, verdict(exchange).stream_digest)


@quickly
@given(markets, flows, seeds)
def test_the_recorder_gets_every_signal_before_the_stream_is_closed(
    market: Market, flow: Flow, seed: int
) -> None:
    _, exchange = market.play(flow, seed)
    sink = exchange.roles["recorder"]
    assert isinstance(sink, Sink)
    assert isinstance(sink.kept[-1], StreamClosed)
    given_by = Counter[str]()
    for message in sink.kept:
        if type(message).__name__ == "Signals":
            given_by[message.actor] += len(message.signals)
    assert dict(given_by) == {name: count for name, count in verdict(exchange).signals.items() if count}
    assert all(count >= 1 for count in verdict(exchange).signals.values())


@quickly
@given(markets, flows, flows, seeds, st.integers(1, 400))
def test_a_run_that_is_stopped_is_a_prefix_of_the_run_that_goes_on(
    market: Market, one: Flow, other: Flow, seed: int, stop_at: int
) -> None:
    _, whole = market.play(one, seed)
    _, stopped = market.play(other, seed + 1, stop_at)
    for whole_column, column in zip(columns(whole), columns(stopped), strict=True):
        assert whole_column[: len(column)] == column
    for long, short in zip(whole.diaries, stopped.diaries, strict=True):
        assert long.pages[: len(short.pages)] == short.pages
    for total in verdict(stopped).streams[: len(market.symbols)]:
        assert total.bars + total.missing == total.expected
    complete = stopped.sent(PhaseEvent) == whole.sent(PhaseEvent) or columns(stopped) == columns(whole)
    assert verdict(stopped).interrupted or complete


def columns(exchange: Exchange) -> list[list[Any]]:
    """Give steps, bars, quality, gaps and defects of a run, each in one list."""
    windows = sealed_of(exchange)
    return [
        [(window.session, step) for window in windows for step in as_times(window.steps).tolist()],
        [bar for window in windows for bar in as_bars(window.block).tolist()],
        [row for window in windows for row in as_quality(window.quality).tolist()],
        [gap for window in windows for gap in window.gaps],
        [defect for window in windows for defect in window.defects],
    ]
