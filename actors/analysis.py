"""The analysis engine: one strategy, fed step by step.

1. Windows come in order, history first. History fills `ctx.history` and warms indicators up; no handler runs.
2. A step is handled in this order: the clock, the orders that its bars fill and `on_fill` for each,
   `on_quality` for each record, `on_bar` for each bar, `on_step`, and `on_window` where a stretch ends. What
   falls on the step is visible in all of them. Then the books are written.
3. A window is answered with one `Ack` that holds the signals given in it, in order. What indicators gave at
   its bars, and what became of the signals, goes to the engine's own tables, which are whole before the end
   of the run is answered.
4. A handler that raises stops its strategy, or is logged and left at that, as its `on_error` says. What it
   had signalled before stands. A strategy that is alone ends the run when it is stopped; beside others it is
   called no more, its open orders are cancelled, its positions are marked on, and the `Leave` says why.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from actors.domain.bar_views import Bar, BarColumns, Ints, Step, StreamLayout, bar_objects
from actors.domain.bar_windows import WindowGatherer
from actors.domain.indicator_recording import NO_TABLES, IndicatorRecording
from actors.domain.indicators import IndicatorBoard, IndicatorError
from actors.domain.intervals import NS_PER_S
from actors.domain.market import Market, UnknownStream
from actors.domain.ports import TableSink
from actors.domain.roles import Effect, Log, LogLines, RoleError, Send
from actors.domain.session_plan import IndicatorSpec, SessionPlan, StrategySpec
from actors.domain.strategy import Context, Strategy
from actors.domain.trading.account import TradingAccount
from actors.domain.trading.broker import Broker
from actors.domain.trading.opening import open_desk
from actors.domain.trading.trade_recording import TradeRecording
from protocol import topics
from protocol.blocks import as_bars, as_quality, as_times
from protocol.messages import Ack, Leave, Message, RunEnd, SealedWindow, Signal, Verdict

HANDLERS: Final = (
    "on_start",
    "on_session_start",
    "on_fill",
    "on_quality",
    "on_bar",
    "on_step",
    "on_window",
    "on_session_end",
    "on_stop",
)
Events = Iterable[Any]
"""What a handler is called with, after the context, call by call."""
STOPPED: Final = "the strategy was stopped"
"""Why the orders of a strategy that raised have ended."""
FAILURE_LENGTH: Final = 4096
"""How many characters of an error are told to others; the log has all."""


class StrategyError(RoleError):
    """A strategy's handler raised; the error is its cause."""

    def __init__(self, strategy: str, handler: str, when: str, bar: Bar | None, cause: BaseException) -> None:
        """Name the strategy, the handler, the step and the bar, and where in the strategy it was."""
        super().__init__(
            f"strategy {strategy} raised in {handler} at {when}{_about(bar)}: "
            f"{type(cause).__name__}: {cause} ({_place(cause)})"
        )
        self.strategy = strategy
        self.handler = handler
        self.bar = bar


class Analysis:
    """Run one strategy over sealed windows."""

    def __init__(
        self,
        name: str,
        plan: SessionPlan,
        strategy: Strategy[Any],
        spec: StrategySpec,
        tables: TableSink = NO_TABLES,
    ) -> None:
        """Build what the strategy needs.

        Raises RoleError where the run does not serve it.
        """
        self.name = name
        self.windows = 0
        self.bars = 0
        self._plan = plan
        self._spec = spec
        self._zone = ZoneInfo(plan.timezone)
        self._layout = StreamLayout(plan)
        self._market = Market(plan)
        self._wanted = self._find_wanted(strategy)
        board = self._build_indicators(strategy)
        self._broker = Broker(open_desk(plan.trading), self._market)
        self._account = TradingAccount(self._broker)
        self._context = Context(self._market, board, self._broker)
        self._tables = tables
        self._indicator_rows = IndicatorRecording(plan, spec.name, board, tables)
        self._trade_rows = TradeRecording(spec.name, tables)
        self._handlers = find_handlers(strategy)
        window = strategy.needs().window
        self._gatherer = None if window is None else WindowGatherer(window, self._layout)
        self._errors: list[Effect] = []
        self._begins_at = 0
        """The first window whose handlers are called."""
        self._started = False
        self._stopped: tuple[str, int] | None = None
        """What stopped the strategy, and the step."""

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Sealed windows, and the end of the run."""
        return (topics.SEALED, topics.CONTROL)

    @property
    def strategy_name(self) -> str:
        """The strategy's name in the configuration."""
        return self._spec.name

    def on_message(self, message: Message) -> Iterable[Effect]:
        """Answer a sealed window with the signals given in it, and the end of the run with the final counts.

        Raises StrategyError where a handler of the run's only strategy raised and should stop it, RoleError
        where a window is missing or repeated.
        """
        match message:
            case SealedWindow():
                return self._on_window(message)
            case RunEnd():
                return self._on_end()
            case _:
                return ()

    def begin_at(self, seq: int) -> None:
        """Take all windows before this one as history: no handler is called for them.

        Within a session, `on_start` and `on_session_start` are called as of the last step before it.
        """
        self._begins_at = seq

    def _find_wanted(self, strategy: Strategy[Any]) -> npt.NDArray[np.bool_] | None:
        """Mark the streams of the intervals that the strategy wants, by id; None is all."""
        wanted = strategy.needs().intervals
        served = self._layout.id_ranges
        for interval in wanted:
            if interval not in served:
                raise RoleError(
                    f"strategy {self._spec.name} needs {interval} bars; this run serves {', '.join(served)}"
                )
        if not wanted or set(wanted) == set(served):
            return None
        return np.isin(self._layout.intervals.astype(str), wanted)

    def _build_indicators(self, strategy: Strategy[Any]) -> IndicatorBoard:
        try:
            return IndicatorBoard(self._market, declared_indicators(strategy, self._spec))
        except (IndicatorError, UnknownStream) as error:
            raise RoleError(f"strategy {self._spec.name}: {error}") from error

    def _on_window(self, window: SealedWindow) -> list[Effect]:
        if window.seq != self.windows:
            raise RoleError(
                f"sealed window {window.seq} came where {self.windows} was due: run the session again"
            )
        bars = BarColumns.of_block(as_bars(window.block))
        plays = window.session >= 0 and window.seq >= self._begins_at
        if window.first:
            self._start_session(window, plays=plays)
        elif plays and window.seq == self._begins_at:
            self._begin_session()
        self._market.offer(window, bars)
        if plays:
            self._play(window, bars)
            self._indicator_rows.add(window.session, bars)
        elif window.session >= 0:
            self._gather_unseen(window, bars)
        self._market.close_window(int(as_times(window.steps)[-1]))
        if plays and window.last:
            self._end_session()
        if plays:
            self._record_trades(window)
        self.windows += 1
        self.bars += len(bars)
        return self._answer(Ack(self.name, window.seq, self._context.take_signals()))

    def _on_end(self) -> list[Effect]:
        if self._started:
            self._call("on_stop")
        signals, verdict = self._context.take_signals(), self._close_account()
        return self._answer(Leave(self.name, self.windows, self.bars, signals, verdict))

    def _record_trades(self, window: SealedWindow) -> None:
        books = self._account.add_window(window)
        self._trade_rows.add_books(self._market.session.date, as_times(window.steps), books)
        self._trade_rows.add_records(self._market.session.date, self._account.take_records())

    def _close_account(self) -> Verdict:
        """Record what the end has brought, and finish all tables."""
        self._trade_rows.add_records(self._market.session.date, self._account.take_records())
        self._trade_rows.add_open_orders(self._market.session.date, self._broker.desk.waiting())
        self._trade_rows.finish()
        self._indicator_rows.finish()
        self._tables.close()
        failure, failed_ts = self._stopped or ("", None)
        return replace(self._account.verdict(), failure=failure, failed_ts=failed_ts)

    def _answer(self, message: Ack | Leave) -> list[Effect]:
        effects, self._errors = self._errors, []
        if message.signals:
            texts = [_signal_text(signal) for signal in message.signals]
            effects.append(LogLines(texts, [signal.event_ts for signal in message.signals]))
        return [*effects, Send(topics.report(self.name), message)]

    def _start_session(self, window: SealedWindow, *, plays: bool) -> None:
        self._market.start_session(self._plan.session(window.session), window.figures)
        if self._gatherer is not None and window.session >= 0:
            self._gatherer.start_session(self._market.session)
        if plays:
            self._begin_session()

    def _begin_session(self) -> None:
        if not self._started:
            self._started = True
            self._call("on_start")
        self._call("on_session_start")

    def _gather_unseen(self, window: SealedWindow, bars: BarColumns) -> None:
        """Keep what a stretch will hold that ends when handlers are called."""
        if self._gatherer is None:
            return
        bars, times = self._select(bars), as_times(window.steps)
        bounds = [0, *np.searchsorted(bars.close_ts, times, side="right").tolist()]
        for _ in self._gatherer.gather(times, bars, bounds):
            pass

    def _play(self, window: SealedWindow, bars: BarColumns) -> None:
        """Go through the steps one by one; each kind of event is made as its step comes."""
        times = as_times(window.steps)
        cues = list(self._cues(window, bars))
        for now in times.tolist() if cues or not self._broker.is_idle else ():
            self._market.now = now
            trades = not self._broker.is_idle
            if trades:
                self._broker.step()
                self._tell_fills()
            for handler, events in cues:
                self._deliver(handler, next(events))
            if trades or not self._broker.is_quiet:
                self._tell_fills()
                self._broker.write_books()

    def _tell_fills(self) -> None:
        """Call `on_fill` for every fill; what it signals may be filled at once too."""
        while fills := self._broker.take_unseen():
            if "on_fill" in self._handlers:
                self._deliver("on_fill", fills)

    def _end_session(self) -> None:
        """Let the session's orders expire; what the handler orders waits for the next session."""
        self._broker.desk.end_session(self._market.now)
        self._call("on_session_end")
        self._tell_fills()
        self._broker.write_books()

    def _cues(self, window: SealedWindow, bars: BarColumns) -> Iterator[tuple[str, Iterator[Events]]]:
        """Give for every handler that the strategy defines its events, step by step."""
        times = as_times(window.steps)
        if "on_quality" in self._handlers:
            yield "on_quality", self._quality_events(window, times)
        if self._handlers.keys() & {"on_bar", "on_step", "on_window"}:
            bars = self._select(bars)
            bounds = [0, *np.searchsorted(bars.close_ts, times, side="right").tolist()]
        if "on_bar" in self._handlers:
            yield "on_bar", self._bar_events(bars, bounds)
        if "on_step" in self._handlers:
            yield "on_step", self._step_events(times, bars, bounds)
        if self._gatherer is not None and "on_window" in self._handlers:
            yield "on_window", self._gatherer.gather(times, bars, bounds)

    def _select(self, bars: BarColumns) -> BarColumns:
        if self._wanted is None:
            return bars
        return bars.take(np.flatnonzero(self._wanted[bars.stream]))

    def _quality_events(self, window: SealedWindow, times: Ints) -> Iterator[Events]:
        records = as_quality(window.quality)
        streams = records["stream"].tolist()
        bounds = [0, *np.searchsorted(records["event_ts"], times, side="right").tolist()]
        for start, end in pairwise(bounds):
            yield [self._market.stream_quality(stream) for stream in streams[start:end]]

    def _bar_events(self, bars: BarColumns, bounds: list[int]) -> Iterator[Events]:
        symbols = self._layout.symbols[bars.stream].tolist()
        intervals = self._layout.intervals[bars.stream].tolist()
        made = bar_objects(symbols, intervals, bars)
        for start, end in pairwise(bounds):
            yield islice(made, end - start)

    def _step_events(self, times: Ints, bars: BarColumns, bounds: list[int]) -> Iterator[Events]:
        for now, (start, end) in zip(times.tolist(), pairwise(bounds), strict=True):
            own = bars.copied(start, end)
            yield (Step(now, self._layout, own.ints, own.floats),)

    def _call(self, name: str) -> None:
        """Call a handler that takes nothing but the context, if the strategy has it and was not stopped."""
        handler = self._handlers.get(name)
        try:
            if handler is not None:
                handler(self._context)
        except (Exception, SystemExit) as error:  # noqa: BLE001  what a strategy raises is its own affair
            self._on_error(name, error, None)

    def _deliver(self, name: str, events: Events) -> None:
        """Call a handler for each event, likewise."""
        handler = self._handlers.get(name)
        if handler is None:
            return
        context = self._context
        for event in events:
            try:
                handler(context, event)
            except (Exception, SystemExit) as error:  # noqa: BLE001  what a strategy raises is its own affair
                self._on_error(name, error, event if name == "on_bar" else None)
                if self._stopped:
                    return

    def _on_error(self, handler: str, cause: BaseException, bar: Bar | None) -> None:
        error = StrategyError(self._spec.name, handler, self._when(), bar, cause)
        if self._spec.on_error == "stop" and len(self._plan.strategies) <= 1:
            raise error from cause
        self._errors.append(Log("ERROR", str(error), self._market.now))
        if self._spec.on_error == "stop":
            self._stop(str(error)[:FAILURE_LENGTH])

    def _stop(self, failure: str) -> None:
        now = self._market.now
        self._stopped = failure, now
        self._handlers = {}
        self._broker.desk.cancel_all(now, STOPPED)
        text = f"strategy {self._spec.name} is stopped: its open orders are cancelled, the run goes on"
        self._errors.append(Log("WARNING", text, now))

    def _when(self) -> str:
        instant = datetime.fromtimestamp(self._market.now // NS_PER_S, UTC)
        return f"{instant.astimezone(self._zone):%Y-%m-%d %H:%M:%S %Z} ({instant:%Y-%m-%dT%H:%M:%SZ})"


def declared_indicators(strategy: Strategy[Any], spec: StrategySpec) -> tuple[IndicatorSpec, ...]:
    """List what the configuration and the strategy itself declare, each key once."""
    declared = (*spec.indicators, *strategy.needs().indicators)
    return tuple({indicator.key: indicator for indicator in declared}.values())


def find_handlers(strategy: Strategy[Any]) -> dict[str, Callable[..., None]]:
    """Find the handlers that a strategy's class defines."""
    defined = (name for name in HANDLERS if getattr(type(strategy), name) is not getattr(Strategy, name))
    return {name: getattr(strategy, name) for name in defined}


def _about(bar: Bar | None) -> str:
    if bar is None:
        return ""
    prices = f"{bar.open} {bar.high} {bar.low} {bar.close}"
    return f", bar {bar.symbol} {bar.interval} ({prices}, volume {bar.volume})"


def _place(error: BaseException) -> str:
    """Say where the handler, which this module called, was."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = frames[min(1, len(frames) - 1)]
    return f"{frame.filename}, line {frame.lineno}"


def _signal_text(signal: Signal) -> str:
    return (
        f"SIGNAL {signal.action} {signal.symbol} {signal.quantity:g} "
        f"(confidence {signal.confidence:g}): {signal.reason}"
    )
