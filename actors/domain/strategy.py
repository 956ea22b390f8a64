"""The strategy interface: what a strategy declares, which handlers it may define, what it may read and do.

A strategy is a class. `Params` says what may be configured, `needs` what it must be given, and of the
handlers it defines those it wants; one that is not defined costs nothing. See `docs/strategies.md`.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel

from actors.domain.bar_views import Bar, BarSeries, Step
from actors.domain.bar_windows import BarWindow
from actors.domain.indicators import IndicatorBoard
from actors.domain.market import Market, UnknownSymbol
from actors.domain.quality_ledger import StreamQuality
from actors.domain.session_plan import IndicatorSpec, Session, Stream
from actors.domain.trading.broker import Broker
from actors.domain.trading.desk import Decision
from actors.domain.trading.orders import Fill, GoodFor, OpenOrder, Order, TermsError
from actors.domain.trading.portfolio import Holding
from protocol.messages import Gap, Signal

Action = Literal["BUY", "SELL", "CLOSE"]
MAX_REASON_CHARS: Final = 65_536


class SignalError(ValueError):
    """A strategy gave a signal that cannot be."""


class StrategyParams(BaseModel, extra="forbid", frozen=True):
    """What can be configured of a strategy; unknown names are refused. None by default."""


@dataclass(frozen=True)
class Needs:
    """What a strategy must be given."""

    intervals: tuple[str, ...] = ()
    """The bars that `on_bar` and `on_step` get; empty is all that the run serves."""
    indicators: tuple[IndicatorSpec, ...] = ()
    """What `ctx.indicator` can be asked for, on every symbol."""
    window: str | None = None
    """The interval, within a session, at whose closes `on_window` is called."""
    history_sessions: int = 0
    """How many sessions before the current one are kept, and warm the indicators up."""


class Context:
    """What a strategy may read, all as of `now`, and do. One lasts for the whole run."""

    def __init__(self, market: Market, indicators: IndicatorBoard, broker: Broker) -> None:
        """Read from these, and trade with `broker`."""
        self._market = market
        self._indicators = indicators
        self._broker = broker
        self._signals: list[Signal] = []

    @property
    def now(self) -> int:
        """The clock, ns UTC: the step's event time, or the open before a session's first step."""
        return self._market.now

    @property
    def session(self) -> Session:
        """The current session, from the calendar."""
        return self._market.session

    @property
    def symbols(self) -> tuple[str, ...]:
        """The run's symbols, in the configuration's order."""
        return self._market.symbols

    def stream(self, stream: int) -> Stream:
        """Look up what the `stream` of a gap or a quality stands for: symbol, interval and more."""
        return self._market.stream(stream)

    def bars(self, symbol: str, interval: str) -> BarSeries:
        """View this session's bars so far.

        Raises UnknownStream.
        """
        return self._market.bars(symbol, interval)

    def history(self, symbol: str, interval: str) -> BarSeries:
        """View the bars of the sessions before this one, as many as `needs` or the configuration asked for.

        Raises UnknownStream.
        """
        return self._market.history(symbol, interval)

    def volume(self, symbol: str) -> float | None:
        """Give the session's volume so far, from base bars; None before the first.

        Raises UnknownSymbol.
        """
        return self._market.totals(symbol).volume

    def high(self, symbol: str) -> float | None:
        """Give the session's high so far, from base bars; None before the first.

        Raises UnknownSymbol.
        """
        return self._market.totals(symbol).high

    def low(self, symbol: str) -> float | None:
        """Give the session's low so far, from base bars; None before the first.

        Raises UnknownSymbol.
        """
        return self._market.totals(symbol).low

    def last_update(self, symbol: str) -> int | None:
        """Give the close stamp of the session's newest base bar, ns UTC; None before the first.

        Raises UnknownSymbol.
        """
        return self._market.last_update(symbol)

    def indicator(self, key: str, symbol: str) -> Any:  # noqa: ANN401  which it is the key says
        """Give the value of an indicator that `needs` or the configuration declares, as `sma_20_5m`.

        A float, or a named tuple where there are several numbers; None before it is warm, and where it is not
        defined.

        Raises UnknownIndicator.
        """
        return self._indicators.value(key, symbol)

    def historical(self, key: str, symbol: str) -> Any:  # noqa: ANN401  which it is the key says
        """Give a historical indicator of the configuration, as `avg_volume_20d`; it stays all session.

        A float, a named tuple where there are several numbers, or a read-only array over the minutes of the
        session's regular hours, NaN where no session of the window has a bar. None where it has no value.

        Raises UnknownHistorical.
        """
        return self._market.historical.value(key, symbol)

    def historical_reason(self, key: str, symbol: str) -> str | None:
        """Say why a historical indicator has no value; None where it has one.

        Raises UnknownHistorical.
        """
        return self._market.historical.reason(key, symbol)

    def lag_ns(self, symbol: str, interval: str) -> int:
        """Tell how far a stream is behind the clock: the time of the bars that are due since its newest one.

        Raises UnknownStream.
        """
        return self._market.lag_ns(symbol, interval)

    def is_catching_up(self, symbol: str, interval: str) -> bool:
        """Tell whether a stream lags more than `streaming.catchup_threshold_seconds`.

        Raises UnknownStream.
        """
        return self._market.is_catching_up(symbol, interval)

    def quality(self, symbol: str) -> StreamQuality:
        """Judge the session's base bars so far: `score` in percent, and the counts behind it.

        Raises UnknownSymbol.
        """
        return self._market.quality(symbol)

    def gaps(self, symbol: str) -> tuple[Gap, ...]:
        """List the session's runs of missing base bars that have shown so far.

        Raises UnknownSymbol.
        """
        return self._market.gaps(symbol)

    @property
    def cash(self) -> float:
        """The portfolio's cash."""
        return self._broker.desk.portfolio.cash

    @property
    def equity(self) -> float:
        """Cash and the worth of all positions at their newest closes."""
        return self._broker.desk.portfolio.equity

    def position(self, symbol: str) -> Holding:
        """Give what is held of a symbol; a quantity of 0 where nothing is, below 0 where it is short.

        Raises UnknownSymbol.
        """
        self._check_symbol(symbol)
        return self._broker.desk.portfolio.holding(symbol)

    def orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        """List the symbol's orders that wait, in the order of placing.

        Raises UnknownSymbol.
        """
        self._check_symbol(symbol)
        return tuple(map(Order.as_open, self._broker.desk.open_orders(symbol)))

    def cancel(self, order: int) -> bool:
        """Cancel an order by its id; False where it does not wait any more."""
        return self._broker.desk.cancel(order, self.now)

    def signal(  # noqa: PLR0913  one argument per property of a signal
        self,
        symbol: str,
        action: Action,
        quantity: float = 0.0,
        confidence: float = 1.0,
        reason: str = "",
        *,
        limit: float | None = None,
        stop: float | None = None,
        good_for: GoodFor = "cancelled",
    ) -> Decision:
        """Say what should be done, as of `now`; it is checked and, where it passes, becomes an order.

        A quantity is above 0, or 0 for CLOSE, which then closes all. `limit` and `stop` make it a limit, a
        stop or a stop-limit order, which waits until it is cancelled or to the session's end (`good_for`).
        Raises UnknownSymbol or SignalError.
        """
        self._check_symbol(symbol)
        if action not in get_args(Action):
            raise SignalError(f"action {action!r} is none of {', '.join(get_args(Action))}")
        _check_amounts(action, quantity, confidence)
        if len(reason) > MAX_REASON_CHARS:
            raise SignalError(f"the reason has {len(reason)} characters, more than {MAX_REASON_CHARS}")
        amounts = float(quantity), float(confidence)
        signal = Signal(self.now, symbol, action, *amounts, reason, limit, stop, good_for)
        try:
            decision = self._broker.submit(signal)
        except TermsError as error:
            raise SignalError(str(error)) from error
        self._signals.append(signal)
        return decision

    def _check_symbol(self, symbol: str) -> None:
        if symbol not in self._market.symbols:
            raise UnknownSymbol(symbol, self._market.symbols)

    def take_signals(self) -> tuple[Signal, ...]:
        """Hand the signals over that were given since the last call; the analysis role's business."""
        signals, self._signals = tuple(self._signals), []
        return signals


def _check_amounts(action: Action, quantity: float, confidence: float) -> None:
    least = "0 or more" if action == "CLOSE" else "above 0"
    enough = quantity >= 0 if action == "CLOSE" else quantity > 0
    if not (math.isfinite(quantity) and enough):
        raise SignalError(f"quantity {quantity} of a {action} signal must be finite and {least}")
    if not 0 <= confidence <= 1:
        raise SignalError(f"confidence {confidence} must be from 0 to 1")


ParamsT = TypeVar("ParamsT", bound=StrategyParams)


class Strategy(Generic[ParamsT]):
    """Base of all strategies. Define the handlers you want; those below do nothing and are never called.

    All handlers run in one thread, one after another, in event time. Whatever is known at `ctx.now` is
    visible in each of them, whichever comes first in the step. What a strategy does must follow from what it
    is given: no wall clock, no unseeded random numbers, or runs can no longer be repeated.
    """

    Params: ClassVar[type[StrategyParams]] = StrategyParams

    def __init__(self, params: ParamsT) -> None:
        """Keep the validated params as `self.params`."""
        self.params = params

    def needs(self) -> Needs:
        """Declare what must be given. Also called by the planner: it must depend on params only."""
        return Needs()

    def on_start(self, ctx: Context) -> None:
        """Handle the run's start: once, before the first `on_session_start`; history is there."""

    def on_session_start(self, ctx: Context) -> None:
        """Handle a session's open. `ctx.now` is the open; nothing of the session is known."""

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """Handle a fill, before anything else of the step with which it became known."""

    def on_quality(self, ctx: Context, quality: StreamQuality) -> None:
        """Handle a change in the quality of a base stream, before the bars of the step that showed it."""

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Handle one bar. Bars of a step come shorter intervals first, then in the symbols' order."""

    def on_step(self, ctx: Context, step: Step) -> None:
        """Handle a step, after its `on_bar` calls: all its bars at once; none where nothing closed."""

    def on_window(self, ctx: Context, window: BarWindow) -> None:
        """Handle a stretch of bars, after `on_step`, where a bar of `needs().window` would close.

        It holds all bars that the strategy wants since the stretch before, those of this step included.
        """

    def on_session_end(self, ctx: Context) -> None:
        """Handle a session's close, after its last step."""

    def on_stop(self, ctx: Context) -> None:
        """Handle the run's end: once; the last session can still be read."""
