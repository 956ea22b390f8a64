"""Corporate actions, and the scale on which they put the prices and volumes of the sessions before them.

1. A session is before an action where its date is before the ex-date. Instants decide nothing: a session that
   opens the evening before belongs to its date, and an ex-date without a session counts from the next one.
2. Prices before an ex-date are multiplied by 1 / split x (1 - dividend / close before), volumes by split.
   Factors of several actions are multiplied from the latest to the earliest.
3. What stands behind the last action is left as it is, bit by bit.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import accumulate
from math import prod
from operator import mul
from typing import Final, NamedTuple

from actors.domain.session_plan import Adjustment
from protocol.blocks import Bars

_PRICES: Final = ("open", "high", "low", "close")


class CorporateAction(NamedTuple):
    """A split, a dividend, or both."""

    symbol: str
    date: str
    """The ex-date, such as 2020-08-31."""
    split: float
    """New shares per old one; 1 where there is no split."""
    dividend: float
    """Cash per share as it was the day before; 0 where there is none."""
    line: int
    """Where it stands in its file."""

    @property
    def is_idle(self) -> bool:
        """Whether it changes nothing."""
        return self.split == 1 and self.dividend == 0


def adjustment_of(action: CorporateAction, close: float | None) -> Adjustment:
    """Give the factors of an action; `close` is the last one before it, None where there is no dividend."""
    paid = 1.0 if close is None else 1.0 - action.dividend / close
    return Adjustment(
        symbol=action.symbol,
        date=action.date,
        split=action.split,
        dividend=action.dividend,
        price_factor=1.0 / action.split * paid,
        volume_factor=action.split,
    )


class PriceScale:
    """The factors of one symbol, session by session."""

    def __init__(self, adjustments: Iterable[Adjustment] = ()) -> None:
        """Take the symbol's adjustments in any order; without any nothing is changed."""
        steps = sorted(adjustments, key=lambda step: step.date)
        self._dates = [step.date for step in steps]
        self._steps = [step.price_factor for step in steps]
        self._prices = _from_the_latest(self._steps)
        self._volumes = _from_the_latest([step.volume_factor for step in steps])

    def adjusted(self, bars: Bars, date: str) -> Bars:
        """Give the bars of a session as they are once all actions have taken place."""
        later = bisect_right(self._dates, date)
        price, volume = self._prices[later], self._volumes[later]
        if price == volume == 1.0:
            return bars
        found = bars.copy()
        for name in _PRICES:
            found[name] *= price
        found["volume"] *= volume
        return found

    def between(self, earlier: str, later: str) -> float:
        """Give the factor that puts a stored price of one session beside those of a later one."""
        return prod(self._steps[bisect_right(self._dates, earlier) : bisect_right(self._dates, later)])


def _from_the_latest(factors: list[float]) -> list[float]:
    """Give for each factor the product of it and all later ones, and 1 behind the last."""
    return list(accumulate(reversed(factors), mul, initial=1.0))[::-1]


def price_scales(adjustments: Iterable[Adjustment]) -> Mapping[str, PriceScale]:
    """Give the scale of every symbol that has one."""
    steps: dict[str, list[Adjustment]] = {}
    for step in adjustments:
        steps.setdefault(step.symbol, []).append(step)
    return {symbol: PriceScale(found) for symbol, found in steps.items()}


UNADJUSTED: Final = PriceScale()
"""Changes nothing."""
