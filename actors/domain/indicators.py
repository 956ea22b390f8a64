"""The indicators that can be asked for: their names, their parameters, how they are built."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel, Field, ValidationError

from actors.domain.bar_views import BarColumns
from actors.domain.intervals import Interval, UnknownInterval
from actors.domain.market import Market
from actors.domain.session_plan import IndicatorSpec


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


class StreamingIndicator(Protocol):
    """A value that every bar of one stream moves on."""

    def update(self, bars: BarColumns) -> list[float | None]:
        """Take the stream's next bars, one or many, each final and once; give the value after each of them.

        None before it is warm.
        """
        ...


class PeriodParams(BaseModel, extra="forbid", strict=True):
    """A number of bars."""

    period: int = Field(ge=1, le=100_000)


@dataclass(frozen=True)
class Definition:
    """How an indicator is checked and built."""

    params: type[BaseModel]
    bars_needed: Callable[[Any], int]
    """From valid params, the bars before the first value."""
    module: str
    """Imported when the first one is built."""
    factory: str
    """The name of its class there, which takes the params by name."""


DEFINITIONS: Final = {
    "sma": Definition(
        params=PeriodParams,
        bars_needed=lambda params: int(params.period),
        module="actors.domain.talib_indicators",
        factory="Sma",
    ),
}


def bars_needed(spec: IndicatorSpec) -> int:
    """Count the bars before an indicator has its first value.

    Raises IndicatorError.
    """
    definition, params = _definition(spec), check(spec)
    return definition.bars_needed(params)


def check(spec: IndicatorSpec) -> BaseModel:
    """Give an indicator's valid params.

    Raises IndicatorError for an unknown name, a text that is no interval, and unknown, missing or bad params.
    """
    try:
        Interval.parse(spec.interval)
        return _definition(spec).params.model_validate(dict(spec.params))
    except UnknownInterval as error:
        raise IndicatorError(spec, str(error)) from error
    except ValidationError as error:
        known = ", ".join(_definition(spec).params.model_fields)
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise IndicatorError(spec, f"{problems} (parameters of {spec.name}: {known})") from error


def build(spec: IndicatorSpec) -> StreamingIndicator:
    """Make an indicator that has seen no bar.

    Raises IndicatorError.
    """
    params, definition = check(spec), _definition(spec)
    factory = getattr(importlib.import_module(definition.module), definition.factory)
    indicator: StreamingIndicator = factory(**params.model_dump())
    return indicator


def _definition(spec: IndicatorSpec) -> Definition:
    try:
        return DEFINITIONS[spec.name]
    except KeyError:
        raise IndicatorError(spec, f"unknown name; known are {', '.join(sorted(DEFINITIONS))}") from None


class IndicatorTrack:
    """One indicator on one stream: its values over the window at hand, shown as the clock reaches their bars.

    A value depends on no later bar, so a whole window is computed at once: 0.5 µs a value instead of 5.
    """

    def __init__(self, indicator: StreamingIndicator, market: Market, symbol: str, interval: str) -> None:
        """Have seen no bar, and listen to a stream of the market.

        Raises UnknownStream where the run does not serve it.
        """
        self._indicator = indicator
        self._values: list[float | None] = [None]
        self._stream = market.listen(symbol, interval, self)

    def update(self, bars: BarColumns) -> None:
        """Compute the values of a window; the first is that from before it."""
        self._values = [self._values[-1], *self._indicator.update(bars)]

    def value(self, now: int) -> float | None:
        """Give the value after the last bar that has closed by `now`."""
        return self._values[-1 - self._stream.ahead(now)]


class IndicatorBoard:
    """One instance per indicator and symbol, fed by the market."""

    def __init__(self, market: Market, specs: Iterable[IndicatorSpec]) -> None:
        """Build them all.

        Raises IndicatorError, or UnknownStream where the run does not serve an interval.
        """
        self._market = market
        self._tracks = {
            (spec.key, symbol): IndicatorTrack(build(spec), market, symbol, spec.interval)
            for spec in specs
            for symbol in market.symbols
        }

    def value(self, key: str, symbol: str) -> float | None:
        """Give an indicator's value as of the clock.

        Raises UnknownIndicator.
        """
        try:
            track = self._tracks[key, symbol]
        except KeyError:
            raise UnknownIndicator(key, symbol, (declared for declared, _ in self._tracks)) from None
        return track.value(self._market.now)
