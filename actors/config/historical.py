"""Historical indicators, as people write them: their periods, and the two ways of asking for one."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from actors.config.fields import Misfit, Section, SymbolSelection, check_name

SESSIONS_OF: Final = {"d": 1, "w": 5, "m": 21, "y": 252}
"""How many sessions a day, week, month and year of a period have."""
MOST_SESSIONS: Final = 10_000
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_]{0,39}"
_PERIOD: Final = re.compile(r"([1-9][0-9]{0,4})([dwmy])")


def sessions_in(period: str) -> int:
    """Give the sessions of a valid period: 20 for `20d`, 252 for `1y`."""
    return int(period[:-1]) * SESSIONS_OF[period[-1]]


def _check_name(text: str) -> str:
    advice = "letters, digits and _, beginning with a letter or digit, 40 at most"
    return check_name(text, _NAME, "an indicator's name", advice)


def _check_period(text: str) -> str:
    if not _PERIOD.fullmatch(text):
        raise ValueError(f"{text!r} is not a period: write a number and d, w, m or y, as in 20d")
    if sessions_in(text) > MOST_SESSIONS:
        raise ValueError(f"{text} is {sessions_in(text):,} sessions, more than {MOST_SESSIONS:,}")
    return text


def _in_days(period: object) -> object:
    return f"{period}d" if isinstance(period, int) and not isinstance(period, bool) else period


HistoricalName = Annotated[
    str, AfterValidator(_check_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})
]
_PERIOD_SCHEMA: Final = {
    "type": "string",
    "pattern": f"^{_PERIOD.pattern}$",
    "examples": ["20d", "4w", "52w", "1y"],
}
Period = Annotated[str, AfterValidator(_check_period), WithJsonSchema(_PERIOD_SCHEMA)]
PeriodOrSessions = Annotated[
    Period,
    BeforeValidator(_in_days),
    WithJsonSchema({"anyOf": [_PERIOD_SCHEMA, {"type": "integer", "minimum": 1, "maximum": MOST_SESSIONS}]}),
]
FigureKind = Literal["avg_volume", "avg_range", "atr_daily", "gap_stats", "range_ratio", "high_low"]


class HistoricalIndicatorConfig(Section):
    """A figure of one field over trailing sessions, computed before each session."""

    type: Literal["trailing_average", "trailing_max", "trailing_min"] = Field(
        description="The mean, the highest or the lowest."
    )
    period: Period = Field(description="How many sessions: Nd, Nw (5 each), Nm (21), Ny (252).")
    field: Literal["open", "high", "low", "close", "volume"] = Field(description="Of the bars.")
    granularity: Literal["daily", "minute"] = Field(
        default="daily", description="minute: a mean for every minute of the session."
    )
    skip_early_close: bool = Field(default=False, description="Pass half days over.")
    apply_to: SymbolSelection = Field(default="all", description='"all", or a list of symbols.')

    @model_validator(mode="after")
    def _average_minutes(self) -> Self:
        if self.granularity == "minute" and self.type != "trailing_average":
            raise Misfit(("granularity",), f'"minute" is for trailing_average only, not for {self.type}')
        return self

    @property
    def sessions(self) -> int:
        """The period in sessions."""
        return sessions_in(self.period)


class HistoricalFigureConfig(Section):
    """A figure of whole sessions that is known by name, computed before each session."""

    name: FigureKind = Field(description="What docs/indicators.md defines.")
    period: PeriodOrSessions = Field(description="As above; a number counts sessions.")
    skip_early_close: bool = Field(default=False, description="Pass half days over.")
    apply_to: SymbolSelection = Field(default="all", description='"all", or a list of symbols.')

    @property
    def key(self) -> str:
        """The name strategies ask for."""
        return f"{self.name}_{self.period}"

    @property
    def sessions(self) -> int:
        """The period in sessions."""
        return sessions_in(self.period)
