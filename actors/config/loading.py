"""From a file to a configuration object: read, override from the command line, check everything at once."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from actors.config.problems import Location, json_path, problems_of
from actors.config.session import SessionConfig
from actors.domain.errors import ConfigError, Problem
from actors.domain.overrides import NO_OVERRIDES, Overrides

MAX_CONFIG_BYTES: Final = 2**20
MAX_NESTING: Final = 64
_OPTIONS: Final[Mapping[str, tuple[str, tuple[str, str]]]] = {
    "start": ("--start", ("backtest_config", "start_date")),
    "end": ("--end", ("backtest_config", "end_date")),
    "speed": ("--speed", ("backtest_config", "speed_multiplier")),
    "window_steps": ("--window-steps", ("pipeline", "window_steps")),
    "credit": ("--credit", ("pipeline", "credit")),
    "catalog": ("--catalog", ("catalog", "path")),
}


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys it was given twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.repeated = sorted({key for key in keys if keys.count(key) > 1}) if len(keys) > len(self) else []


def load_config(path: Path, overrides: Overrides = NO_OVERRIDES) -> SessionConfig:
    """Read a configuration file.

    Relative paths in it start at its folder. Raises ConfigError with all that is wrong.
    """
    try:
        document = _parsed(_text(path))
    except _Unreadable as error:
        raise ConfigError(path, (Problem("", str(error)),)) from None
    return parse_config(document, path.parent, overrides, path)


def parse_config(
    document: object,
    folder: Path = Path(),
    overrides: Overrides = NO_OVERRIDES,
    path: Path | None = None,
) -> SessionConfig:
    """Check a configuration that is in memory, as `json.loads` gives it.

    Relative paths in it start at `folder`. Raises ConfigError, which names `path`, with all that is wrong.
    """
    if not isinstance(document, dict):
        raise ConfigError(path, (Problem("", "must be a JSON object: { … }"),))
    malformed = tuple(_malformations(document, ()))
    document = _overridden(document, overrides, folder)
    try:
        config = SessionConfig.model_validate_json(json.dumps(document), context=folder)
    except ValidationError as error:
        found = problems_of(error, document, SessionConfig)
        raise ConfigError(path, malformed + _named_by_option(found, overrides)) from None
    if malformed:
        raise ConfigError(path, malformed)
    return config.in_folder(folder)


class _Unreadable(Exception):
    """A file that holds no JSON."""


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        raise _Unreadable("there is no such file") from None
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_CONFIG_BYTES:
        raise _Unreadable(f"is larger than {MAX_CONFIG_BYTES:,} bytes, so it is no configuration")
    return _decoded(content)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(f"is not UTF-8 text: byte {error.start} is {content[error.start]:#04x}") from None


def _parsed(text: str) -> object:
    try:
        document: object = json.loads(
            text,
            object_pairs_hook=_Object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_int64,
        )
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _Unreadable(
            f"is not JSON: line {error.lineno} column {error.colno}: {error.msg} "
            "(comments and trailing commas are not allowed)"
        ) from None
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise _Unreadable(f"holds {half}, which is half a character; write both halves") from None
    except RecursionError:
        raise _Unreadable("is nested too deeply") from None
    return document


def _refuse_constant(word: str) -> NoReturn:
    raise _Unreadable(f"is not JSON: {word} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _Unreadable(f"holds a number that is too large: {digits[:40]}")
    return number


def _int64(digits: str) -> int:
    if len(digits) > len("-9223372036854775808") or not -(2**63) <= int(digits) < 2**63:
        raise _Unreadable(f"holds a number that is too large: {digits[:40]}")
    return int(digits)


def _malformations(node: object, location: Location) -> Iterator[Problem]:
    if isinstance(node, _Object):
        for name in node.repeated:
            yield Problem(json_path((*location, name)), "is given twice; keep one")
    if len(location) == MAX_NESTING:
        yield Problem(json_path(location[:1]), f"is nested deeper than {MAX_NESTING} levels")
        return
    for key, item in _children(node):
        yield from _malformations(item, (*location, key))


def _children(node: object) -> Iterable[tuple[str | int, object]]:
    match node:
        case dict():
            return node.items()
        case list():
            return enumerate(node)
        case _:
            return ()


def _overridden(document: dict[str, Any], overrides: Overrides, folder: Path) -> dict[str, Any]:
    """Put the overrides in, except where the file has something else than an object; that is reported."""
    result = dict(document)
    for name, value in overrides.given():
        section, key = _OPTIONS[name][1]
        old = result.get(section, {})
        if isinstance(old, dict):
            written = os.path.relpath(value.resolve(), folder.resolve()) if name == "catalog" else value
            result[section] = {**old, key: written}
    return result


def _named_by_option(problems: tuple[Problem, ...], overrides: Overrides) -> tuple[Problem, ...]:
    options = {json_path(_OPTIONS[name][1]): _OPTIONS[name][0] for name, _ in overrides.given()}
    return tuple(Problem(options.get(where, where), message) for where, message in problems)
