"""The sections of a configuration. Field names are those that users of the original system know."""

from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, ValidationInfo, field_validator, model_validator

from actors.config.fields import (
    Day,
    FilePath,
    FolderPath,
    IndicatorName,
    Intervals,
    IntervalText,
    Misfit,
    Section,
    StrategyName,
    StrategyTarget,
    Symbols,
    SymbolSelection,
)
from actors.config.historical import HistoricalFigureConfig, HistoricalIndicatorConfig, HistoricalName
from actors.domain.indicator_key import indicator_key
from actors.domain.indicator_params import problems
from actors.domain.intervals import Interval

RoleName = Literal["coordinator", "loader", "processor", "quality", "analysis", "recorder"]
_ONE_PERIOD: Final = 'needs one "period", beside "name" or in "params"'


class BacktestConfig(Section):
    """When the replay begins and ends, and how fast it goes."""

    start_date: Day = Field(description="First day; a day without a session rolls forward to the next one.")
    end_date: Day = Field(description="Last day; a day without a session rolls back to the one before.")
    speed_multiplier: float = Field(
        default=0.0, ge=0, description="0: as fast as possible; 60: a minute of the market in a second."
    )
    prefetch_days: int = Field(
        default=1, ge=1, le=5000, description="How many sessions are held in memory ahead of the clock."
    )

    @field_validator("end_date")
    @classmethod
    def _follow_start(cls, end: date, info: ValidationInfo) -> date:
        start = info.data.get("start_date", end)
        if end < start:
            raise ValueError(f"{end} is before start_date {start}; exchange the two")
        return end


class StreamingConfig(Section):
    """When a stream counts as lagging."""

    catchup_threshold_seconds: float = Field(
        default=60.0, gt=0, description="A stream that lags more is flagged as catching up."
    )
    catchup_check_interval: int = Field(default=10, ge=1, description="Accepted; every step is checked.")


class HistoricalDataConfig(Section):
    """A trailing window of history."""

    trailing_days: int = Field(
        ge=1, le=5000, description="How many sessions before the current one are loaded."
    )
    intervals: Intervals = Field(description="The bars to load.")
    apply_to: SymbolSelection = Field(default="all", description='"all", or a list of symbols.')


class HistoricalConfig(Section):
    """What is loaded before each session."""

    enable_quality: bool = Field(
        default=True, description="Measure the quality of history; false assumes 100."
    )
    data: tuple[HistoricalDataConfig, ...] = Field(default=(), description="Trailing windows.")
    indicators: dict[HistoricalName, HistoricalIndicatorConfig] = Field(
        default={}, description="What is computed from trailing sessions, by a name of your own."
    )


class GapFillerConfig(Section):
    """Rebuilding missing bars of what is streamed from a finer interval that is stored too."""

    enabled: bool = Field(
        default=False, description="Rebuild a missing bar where every finer bar of it is stored and valid."
    )
    enable_session_quality: bool = Field(
        default=True, description="Accepted; quality is always measured while a session runs."
    )
    max_retries: int = Field(default=5, ge=0, description="Accepted; for live data only.")
    retry_interval_seconds: float = Field(default=60.0, gt=0, description="Accepted; for live data only.")


class IndicatorConfig(Section):
    """An indicator, computed for every symbol while the session runs."""

    name: IndicatorName
    interval: IntervalText = Field(description="The bars it is computed from.")
    period: int | None = Field(default=None, ge=1, le=100_000, description="Short for params.period.")
    params: dict[str, int | float] = Field(default={}, description="What docs/indicators.md says it takes.")

    @model_validator(mode="after")
    def _suit_the_indicator(self) -> Self:
        if self.period is not None and "period" in self.params:
            raise Misfit(("params",), f"{_ONE_PERIOD}, not both")
        found = tuple(problems(self.name, Interval.parse(self.interval), self.arguments))
        if len(found) == 1:
            raise self._misfit(*found[0])
        if found:
            raise Misfit(("params",), "; ".join(": ".join(problem) for problem in found))
        return self

    @property
    def key(self) -> str:
        """The name strategies ask for."""
        return indicator_key(self.name, self.interval, self.arguments)

    @property
    def arguments(self) -> dict[str, int | float]:
        """All its parameters, `period` among them wherever it was written."""
        return dict(self.params) if self.period is None else {"period": self.period, **self.params}

    def _misfit(self, field: str, message: str) -> Misfit:
        if field == "interval" or (field == "period" and self.period is not None):
            return Misfit((field,), message)
        if field == "period" and "period" not in self.params:
            return Misfit((), _ONE_PERIOD)
        return Misfit(("params", field) if field else ("params",), message)


def _check_keys(indicators: tuple[IndicatorConfig, ...]) -> tuple[IndicatorConfig, ...]:
    """Refuse a second one that strategies would ask for by the same key."""
    keys = [indicator.key for indicator in indicators]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise Misfit((index,), f"{key} is there twice; remove one")
    return indicators


def _check_historical_keys(
    figures: tuple[HistoricalFigureConfig, ...],
) -> tuple[HistoricalFigureConfig, ...]:
    """Refuse a second one that strategies would ask for by the same key."""
    keys = [figure.key for figure in figures]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise Misfit((index,), f"{key} is there twice; remove one")
    return figures


class IndicatorsConfig(Section):
    """Indicators that are served beside the bars."""

    session: Annotated[tuple[IndicatorConfig, ...], AfterValidator(_check_keys)] = ()
    historical: Annotated[tuple[HistoricalFigureConfig, ...], AfterValidator(_check_historical_keys)] = ()
    tables: bool = Field(default=True, description="Write what session indicators gave to the run's tables.")


class StrategyConfig(Section):
    """A strategy, run by an analysis engine of its own."""

    name: StrategyName = Field(description="How results and logs call it.")
    strategy: StrategyTarget = Field(
        description='"package.module:Class", or "path/to/file.py:Class" beside this file.'
    )
    params: dict[str, JsonValue] = Field(default={}, description="What its constructor is given.")
    on_error: Literal["stop", "skip"] = Field(
        default="stop", description="When it raises: stop the strategy, or skip what it raised on and go on."
    )


def _check_selection(
    apply_to: str | tuple[str, ...], symbols: tuple[str, ...], where: tuple[str | int, ...]
) -> None:
    """Refuse a symbol that is not among those of the session, which are none where they are wrong."""
    for position, symbol in enumerate(() if apply_to == "all" or not symbols else apply_to):
        if symbol not in symbols:
            where = (*where, "apply_to", position)
            raise Misfit(where, f"{symbol} is not among session_data_config.symbols")


class SessionDataConfig(Section):
    """Which data the session has, and who reads them."""

    symbols: Symbols
    streams: Intervals = Field(description="The bars to replay, for every symbol.")
    extended_hours: bool = Field(
        default=False,
        description="Replay the hours before the open and after the close too; US equities only.",
    )
    streaming: StreamingConfig = StreamingConfig()
    historical: HistoricalConfig = HistoricalConfig()
    gap_filler: GapFillerConfig = GapFillerConfig()
    indicators: IndicatorsConfig = IndicatorsConfig()
    scanners: tuple[JsonValue, ...] = Field(default=(), description="Accepted; not served yet.")
    strategies: tuple[StrategyConfig, ...] = ()

    @field_validator("historical")
    @classmethod
    def _apply_to_known_symbols(cls, historical: HistoricalConfig, info: ValidationInfo) -> HistoricalConfig:
        symbols = info.data.get("symbols", ())
        for index, window in enumerate(historical.data):
            _check_selection(window.apply_to, symbols, ("data", index))
        for name, indicator in historical.indicators.items():
            _check_selection(indicator.apply_to, symbols, ("indicators", name))
        return historical

    @field_validator("indicators")
    @classmethod
    def _check_historical(cls, indicators: IndicatorsConfig, info: ValidationInfo) -> IndicatorsConfig:
        own = info.data["historical"].indicators if "historical" in info.data else {}
        for index, figure in enumerate(indicators.historical):
            where = ("historical", index)
            _check_selection(figure.apply_to, info.data.get("symbols", ()), where)
            if figure.key in own:
                there = f"session_data_config.historical.indicators.{figure.key}"
                raise Misfit(where, f"{figure.key} is already the name of {there}; rename that")
        return indicators

    @field_validator("strategies")
    @classmethod
    def _name_each_once(cls, strategies: tuple[StrategyConfig, ...]) -> tuple[StrategyConfig, ...]:
        names = [strategy.name for strategy in strategies]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise Misfit((index, "name"), f"{name} is already the name of another strategy")
        return strategies


class TradingConfig(Section):
    """The limits that signals are checked against."""

    max_buying_power: float = Field(gt=0)
    max_per_trade: float = Field(gt=0)
    max_per_symbol: float = Field(gt=0)
    max_open_positions: int = Field(ge=1)


class CatalogConfig(Section):
    """Where stored bars are."""

    path: FolderPath = Field(
        default="data", description="The catalog's folder; a relative one starts at this file's folder."
    )
    corporate_actions: FilePath | None = Field(
        default=None, description="A CSV file of splits and dividends, by which stored prices are adjusted."
    )
    on_missing: Literal["fail", "skip"] = Field(
        default="fail",
        description="Where a symbol lacks a whole session: end with exit code 4, or leave it out of it.",
    )


class RestartsConfig(Section):
    """What happens when an actor's process is killed or stalls."""

    limit: int = Field(
        default=3,
        ge=0,
        le=1000,
        description="How often each actor is started again within the period; 0: never.",
    )
    period_seconds: float = Field(default=60.0, gt=0, description="The period that the limit is for.")
    backoff_seconds: float = Field(
        default=0.2, ge=0, le=60, description="Wait before the second restart within it; doubled each time."
    )
    policy: dict[RoleName, Literal["restart", "fail", "drop"]] = Field(
        default={}, description='By role: "restart", "fail" (end the run), or "drop" (analysis only: go on).'
    )

    @field_validator("policy")
    @classmethod
    def _drop_engines_only(cls, policy: dict[RoleName, str]) -> dict[RoleName, str]:
        for role, what in policy.items():
            if what == "drop" and role != "analysis":
                raise Misfit((role,), f'"drop" is for analysis only: a run cannot go on without its {role}')
        return policy


class PipelineConfig(Section):
    """How bars travel. Nothing here changes a result."""

    window_steps: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Steps that travel together; null cuts by rows."
    )
    window_rows: int = Field(
        default=8192, ge=1, le=262_144, description="About how many bars travel together."
    )
    credit: int = Field(default=8, ge=1, le=1024, description="How many windows may be under way at once.")
    heartbeat_seconds: float = Field(default=0.5, gt=0, le=60, description="How often actors report.")
    stall_seconds: float = Field(
        default=30.0, gt=0, description="How long an actor may be silent before it counts as stalled."
    )

    restarts: RestartsConfig = RestartsConfig()

    @field_validator("stall_seconds")
    @classmethod
    def _outlast_heartbeats(cls, stall: float, info: ValidationInfo) -> float:
        heartbeat = info.data.get("heartbeat_seconds", 0.0)
        if stall < 2 * heartbeat:
            raise ValueError(f"must be at least twice heartbeat_seconds ({heartbeat:g}), not {stall:g}")
        return stall


class DerivedConfig(Section):
    """How longer bars are made from shorter ones."""

    min_coverage: float = Field(
        default=0.0, ge=0, le=1, description="Bars built from a smaller part of their base bars are left out."
    )
    align: Literal["session", "clock"] = Field(
        default="session", description="Count bins from each part's open, or from local midnight."
    )


class QualityConfig(Section):
    """What counts as a defect, and how good stored data must be."""

    jump_ratio: float = Field(
        default=2.0, gt=1, description="A close this many times the one before, or less by it, is a jump."
    )
    min_score: float | None = Field(
        default=None, ge=0, le=100, description="The score of stored data below which a run does not start."
    )
    on_low_score: Literal["fail", "warn"] = Field(
        default="fail", description="Below min_score: end with exit code 4, or warn in the plan."
    )


class LoggingConfig(Section):
    """What the logs hold."""

    steps: bool = Field(default=True, description="Two lines for every step of the clock.")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    file_mb: int = Field(default=64, ge=1, le=4096, description="How long a log file may become, in MiB.")
    keep: int = Field(
        default=15,
        ge=1,
        le=10_000,
        description="How many full files of each log are kept besides the newest.",
    )
