"""Buy what has fallen too fast, protect it with a stop, sell it when it has recovered."""

from pydantic import Field

from actors.domain.bar_views import Bar
from actors.domain.intervals import Interval
from actors.domain.session_plan import IndicatorSpec
from actors.domain.strategy import Context, Needs, Strategy, StrategyParams
from actors.domain.trading.orders import Fill
from actors.strategies.sma_crossover import history_sessions


class RsiReversionParams(StrategyParams):
    """When to buy, when to sell, and how much may be lost."""

    interval: str = "5m"
    period: int = Field(default=14, ge=2, le=1000)
    oversold: float = Field(default=30.0, gt=0, lt=100)
    recovered: float = Field(default=55.0, gt=0, lt=100)
    stop_percent: float = Field(default=1.0, gt=0, lt=100)
    quantity: float = Field(default=100.0, gt=0)


class RsiReversion(Strategy[RsiReversionParams]):
    """One position a symbol at most, long only.

    A bar that closes with an RSI below `oversold` buys; the fill places a stop `stop_percent` below its
    price; an RSI above `recovered` closes the position, and with it the stop.
    """

    Params = RsiReversionParams

    def __init__(self, params: RsiReversionParams) -> None:
        """Name the indicator."""
        super().__init__(params)
        self._rsi = IndicatorSpec("rsi", params.interval, {"period": params.period})
        self._key = self._rsi.key

    def needs(self) -> Needs:
        """Ask for the RSI, warm from history."""
        interval = Interval.parse(self.params.interval)
        sessions = history_sessions(interval, self.params.period + 1)
        return Needs(intervals=(self.params.interval,), indicators=(self._rsi,), history_sessions=sessions)

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """Protect what was bought."""
        if fill.quantity > 0:
            stop = fill.price * (1 - self.params.stop_percent / 100)
            ctx.signal(fill.symbol, "CLOSE", stop=stop, reason=f"stop {self.params.stop_percent:g} % below")

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Buy or sell by the RSI."""
        rsi = ctx.indicator(self._key, bar.symbol)
        if rsi is None:
            return
        held = ctx.position(bar.symbol).quantity
        waiting = any(order.terms.kind == "market" for order in ctx.orders(bar.symbol))
        if held == 0 and not waiting and rsi < self.params.oversold:
            reason = f"{self._key} {rsi:.1f} below {self.params.oversold:g}"
            ctx.signal(bar.symbol, "BUY", self.params.quantity, reason=reason)
        elif held > 0 and not waiting and rsi > self.params.recovered:
            ctx.signal(bar.symbol, "CLOSE", reason=f"{self._key} {rsi:.1f} above {self.params.recovered:g}")
