"""Buy when a fast moving average rises above a slow one, sell when it falls below."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from actors.domain.bar_views import Bar
from actors.domain.intervals import Interval
from actors.domain.session_plan import IndicatorSpec
from actors.domain.strategy import Action, Context, Needs, Strategy, StrategyParams

SHORT_SESSION_S: Final = 3 * 3_600
"""Trading time that even a short session has; history is counted in such sessions."""
SESSIONS_PER_UNIT: Final = {"d": 1, "w": 7}
"""At most; an exchange that never closes has a session every day."""


def _check_interval(text: str) -> str:
    return str(Interval.parse(text))


class SmaCrossoverParams(StrategyParams):
    """What can be configured."""

    interval: Annotated[str, AfterValidator(_check_interval)] = "5m"
    fast: int = Field(default=10, ge=1, le=100_000)
    slow: int = Field(default=20, ge=1, le=100_000)
    quantity: float = Field(default=100.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_order(self) -> "SmaCrossoverParams":
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be less than slow ({self.slow})")
        return self


class SmaCrossover(Strategy[SmaCrossoverParams]):
    """Signal each crossing of two averages of the close, per symbol, on the close of a bar.

    Averages that touch and part again have not crossed. Which one is above is known from the last bar of
    history on.
    """

    Params = SmaCrossoverParams

    def __init__(self, params: SmaCrossoverParams) -> None:
        """Know of no symbol yet which average is above."""
        super().__init__(params)
        self._fast = self._sma(params.fast)
        self._slow = self._sma(params.slow)
        self._fast_key = self._fast.key
        self._slow_key = self._slow.key
        self._fast_above: dict[str, bool] = {}

    def needs(self) -> Needs:
        """Ask for both averages, warm from history."""
        return Needs(
            intervals=(self.params.interval,),
            indicators=(self._fast, self._slow),
            history_sessions=history_sessions(Interval.parse(self.params.interval), self.params.slow),
        )

    def on_session_start(self, ctx: Context) -> None:
        """Note which average is above before the first bar."""
        for symbol in ctx.symbols:
            self._compare(ctx, symbol)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Signal where the averages have crossed."""
        before = self._fast_above.get(bar.symbol)
        after = self._compare(ctx, bar.symbol)
        if before is None or after is None or before == after:
            return
        action: Action = "BUY" if after else "SELL"
        reason = f"{self._fast_key} crossed {'above' if after else 'below'} {self._slow_key}"
        ctx.signal(bar.symbol, action, self.params.quantity, reason=reason)

    def _sma(self, period: int) -> IndicatorSpec:
        return IndicatorSpec("sma", self.params.interval, {"period": period})

    def _compare(self, ctx: Context, symbol: str) -> bool | None:
        """Say whether the fast average is above; equal ones leave it as it was; None before they are warm."""
        fast = ctx.indicator(self._fast_key, symbol)
        slow = ctx.indicator(self._slow_key, symbol)
        if fast is not None and slow is not None and fast != slow:
            self._fast_above[symbol] = fast > slow
        return self._fast_above.get(symbol)


def history_sessions(interval: Interval, bars: int) -> int:
    """Count the sessions that surely hold so many bars, even if all were short; 1 at least.

    A bar of N sessions ends once in any N sessions in a row, so they need not begin with one.
    """
    if interval.is_intraday:
        per_session = max(1, SHORT_SESSION_S * 1_000_000_000 // interval.length_ns)
        return -(-bars // per_session)
    return bars * interval.count * SESSIONS_PER_UNIT[interval.unit]
