"""Trade the break out of the range of a session's first minutes."""

from pydantic import Field

from actors.domain.bar_views import Bar
from actors.domain.intervals import NS_PER_S, Interval
from actors.domain.strategy import Action, Context, Needs, Strategy, StrategyParams
from actors.domain.trading.orders import Fill


class OpeningRangeParams(StrategyParams):
    """How long the range is watched, and when the position is left."""

    interval: str = "5m"
    range_minutes: int = Field(default=30, ge=1, le=600)
    exit_minutes: int = Field(default=10, ge=1, le=600)
    """How long before the close the position is left."""
    quantity: float = Field(default=100.0, gt=0)


class OpeningRange(Strategy[OpeningRangeParams]):
    """One trade a symbol and session, long above the range or short below it.

    The range is the high and the low of the session's first `range_minutes`. The first bar that closes
    outside of it opens a position; a stop waits on the other side of the range; what is left is closed
    `exit_minutes` before the session's close.
    """

    Params = OpeningRangeParams

    def __init__(self, params: OpeningRangeParams) -> None:
        """Know no range."""
        super().__init__(params)
        self._ranges: dict[str, tuple[float, float]] = {}
        self._traded: set[str] = set()

    def needs(self) -> Needs:
        """Ask for the bars alone."""
        return Needs(intervals=(str(Interval.parse(self.params.interval)),))

    def on_session_start(self, ctx: Context) -> None:
        """Begin a range at the open of regular hours."""
        self._ranges.clear()
        self._traded.clear()
        self._opens, closes = ctx.session.regular[0].open_ns, ctx.session.regular[-1].close_ns
        self._ranged_until = self._opens + self.params.range_minutes * 60 * NS_PER_S
        self._exit_from = closes - self.params.exit_minutes * 60 * NS_PER_S

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """Put a stop on the other side of the range, once there is a position."""
        position = ctx.position(fill.symbol).quantity
        if position * fill.quantity > 0 and fill.symbol in self._ranges:
            high, low = self._ranges[fill.symbol]
            stop = low if position > 0 else high
            ctx.signal(
                fill.symbol, "CLOSE", stop=stop, good_for="session", reason="the other side of the range"
            )

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Widen the range, trade the break, leave before the close."""
        if bar.close_ts <= self._opens:
            return
        if bar.close_ts <= self._ranged_until:
            high, low = self._ranges.get(bar.symbol, (bar.high, bar.low))
            self._ranges[bar.symbol] = max(high, bar.high), min(low, bar.low)
        elif ctx.now >= self._exit_from:
            if ctx.position(bar.symbol).quantity:
                ctx.signal(bar.symbol, "CLOSE", reason="before the close")
        elif bar.symbol in self._ranges and bar.symbol not in self._traded:
            self._break_out(ctx, bar)

    def _break_out(self, ctx: Context, bar: Bar) -> None:
        high, low = self._ranges[bar.symbol]
        if low <= bar.close <= high:
            return
        self._traded.add(bar.symbol)
        action: Action = "BUY" if bar.close > high else "SELL"
        side = "above" if action == "BUY" else "below"
        ctx.signal(bar.symbol, action, self.params.quantity, reason=f"closed {side} the opening range")
