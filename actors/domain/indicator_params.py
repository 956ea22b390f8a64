"""What each indicator may be told: its parameters, their ranges and defaults.

Light, so that a configuration can be checked without importing what computes.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, Self

from pydantic import BaseModel, Field, ValidationError, create_model, model_validator
from pydantic_core import ErrorDetails

from actors.domain.intervals import Interval

MOST_BARS: Final = 100_000
"""The longest period; TA-Lib's own limit."""
_WORDS: Final = {
    "missing": "is required",
    "int_type": "must be a whole number, not {got}",
    "float_type": "must be a number, not {got}",
    "finite_number": "must be a finite number, not {got}",
    "greater_than": "must be above {gt:g}, not {got}",
    "greater_than_equal": "must be at least {ge:g}, not {got}",
    "less_than_equal": "must be at most {le:g}, not {got}",
    "value_error": "{error}",
}


class Params(BaseModel, extra="forbid", strict=True, frozen=True, allow_inf_nan=False):
    """Parameters of an indicator; none, where it is not derived from."""


class MacdParams(Params):
    """Bars of the two averages, and of the average of their difference."""

    fast: int = Field(default=12, ge=2, le=MOST_BARS)
    slow: int = Field(default=26, ge=2, le=MOST_BARS)
    signal: int = Field(default=9, ge=1, le=MOST_BARS)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        return self


class StochasticParams(Params):
    """Bars of the range, and of the two averages."""

    period: int = Field(default=14, ge=1, le=MOST_BARS)
    smooth_k: int = Field(default=3, ge=1, le=MOST_BARS)
    smooth_d: int = Field(default=3, ge=1, le=MOST_BARS)


class UltimateParams(Params):
    """Bars of the three averages, the shortest first."""

    period1: int = Field(default=7, ge=1, le=MOST_BARS)
    period2: int = Field(default=14, ge=1, le=MOST_BARS)
    period3: int = Field(default=28, ge=1, le=MOST_BARS)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.period1 < self.period2 < self.period3:
            given = f"{self.period1}, {self.period2}, {self.period3}"
            raise ValueError(f"period1, period2 and period3 ({given}) must each be above the one before")
        return self


class BandsParams(Params):
    """Bars of the average, and how many deviations the bands are away from it."""

    period: int = Field(default=20, ge=2, le=MOST_BARS)
    num_std: float = Field(default=2.0, gt=0, le=1000)


class KeltnerParams(Params):
    """Bars of the average and of the range, and how many ranges the bands are away."""

    period: int = Field(default=20, ge=1, le=MOST_BARS)
    atr_period: int = Field(default=10, ge=1, le=MOST_BARS)
    multiplier: float = Field(default=2.0, gt=0, le=1000)


class HistvolParams(Params):
    """Returns in the deviation, and bars in a year; None is as many as New York has."""

    period: int = Field(default=20, ge=2, le=10_000)
    periods_per_year: float | None = Field(default=None, gt=0)


@cache
def _period(default: object = ..., least: int = 1, most: int = MOST_BARS) -> type[Params]:
    """Make parameters of which there is one; it is required where there is no default."""
    field: Any = (int, Field(default, ge=least, le=most))
    return create_model("PeriodParams", __base__=Params, period=field)


PARAMS: Final[Mapping[str, type[Params]]] = {
    "sma": _period(),
    "ema": _period(),
    "wma": _period(),
    "dema": _period(),
    "tema": _period(),
    "hma": _period(),
    "vwap": Params,
    "twap": Params,
    "rsi": _period(14, least=2),
    "macd": MacdParams,
    "stochastic": StochasticParams,
    "cci": _period(20, least=2),
    "roc": _period(10),
    "mom": _period(10),
    "williams_r": _period(14, least=2),
    "ultimate_osc": UltimateParams,
    "atr": _period(14),
    "bbands": BandsParams,
    "keltner": KeltnerParams,
    "donchian": _period(20, least=2),
    "stddev": _period(20, least=2),
    "histvol": HistvolParams,
    "obv": Params,
    "pvt": Params,
    "volume_sma": _period(20),
    "volume_ratio": _period(20),
    "pivot_points": Params,
    "high_low": _period(20, most=10_000),
    "swing_high": _period(2, most=10_000),
    "swing_low": _period(2, most=10_000),
    "avg_volume": _period(20, most=10_000),
    "avg_range": _period(20, most=10_000),
    "gap_stats": _period(20, most=10_000),
    "range_ratio": _period(20, most=10_000),
    "atr_daily": _period(14, most=10_000),
}
"""Every indicator, by name."""
SESSION_ANCHORED: Final = frozenset({"vwap", "twap"})
"""Those that begin anew with each session."""
SESSION_FIGURES: Final = frozenset(
    {"pivot_points", "high_low", "avg_volume", "avg_range", "gap_stats", "range_ratio", "atr_daily"}
)
"""Those that are computed from whole sessions."""


def problems(name: str, interval: Interval, given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """List what is wrong with a known indicator: the field, empty where it is several, and what."""
    if name in SESSION_ANCHORED | SESSION_FIGURES and not (
        interval.is_intraday or interval == Interval(1, "d")
    ):
        yield "interval", f"{name} is computed session by session: choose 1d or shorter, not {interval}"
    try:
        PARAMS[name].model_validate(dict(given))
    except ValidationError as error:
        for details in error.errors():
            yield ".".join(map(str, details["loc"])), _said(details, name)


def _said(details: ErrorDetails, name: str) -> str:
    if details["type"] == "extra_forbidden":
        known = ", ".join(PARAMS[name].model_fields) or "none"
        return f"unknown parameter (parameters of {name}: {known})"
    if details["type"] not in _WORDS:
        return details["msg"]
    return _WORDS[details["type"]].format(**details.get("ctx", {}), got=details["input"])
