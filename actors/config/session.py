"""The configuration object: what a user wrote, checked, with defaults filled in."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    JsonValue,
    PrivateAttr,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from actors.config.fields import ExchangeGroup, Misfit, Section, Title, target_file
from actors.config.portfolio import PortfolioConfig
from actors.config.problems import problems_of
from actors.config.remote import RemoteConfig
from actors.config.sections import (
    BacktestConfig,
    CatalogConfig,
    DerivedConfig,
    GapFillerConfig,
    LoggingConfig,
    PipelineConfig,
    QualityConfig,
    SessionDataConfig,
    StrategyConfig,
    StreamingConfig,
    TradingConfig,
)
from actors.config.vocabulary import EXCHANGE_GROUPS
from actors.domain.errors import ConfigError
from actors.domain.session_shape import has_extended_hours, no_extended_hours

MASK = "***"


class SessionConfig(Section):
    """One run of SessionFlow, as people write it."""

    schema_reference: str | None = Field(
        default=None, alias="$schema", description="The JSON Schema that an editor checks this file against."
    )
    session_name: Title
    exchange_group: ExchangeGroup = Field(
        description="A group such as US_EQUITY, or the code of a calendar such as XNYS, XHKG or 24/7."
    )
    asset_class: Literal["EQUITY", "ETF", "INDEX", "FUTURES", "OPTION", "FX", "CRYPTO"] = Field(
        default="EQUITY", description="A label; no result depends on it."
    )
    mode: Literal["backtest"] = "backtest"
    backtest_config: BacktestConfig
    session_data_config: SessionDataConfig
    trading_config: TradingConfig
    api_config: dict[str, JsonValue] = Field(
        default={},
        repr=False,
        description="Accepted; a backtest uses no service. Its values are kept secret.",
    )
    metadata: dict[str, JsonValue] = Field(default={}, description="Yours; nobody reads it.")
    catalog: CatalogConfig = CatalogConfig()
    pipeline: PipelineConfig = PipelineConfig()
    derived: DerivedConfig = DerivedConfig()
    quality: QualityConfig = QualityConfig()
    portfolio: PortfolioConfig = PortfolioConfig()
    logging: LoggingConfig = LoggingConfig()
    remote: RemoteConfig = RemoteConfig()
    _folder: Path = PrivateAttr(default=Path())

    @field_validator("mode", mode="before")
    @classmethod
    def _refuse_live(cls, mode: object) -> object:
        if mode == "live":
            raise ValueError('"live" is not served: SessionFlow replays stored data; write "backtest"')
        return mode

    @model_validator(mode="after")
    def _know_extended_hours(self) -> Self:
        if self.session_data_config.extended_hours and not has_extended_hours(self.calendar):
            message = f"{no_extended_hours(self.calendar)}; write false"
            raise Misfit(("session_data_config", "extended_hours"), message)
        return self

    @field_serializer("api_config")
    def _mask_secrets(self, api_config: dict[str, JsonValue]) -> JsonValue:
        return _masked(api_config)

    @property
    def calendar(self) -> str:
        """The exchange_calendars code, such as XNYS."""
        return EXCHANGE_GROUPS.get(self.exchange_group, self.exchange_group)

    @property
    def backtest_start_date(self) -> date:
        """The first day; to set it, see `with_dates`."""
        return self.backtest_config.start_date

    @property
    def backtest_end_date(self) -> date:
        """The last day; to set it, see `with_dates`."""
        return self.backtest_config.end_date

    @property
    def catalog_path(self) -> Path:
        """The catalog's folder, absolute."""
        return (self._folder / self.catalog.path).resolve()

    @property
    def corporate_actions_path(self) -> Path | None:
        """The file of corporate actions, absolute; None where prices stay as they are stored."""
        file = self.catalog.corporate_actions
        return None if file is None else (self._folder / file).resolve()

    @property
    def remote_keys_path(self) -> Path:
        """The folder of keys for remote observers, absolute."""
        return (self._folder / (self.remote.keys or "")).resolve()

    def strategy_target(self, strategy: StrategyConfig) -> str:
        """Give what to load: `module:Class`, or `file.py:Class` with an absolute path."""
        file = target_file(strategy.strategy)
        if file is None:
            return strategy.strategy
        return f"{(self._folder / file).resolve()}:{strategy.strategy.rpartition(':')[2]}"

    def with_dates(self, start: date | None = None, end: date | None = None) -> Self:
        """Give the same configuration with another first or last day.

        Raises ConfigError where the last day would come before the first.
        """
        given = {"start_date": start, "end_date": end}
        changes = {name: day for name, day in given.items() if day is not None}
        document = self.backtest_config.model_dump() | changes
        try:
            backtest = BacktestConfig.model_validate(document)
        except ValidationError as error:
            raise ConfigError(None, problems_of(error, document, BacktestConfig)) from None
        return self.model_copy(update={"backtest_config": backtest})

    def in_folder(self, folder: Path) -> Self:
        """Give the same configuration with the folder that its relative paths start at."""
        copy = self.model_copy()
        copy._folder = folder.resolve()  # noqa: SLF001  its own
        return copy

    def as_json(self) -> str:
        """Write it out in full, defaults included, secrets masked; `load_config` reads it back."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    def warnings(self) -> tuple[str, ...]:
        """List what was accepted and is not acted on, each with its JSON path."""
        return tuple(f"{where}: {message}" for where, message in _unserved(self))


def _masked(value: JsonValue) -> JsonValue:
    match value:
        case dict():
            return {key: _masked(item) for key, item in value.items()}
        case list():
            return [_masked(item) for item in value]
        case _:
            return MASK


def _unserved(config: SessionConfig) -> Iterator[tuple[str, str]]:
    yield from _unserved_data(config.session_data_config)
    if config.api_config:
        yield "api_config", "not used: a backtest reads stored data only"


def _unserved_data(data: SessionDataConfig) -> Iterator[tuple[str, str]]:
    if data.streaming.catchup_check_interval != StreamingConfig().catchup_check_interval:
        yield "session_data_config.streaming.catchup_check_interval", "not used: every step is checked"
    yield from _unserved_gap_filling(data.gap_filler)
    if data.scanners:
        yield "session_data_config.scanners", "not served yet; no scanner runs"


def _unserved_gap_filling(filler: GapFillerConfig) -> Iterator[tuple[str, str]]:
    where, default = "session_data_config.gap_filler", GapFillerConfig()
    if not filler.enable_session_quality:
        yield f"{where}.enable_session_quality", "not used: quality is always measured while a session runs"
    for name in ("max_retries", "retry_interval_seconds"):
        if getattr(filler, name) != getattr(default, name):
            yield f"{where}.{name}", "not used: it is for live data; stored bars are read once"
