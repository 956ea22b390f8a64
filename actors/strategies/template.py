"""Buy above a moving average, protect what was bought with a stop, sell below the average."""

from pydantic import Field

from actors.domain.bar_views import Bar
from actors.domain.session_plan import IndicatorSpec
from actors.domain.strategy import Context, Needs, Strategy, StrategyParams
from actors.domain.trading.orders import Fill


class TemplateParams(StrategyParams):
    """What the configuration may set under `params`; wrong names and values are refused before a run."""

    interval: str = "5m"
    period: int = Field(default=20, ge=2, le=1000)
    stop_percent: float = Field(default=1.0, gt=0, lt=100)
    quantity: float = Field(default=10.0, gt=0)


class Template(Strategy[TemplateParams]):
    """Hold a symbol while its closes are above their average."""

    Params = TemplateParams

    def __init__(self, params: TemplateParams) -> None:
        """Name the indicator. What you keep from bar to bar begins here, too."""
        super().__init__(params)
        self._sma = IndicatorSpec("sma", params.interval, {"period": params.period})

    def needs(self) -> Needs:
        """Say what must be there: bars, indicators, sessions of history that warm the indicators up."""
        return Needs(intervals=(self.params.interval,), indicators=(self._sma,), history_sessions=1)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Handle one bar at its close. All that `ctx` gives is as of that instant, and nothing is later."""
        average = ctx.indicator(self._sma.key, bar.symbol)
        if average is None:  # too few bars so far
            return
        # An order is filled by a later bar: look at what is held and at what still waits.
        held = ctx.position(bar.symbol).quantity
        if held == 0 and not ctx.orders(bar.symbol) and bar.close > average:
            ctx.signal(bar.symbol, "BUY", self.params.quantity, reason=f"above {self._sma.key}")
        elif held > 0 and bar.close < average:
            # CLOSE without a quantity sells all of it, and the stop goes with it.
            ctx.signal(bar.symbol, "CLOSE", reason=f"below {self._sma.key}")

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """Handle a fill of one of our orders; a quantity below 0 was sold."""
        if fill.quantity > 0:
            stop = fill.price * (1 - self.params.stop_percent / 100)
            ctx.signal(fill.symbol, "CLOSE", stop=stop, reason=f"{self.params.stop_percent:g} % lost")
