"""Who asks for which bars: the streams, history and indicators of the configuration, and its strategies."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from actors.config import SessionConfig
from actors.domain.errors import ConfigError, Problem
from actors.domain.intervals import Interval
from actors.domain.session_plan import IndicatorSpec
from actors.domain.strategy import Needs
from actors.domain.stream_decision import Request
from actors.runtime.strategy_loading import StrategyLoadError, load_strategy
from actors.supervisor.historical import Wanted, wanted_figures

_DATA: Final = "session_data_config"


@dataclass(frozen=True)
class Reader:
    """Someone who computes from bars: a strategy, or an indicator of the configuration."""

    where: str
    """Its JSON path."""
    name: str
    """As a reader is told: `strategy sma_cross`."""
    needs: Needs

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """The intervals it cannot do without, each once."""
        texts = [*self.needs.intervals, *(spec.interval for spec in self.needs.indicators)]
        return tuple(dict.fromkeys(Interval.parse(text) for text in texts))


@dataclass(frozen=True)
class Demand:
    """All that a run is asked for."""

    config: SessionConfig
    readers: tuple[Reader, ...]
    historical: tuple[Wanted, ...] = ()

    def requests(self) -> Iterator[Request]:
        """List what is asked for, symbol by symbol."""
        for symbol in self.config.session_data_config.symbols:
            yield from self._of_streams(symbol)
            yield from self._of_history(symbol)
            yield from self._of_readers(symbol)
            yield from self._of_historical(symbol)

    def indicators(self) -> tuple[IndicatorSpec, ...]:
        """List the indicators that somebody asks for, each once."""
        found = {spec.key: spec for reader in self.readers for spec in reader.needs.indicators}
        return tuple(found.values())

    def _of_streams(self, symbol: str) -> Iterator[Request]:
        for text in self.config.session_data_config.streams:
            yield Request(symbol, Interval.parse(text), "the streams")

    def _of_history(self, symbol: str) -> Iterator[Request]:
        for window in self.config.session_data_config.historical.data:
            if window.apply_to == "all" or symbol in window.apply_to:
                for text in window.intervals:
                    yield Request(symbol, Interval.parse(text), "the history", window.trailing_days)

    def _of_readers(self, symbol: str) -> Iterator[Request]:
        for reader in self.readers:
            for interval in reader.intervals:
                yield Request(symbol, interval, reader.name, reader.needs.history_sessions)
            if not reader.needs.intervals and reader.needs.history_sessions:
                yield from self._history_of_streams(symbol, reader)

    def _of_historical(self, symbol: str) -> Iterator[Request]:
        for _, spec in self.historical:
            if symbol in spec.symbols:
                yield Request(symbol, Interval.parse(spec.interval), "the historical indicators")

    def _history_of_streams(self, symbol: str, reader: Reader) -> Iterator[Request]:
        """Ask on behalf of a reader that names no intervals, which means all that are served."""
        for text in self.config.session_data_config.streams:
            yield Request(symbol, Interval.parse(text), reader.name, reader.needs.history_sessions)


def gather_demand(config: SessionConfig) -> Demand:
    """Load the strategies and ask them what they need.

    Raises ConfigError with all that is wrong with them.
    """
    found = (*_indicator_readers(config), *_strategy_readers(config))
    problems = tuple(item for item in found if isinstance(item, Problem))
    if problems:
        raise ConfigError(None, problems)
    readers = tuple(item for item in found if isinstance(item, Reader))
    return Demand(config, readers, wanted_figures(config))


def configured_indicators(config: SessionConfig) -> tuple[IndicatorSpec, ...]:
    """List the configuration's session indicators."""
    return tuple(
        IndicatorSpec(indicator.name, indicator.interval, indicator.arguments)
        for indicator in config.session_data_config.indicators.session
    )


def _indicator_readers(config: SessionConfig) -> Iterator[Reader]:
    for index, spec in enumerate(configured_indicators(config)):
        where = f"{_DATA}.indicators.session[{index}]"
        yield Reader(where, f"indicator {spec.key}", Needs(indicators=(spec,)))


def _strategy_readers(config: SessionConfig) -> Iterator[Reader | Problem]:
    for index, strategy in enumerate(config.session_data_config.strategies):
        where = f"{_DATA}.strategies[{index}]"
        try:
            loaded = load_strategy(config.strategy_target(strategy), strategy.params)
        except StrategyLoadError as error:
            yield Problem(where, str(error))
        else:
            yield Reader(where, f"strategy {strategy.name}", loaded.needs())
