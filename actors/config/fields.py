"""The kinds of values that sections are made of, and the section they share."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
)

from actors.config.vocabulary import CALENDARS, EXCHANGE_GROUPS, INDICATORS, did_you_mean
from actors.domain.intervals import Interval

_SYMBOL: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"
_STRATEGY_NAME: Final = r"[a-z0-9][a-z0-9_-]{0,19}"
_MODULE_TARGET: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_FILE_TARGET: Final = re.compile(r"[^\0\n]+\.py:[^\W\d]\w*")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Item = TypeVar("Item")


class Section(BaseModel):
    """An object of the configuration: fixed keys, exact types, unchangeable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Misfit(ValueError):
    """A value that is sound by itself and does not fit another one."""

    def __init__(self, where: tuple[str | int, ...], message: str) -> None:
        """Keep where it stands, below the field that is being validated."""
        super().__init__(message)
        self.where = where


def _check_interval(text: str) -> str:
    Interval.parse(text)
    return text


def check_name(text: str, pattern: str, what: str, advice: str) -> str:
    """Refuse a text that cannot name what it should; `advice` says of which characters, and how many."""
    if not re.fullmatch(pattern, text):
        raise ValueError(f"{text!r} cannot be {what}: use {advice}")
    return text


def _check_symbol(text: str) -> str:
    advice = "letters, digits and . _ -, beginning with a letter or digit, 32 at most"
    return check_name(text, _SYMBOL, "a symbol", advice)


def _check_strategy_name(text: str) -> str:
    advice = "a-z, 0-9, _ and -, beginning with a letter or digit, 20 at most"
    return check_name(text, _STRATEGY_NAME, "a strategy's name", advice)


def _check_target(text: str, info: ValidationInfo) -> str:
    if not (_MODULE_TARGET.fullmatch(text) or _FILE_TARGET.fullmatch(text)):
        raise ValueError(f'{text!r} names no class: write "package.module:Class" or "path/to/file.py:Class"')
    file = target_file(text)
    if file is not None and info.context is not None:
        _check_file(info.context / file)
    return text


def _check_file(file: Path) -> None:
    if not file.is_file():
        raise ValueError(
            f"there is no file {file.resolve()}; relative paths start at the configuration's folder"
        )


def target_file(target: str) -> str | None:
    """Give the path in `path/to/file.py:Class`; None for `module:Class`."""
    return target.rpartition(":")[0] if _FILE_TARGET.fullmatch(target) else None


def _check_day(day: object) -> object:
    is_day = _DAY.fullmatch(day) if isinstance(day, str) else isinstance(day, date)
    if not is_day:
        raise ValueError(f'must be a date such as "2025-07-02", not {json.dumps(day, default=str)}')
    return day


def _check_exchange_group(text: str) -> str:
    if text not in EXCHANGE_GROUPS and text not in CALENDARS:
        raise ValueError(f"unknown exchange group {text!r}; {_exchange_hint(text)}")
    return text


def _exchange_hint(text: str) -> str:
    hint = did_you_mean(text, {*EXCHANGE_GROUPS, *CALENDARS})
    if hint.startswith("did"):
        return hint
    return f"write one of {', '.join(EXCHANGE_GROUPS)}, or the code of a calendar such as XNYS or 24/7"


def _check_indicator(text: str) -> str:
    if text not in INDICATORS:
        raise ValueError(f"unknown indicator {text!r}; {did_you_mean(text, INDICATORS)}")
    return text


def _check_title(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of readable text")
    return text


def _check_path(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("must name a folder")
    return text


def _check_file_path(text: str, info: ValidationInfo) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("must name a file")
    if info.context is not None:
        _check_file(info.context / text)
    return text


def check_unique(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Refuse a second one of the same."""
    for index, item in enumerate(items):
        if item in items[:index]:
            raise Misfit((index,), f"{item} is there twice; remove one")
    return items


def _selection_tag(value: object) -> str | None:
    if value == "all":
        return "all"
    return "symbols" if isinstance(value, list | tuple) else None


IntervalText = Annotated[
    str,
    AfterValidator(_check_interval),
    Field(json_schema_extra={"pattern": "^[1-9][0-9]{0,4}[smhdw]$", "examples": ["1m", "5m", "1h", "1d"]}),
]
Day = Annotated[date, Field(strict=False), BeforeValidator(_check_day)]
Symbol = Annotated[str, AfterValidator(_check_symbol), Field(json_schema_extra={"pattern": f"^{_SYMBOL}$"})]
StrategyName = Annotated[
    str, AfterValidator(_check_strategy_name), Field(json_schema_extra={"pattern": f"^{_STRATEGY_NAME}$"})
]
StrategyTarget = Annotated[str, AfterValidator(_check_target), Field(json_schema_extra={"pattern": ":"})]
ExchangeGroup = Annotated[
    str,
    AfterValidator(_check_exchange_group),
    Field(json_schema_extra={"anyOf": [{"enum": [*EXCHANGE_GROUPS]}, {"enum": sorted(CALENDARS)}]}),
]
IndicatorName = Annotated[
    str, AfterValidator(_check_indicator), Field(json_schema_extra={"enum": sorted(INDICATORS)})
]
Title = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_check_title)]
FilePath = Annotated[str, AfterValidator(_check_file_path), Field(min_length=1)]
FolderPath = Annotated[str, AfterValidator(_check_path), Field(min_length=1)]
Intervals = Annotated[tuple[IntervalText, ...], Field(min_length=1), AfterValidator(check_unique)]
Symbols = Annotated[tuple[Symbol, ...], Field(min_length=1), AfterValidator(check_unique)]
SymbolSelection = Annotated[
    Annotated[Literal["all"], Tag("all")] | Annotated[Symbols, Tag("symbols")],
    Discriminator(
        _selection_tag,
        custom_error_type="selection",
        custom_error_message='must be "all" or a list of symbols',
    ),
]
