"""The indicators that can be asked for: their names, their parameters, how they are built."""

import importlib
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from math import isqrt
from typing import Any, Final

from pydantic import BaseModel

from actors.domain.bar_views import BarColumns
from actors.domain.indicator_params import PARAMS, problems
from actors.domain.indicator_values import (
    Bands,
    Factories,
    GapStats,
    HighLow,
    Macd,
    PivotPoints,
    Recipe,
    Stochastic,
    StreamingIndicator,
    Value,
    Values,
)
from actors.domain.intervals import Interval, UnknownInterval
from actors.domain.market import Market
from actors.domain.session_plan import IndicatorSpec, Unit


class IndicatorError(ValueError):
    """An indicator that cannot be: its name, interval or parameters are wrong."""

    def __init__(self, spec: IndicatorSpec, reason: str) -> None:
        """Name the indicator by its key."""
        super().__init__(f"indicator {spec.key}: {reason}")
        self.spec = spec


class UnknownIndicator(LookupError):
    """A strategy asked for an indicator that it has not declared."""

    def __init__(self, key: str, symbol: str, declared: Iterable[str]) -> None:
        """Name what was asked for and what there is."""
        there = ", ".join(sorted(set(declared))) or "none"
        super().__init__(f"no indicator {key} of {symbol}: needs() must declare it; declared: {there}")
        self.key = key
        self.symbol = symbol


@dataclass(frozen=True)
class Definition:
    """Where an indicator is built, and when it has its first value."""

    module: str
    """Its `FACTORIES` are imported when the first one is built."""
    needed: Callable[[Any], int]
    """From valid params, the bars, or whole sessions, before the first value."""
    unit: Unit = "bars"
    outputs: tuple[str, ...] = ()
    """The names of its numbers, where it gives several."""


def _by_period(params: Any) -> int:  # noqa: ANN401  the params of its own indicator
    return int(params.period)


def _one_more(params: Any) -> int:  # noqa: ANN401  likewise
    return int(params.period) + 1


def _one(_: object) -> int:
    return 1


_TALIB: Final = "actors.domain.talib_indicators"
_SESSION: Final = "actors.domain.session_indicators"
_FIGURES: Final = "actors.domain.session_figures"
DEFINITIONS: Final = {
    "sma": Definition(_TALIB, _by_period),
    "ema": Definition(_TALIB, _by_period),
    "wma": Definition(_TALIB, _by_period),
    "dema": Definition(_TALIB, lambda params: 2 * params.period - 1),
    "tema": Definition(_TALIB, lambda params: 3 * params.period - 2),
    "hma": Definition(_TALIB, lambda params: params.period + isqrt(params.period) - 1),
    "vwap": Definition(_SESSION, _one),
    "twap": Definition(_SESSION, _one),
    "rsi": Definition(_TALIB, _one_more),
    "macd": Definition(_TALIB, lambda params: params.slow + params.signal - 1, outputs=Macd._fields),
    "stochastic": Definition(
        _TALIB,
        lambda params: params.period + params.smooth_k + params.smooth_d - 2,
        outputs=Stochastic._fields,
    ),
    "cci": Definition(_TALIB, _by_period),
    "roc": Definition(_TALIB, _one_more),
    "mom": Definition(_TALIB, _one_more),
    "williams_r": Definition(_TALIB, _by_period),
    "ultimate_osc": Definition(_TALIB, lambda params: params.period3 + 1),
    "atr": Definition(_TALIB, _one_more),
    "bbands": Definition(_TALIB, _by_period, outputs=Bands._fields),
    "keltner": Definition(
        _TALIB, lambda params: max(params.period, params.atr_period + 1), outputs=Bands._fields
    ),
    "donchian": Definition(_TALIB, _by_period, outputs=Bands._fields),
    "stddev": Definition(_TALIB, _by_period),
    "histvol": Definition(_SESSION, _one_more),
    "obv": Definition(_TALIB, _one),
    "pvt": Definition(_TALIB, _one),
    "volume_sma": Definition(_TALIB, _by_period),
    "volume_ratio": Definition(_TALIB, _by_period),
    "pivot_points": Definition(_FIGURES, _one, "sessions", PivotPoints._fields),
    "high_low": Definition(_FIGURES, _by_period, "sessions", HighLow._fields),
    "swing_high": Definition(_TALIB, lambda params: 2 * params.period + 1),
    "swing_low": Definition(_TALIB, lambda params: 2 * params.period + 1),
    "avg_volume": Definition(_FIGURES, _by_period, "sessions"),
    "avg_range": Definition(_FIGURES, _by_period, "sessions"),
    "gap_stats": Definition(_FIGURES, _one_more, "sessions", GapStats._fields),
    "range_ratio": Definition(_FIGURES, _by_period, "sessions"),
    "atr_daily": Definition(_TALIB, _one_more, "sessions"),
}


def bars_needed(spec: IndicatorSpec) -> int:
    """Count the bars, or where `unit_needed` says so the sessions, before an indicator has its first value.

    Raises IndicatorError.
    """
    params = check(spec)
    return DEFINITIONS[spec.name].needed(params)


def unit_needed(spec: IndicatorSpec) -> Unit:
    """Say what `bars_needed` counts.

    Raises IndicatorError.
    """
    check(spec)
    return DEFINITIONS[spec.name].unit


def outputs(spec: IndicatorSpec) -> tuple[str, ...]:
    """Name the numbers that an indicator of a known name gives; none where it gives one."""
    return DEFINITIONS[spec.name].outputs


def check(spec: IndicatorSpec) -> BaseModel:
    """Give an indicator's valid params.

    Raises IndicatorError for an unknown name, a text that is no interval or one that is too long for it, and
    unknown, missing or bad params.
    """
    if spec.name not in PARAMS:
        raise IndicatorError(spec, f"unknown name; known are {', '.join(sorted(PARAMS))}")
    try:
        found = list(problems(spec.name, Interval.parse(spec.interval), spec.params))
    except UnknownInterval as error:
        raise IndicatorError(spec, str(error)) from error
    if found:
        raise IndicatorError(spec, "; ".join(": ".join(filter(None, problem)) for problem in found))
    return PARAMS[spec.name].model_validate(dict(spec.params))


def build(spec: IndicatorSpec) -> StreamingIndicator:
    """Make an indicator that has seen no bar.

    Raises IndicatorError.
    """
    recipe = Recipe(check(spec), Interval.parse(spec.interval), bars_needed(spec))
    factories: Factories = importlib.import_module(DEFINITIONS[spec.name].module).FACTORIES
    return factories[spec.name](recipe)


class IndicatorTrack:
    """One indicator on one stream: its values over the window at hand, shown as the clock reaches their bars.

    A value depends on no later bar, so a whole window is computed at once: 0.5 µs a value instead of 5.
    """

    def __init__(self, indicator: StreamingIndicator, market: Market, symbol: str, interval: str) -> None:
        """Have seen no bar, and listen to a stream of the market.

        Raises UnknownStream where the run does not serve it.
        """
        self._indicator = indicator
        self._values: Values = [None]
        self._stream = market.listen(symbol, interval, self)

    def start_session(self) -> None:
        """Turn to the value as of the session's start."""
        self._values = [self._indicator.start_session(self._values[-1])]

    def update(self, bars: BarColumns) -> None:
        """Compute the values of a window; the first is that from before it."""
        self._values = [self._values[-1], *self._indicator.update(bars)]

    def value(self, now: int) -> Value | None:
        """Give the value after the last bar that has closed by `now`."""
        closes = self._stream.closes
        return self._values[bisect_right(closes, now) - len(closes) - 1]

    @property
    def window_values(self) -> Values:
        """The values after each bar of the window that came last; those the clock has not reached too."""
        return self._values[1:]


class IndicatorBoard:
    """One instance per indicator and symbol, fed by the market."""

    def __init__(self, market: Market, specs: Iterable[IndicatorSpec]) -> None:
        """Build them all.

        Raises IndicatorError, or UnknownStream where the run does not serve an interval.
        """
        self._market = market
        self.specs = tuple(specs)
        self._tracks = {
            (spec.key, symbol): IndicatorTrack(build(spec), market, symbol, spec.interval)
            for spec in self.specs
            for symbol in market.symbols
        }

    def value(self, key: str, symbol: str) -> Value | None:
        """Give an indicator's value as of the clock.

        Raises UnknownIndicator.
        """
        try:
            track = self._tracks[key, symbol]
        except KeyError:
            raise UnknownIndicator(key, symbol, (declared for declared, _ in self._tracks)) from None
        return track.value(self._market.now)

    def window_values(self, key: str, symbols: Iterable[str]) -> Values:
        """Give what a declared indicator made of a window's bars, symbol after symbol.

        Each symbol must have had a bar in it. Nothing of this is for strategies: it is ahead of the clock.
        """
        return list(chain.from_iterable(self._tracks[key, symbol].window_values for symbol in symbols))
