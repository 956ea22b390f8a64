"""The strategy of the workload: a plain handler per bar that gives one signal per crossing."""

from dataclasses import replace
from typing import Final

from actors.domain.bar_views import Bar
from actors.domain.session_plan import IndicatorSpec
from actors.domain.strategy import Context, Needs, Strategy, StrategyParams

INTERVAL: Final = "5m"
FAST: Final = IndicatorSpec("sma", INTERVAL, {"period": 20})
SLOW: Final = IndicatorSpec("sma", INTERVAL, {"period": 50})
FAST_KEY: Final = FAST.key
SLOW_KEY: Final = SLOW.key
NOT_TRADED: Final = 0.0
"""A confidence below the least that the configuration trades: crossings are counted, as the others do."""


class CrossoverCounter(Strategy[StrategyParams]):
    """Be called with every bar of every interval; compare the averages on the close of each 5m bar."""

    def __init__(self, params: StrategyParams) -> None:
        """Know of no symbol yet which average is above."""
        super().__init__(params)
        self._above: dict[str, bool] = {}

    def needs(self) -> Needs:
        """Ask for all bars and both averages, without history."""
        return Needs(indicators=(FAST, SLOW))

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Signal where the averages have crossed; equal ones leave it as it was."""
        if bar.interval != INTERVAL:
            return
        fast, slow = ctx.indicator(FAST_KEY, bar.symbol), ctx.indicator(SLOW_KEY, bar.symbol)
        if fast is None or slow is None or fast == slow:
            return
        above = fast > slow
        if self._above.setdefault(bar.symbol, above) != above:
            self._above[bar.symbol] = above
            ctx.signal(bar.symbol, "BUY" if above else "SELL", 1.0, NOT_TRADED)


class LongerBarsCounter(CrossoverCounter):
    """Be called with bars of 5m and 15m only, as the peer is whose engine is called from Python."""

    def needs(self) -> Needs:
        """Ask for these bars and both averages."""
        return replace(super().needs(), intervals=(INTERVAL, "15m"))
