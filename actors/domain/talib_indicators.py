"""Indicators by TA-Lib's streaming handles: O(1) a bar, equal to its batch functions bit by bit.

Imported by the registry when the first of them is built, because TA-Lib is slow to import.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from math import isnan
from typing import Any, Final

import numpy as np

from actors.domain.bar_views import FLOAT_FIELDS, BarColumns, Floats
from actors.domain.indicator_values import Bands, Factories, Macd, Recipe, Stochastic, Value, Values
from actors.domain.session_figures import Formula, SessionBar, SessionFigure
from actors.domain.talib_import import stream

CLOSE: Final = ("close",)
VOLUME: Final = ("volume",)
RANGE: Final = ("high", "low", "close")
_HIGH, _LOW, _CLOSE, _VOLUME = map(FLOAT_FIELDS.index, ("high", "low", "close", "volume"))
_SIMPLE: Final = 0
"""TA-Lib's number of the simple moving average."""


class Handle:
    """One TA-Lib function over columns of numbers: it waits for as many as it needs, then goes one by one."""

    def __init__(self, function: str, arguments: Iterable[float], needed: int) -> None:
        """Take the arguments that the function has after its columns, and its lookback + 1."""
        self._open = getattr(stream, function)
        self._arguments = tuple(arguments)
        self._needed = needed
        self._seed: Floats | None = None
        self._update: Callable[..., Any] | None = None

    def update(self, columns: Floats) -> list[Any]:
        """Take the next numbers, of shape (columns, n); give what the function gives after each of the n.

        None before there are enough.
        """
        if self._update is None:
            return self._warm_up(columns)
        return list(map(self._update, *columns.tolist()))

    def _warm_up(self, columns: Floats) -> list[Any]:
        missing = self._needed - (0 if self._seed is None else self._seed.shape[1])
        first = columns[:, :missing]
        self._seed = first.copy() if self._seed is None else np.concatenate((self._seed, first), axis=1)
        if self._seed.shape[1] < self._needed:
            return [None] * columns.shape[1]
        handle = self._open(*self._seed, *self._arguments)
        self._seed, self._update = None, handle.update
        rest = columns[:, missing:].tolist()
        return [*[None] * (missing - 1), handle.value, *map(handle.update, *rest)]


class TalibIndicator:
    """A TA-Lib function of a bar's columns."""

    def __init__(
        self, handle: Handle, fields: tuple[str, ...], output: Callable[[Any], Value | None]
    ) -> None:
        """Feed these columns to a new handle, and turn what it gives into a value."""
        self._handle = handle
        self._rows = [FLOAT_FIELDS.index(field) for field in fields]
        self._output = output

    def start_session(self, value: Value | None) -> Value | None:
        """Go on through the night."""
        return value

    def update(self, bars: BarColumns) -> Values:
        """Take the stream's next bars; give the value after each."""
        found = self._handle.update(bars.floats.take(self._rows, axis=0))
        if self._output is float:
            return found
        return [None if one is None else self._output(one) for one in found]


class Keltner:
    """The average of the close, and bands some average true ranges away from it."""

    def __init__(self, recipe: Recipe) -> None:
        """Wait for both averages."""
        params = recipe.params
        self._middle = Handle("EMA", [params.period], params.period)
        self._range = Handle("ATR", [params.atr_period], params.atr_period + 1)
        self._multiplier = params.multiplier

    def start_session(self, value: Value | None) -> Value | None:
        """Go on through the night."""
        return value

    def update(self, bars: BarColumns) -> Values:
        """Take the stream's next bars; give the bands after each."""
        middles = self._middle.update(bars.floats.take([_CLOSE], axis=0))
        ranges = self._range.update(bars.floats.take([_HIGH, _LOW, _CLOSE], axis=0))
        return list(map(self._bands, middles, ranges))

    def _bands(self, middle: float | None, true_range: float | None) -> Bands | None:
        if middle is None or true_range is None:
            return None
        width = self._multiplier * true_range
        return Bands(middle + width, middle, middle - width)


class VolumeRatio:
    """The bar's volume over its simple moving average."""

    def __init__(self, recipe: Recipe) -> None:
        """Wait for the average."""
        self._average = Handle("SMA", [recipe.params.period], recipe.bars_needed)

    def start_session(self, value: Value | None) -> Value | None:
        """Go on through the night."""
        return value

    def update(self, bars: BarColumns) -> Values:
        """Take the stream's next bars; give the ratio after each, None where nothing was traded."""
        averages = self._average.update(bars.floats[_VOLUME:])
        return [
            volume / average if average else None
            for volume, average in zip(bars.volume.tolist(), averages, strict=True)
        ]


class Swing:
    """The price of the last high, or low, that stands out from `period` bars on either side."""

    def __init__(self, recipe: Recipe, row: int) -> None:
        """Look at a row of `FLOAT_FIELDS`: the highs or the lows."""
        self._wing = recipe.params.period
        self._row = row
        self._fractal = Handle("FRACTAL", [self._wing, self._wing], recipe.bars_needed)
        self._which = (_HIGH, _LOW).index(row)
        self._before = np.empty(0, dtype=np.float64)
        self._last: float | None = None

    def start_session(self, value: Value | None) -> Value | None:
        """Go on through the night."""
        return value

    def update(self, bars: BarColumns) -> Values:
        """Take the stream's next bars; give the last swing's price after each."""
        flags = self._fractal.update(bars.floats[_HIGH : _LOW + 1])
        prices = np.concatenate((self._before, bars.floats[self._row]))
        self._before = prices[-self._wing :]
        centres = chain([0.0] * (self._wing + len(bars) - len(prices)), prices.tolist())
        return list(map(self._follow, flags, centres))

    def _follow(self, flags: tuple[int, int] | None, centre: float) -> float | None:
        if flags is not None and flags[self._which]:
            self._last = centre
        return self._last


class DailyAtr:
    """Wilder's average true range of sessions."""

    def __init__(self, recipe: Recipe) -> None:
        """Wait for `period` sessions and the close before them."""
        self._handle = Handle("ATR", [recipe.params.period], recipe.bars_needed)

    def __call__(self, session: SessionBar) -> Value | None:
        """Take the session that is over."""
        columns = np.array([[session.high], [session.low], [session.close]])
        value: float | None = self._handle.update(columns)[0]
        return value


def _atr_daily(sessions: Sequence[SessionBar]) -> float:
    """Average the true ranges of all sessions but the first, of which the close alone counts."""
    columns = np.array([(session.high, session.low, session.close) for session in sessions]).T
    period = len(sessions) - 1
    return float(Handle("ATR", [period], len(sessions)).update(columns)[-1])


def _number(value: float) -> float | None:
    return None if isnan(value) else value


def _of_period(
    function: str,
    fields: tuple[str, ...] = CLOSE,
    output: Callable[[Any], Value | None] = float,
    names: tuple[str, ...] = ("period",),
) -> Callable[[Recipe], TalibIndicator]:
    """Describe a function that takes these params, in this order."""

    def build(recipe: Recipe) -> TalibIndicator:
        arguments = [getattr(recipe.params, name) for name in names]
        return TalibIndicator(Handle(function, arguments, recipe.bars_needed), fields, output)

    return build


def _bbands(recipe: Recipe) -> TalibIndicator:
    params = recipe.params
    arguments = [params.period, params.num_std, params.num_std]
    return TalibIndicator(Handle("BBANDS", arguments, recipe.bars_needed), CLOSE, Bands._make)


def _stochastic(recipe: Recipe) -> TalibIndicator:
    params = recipe.params
    arguments = [params.period, params.smooth_k, _SIMPLE, params.smooth_d, _SIMPLE]
    return TalibIndicator(Handle("STOCH", arguments, recipe.bars_needed), RANGE, Stochastic._make)


FORMULAS: Final[Mapping[str, Formula]] = {"atr_daily": _atr_daily}
FACTORIES: Final[Factories] = {
    "sma": _of_period("SMA"),
    "ema": _of_period("EMA"),
    "wma": _of_period("WMA"),
    "dema": _of_period("DEMA"),
    "tema": _of_period("TEMA"),
    "hma": _of_period("HMA"),
    "rsi": _of_period("RSI"),
    "macd": _of_period("MACD", output=Macd._make, names=("fast", "slow", "signal")),
    "stochastic": _stochastic,
    "cci": _of_period("CCI", RANGE),
    "roc": _of_period("ROC", output=_number),
    "mom": _of_period("MOM"),
    "williams_r": _of_period("WILLR", RANGE),
    "ultimate_osc": _of_period("ULTOSC", RANGE, names=("period1", "period2", "period3")),
    "atr": _of_period("ATR", RANGE),
    "bbands": _bbands,
    "keltner": Keltner,
    "donchian": _of_period("DONCHIAN", ("high", "low"), Bands._make),
    "stddev": _of_period("STDDEV"),
    "obv": _of_period("OBV", ("close", "volume"), names=()),
    "pvt": _of_period("PVT", ("close", "volume"), names=()),
    "volume_sma": _of_period("SMA", VOLUME),
    "volume_ratio": VolumeRatio,
    "atr_daily": lambda recipe: SessionFigure(DailyAtr(recipe)),
    "swing_high": partial(Swing, row=_HIGH),
    "swing_low": partial(Swing, row=_LOW),
}
