"""Read a file of corporate actions: CSV with the columns date, symbol, split and dividend.

It may hold any number of symbols. All that is wrong with it is said at once.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from actors.domain.adjustments import CorporateAction
from actors.domain.errors import ConfigError, DataError, Problem

COLUMNS: Final = ("date", "symbol", "split", "dividend")
FAULTS_SHOWN: Final = 20
MOST_SHARES: Final = 1e6
"""New shares per old one, and the other way round."""
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SPLIT_HINT: Final = "write the new shares per old one, such as 7 for 7:1 or 0.1 for 1:10, or nothing"
_DIVIDEND_HINT: Final = "write the cash per share, such as 0.82, or nothing"


class ActionsFile(NamedTuple):
    """What a file holds."""

    path: Path
    sha256: str
    """Of its bytes."""
    actions: Mapping[str, tuple[CorporateAction, ...]]
    """By symbol, each by date."""


class _Fault(NamedTuple):
    """Something wrong with a line."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.message}"


class _Unfit(ValueError):
    """A field that cannot be what it should be; the message says why and what to do."""


def read_actions(path: Path, where: str = "catalog.corporate_actions") -> ActionsFile:
    """Read a file; `where` is the setting that names it.

    Raises ConfigError where there is no such file, DataError with every line that cannot be used.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); correct the path, or leave it out"
        raise ConfigError(None, (Problem(where, message),)) from error
    actions = _actions(path, _text(path, content))
    by_symbol: dict[str, list[CorporateAction]] = {}
    for action in sorted(actions):
        by_symbol.setdefault(action.symbol, []).append(action)
    sha256 = hashlib.sha256(content).hexdigest()
    return ActionsFile(path, sha256, {symbol: tuple(found) for symbol, found in by_symbol.items()})


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 text: byte {error.start} is {content[error.start]:#04x}; "
            "save it as CSV in UTF-8"
        ) from None


def _actions(path: Path, text: str) -> list[CorporateAction]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    actions: list[CorporateAction] = []
    faults: list[_Fault] = []
    try:
        names = [name.strip() for name in next(reader, [])]
        _check_header(path, names)
        for fields in reader:
            if len(fields) == len(names):
                _take(dict(zip(names, fields, strict=True)), reader.line_num, actions, faults)
            elif fields:
                message = f"has {len(fields)} fields, the first line {len(names)}; write as many"
                faults.append(_Fault(reader.line_num, "", message))
    except csv.Error as error:
        _refuse(path, [*faults, _Fault(reader.line_num, "", f"is no CSV ({error}); write it again")])
    faults += _repeated(actions)
    if faults:
        _refuse(path, sorted(faults))
    return actions


def _check_header(path: Path, names: list[str]) -> None:
    absent = [name for name in COLUMNS if names.count(name) != 1]
    if absent:
        raise DataError(
            f"{path}: line 1 must name each of the columns {', '.join(COLUMNS)} once; "
            f"add or correct {', '.join(absent)}"
        )


def _take(fields: Mapping[str, str], line: int, actions: list[CorporateAction], faults: list[_Fault]) -> None:
    """Read the fields of a line into `actions`, or what is wrong with them into `faults`."""
    found: dict[str, Any] = {}
    for column, parse in _PARSERS.items():
        try:
            found[column] = parse(fields[column].strip())
        except _Unfit as error:
            faults.append(_Fault(line, column, str(error)))
    if len(found) == len(_PARSERS):
        actions.append(CorporateAction(**found, line=line))


def _day(text: str) -> str:
    try:
        if _DAY.fullmatch(text):
            return str(date.fromisoformat(text))
    except ValueError:
        pass
    raise _Unfit(f"{text[:40]!r} is no date; write the ex-date as YYYY-MM-DD")


def _symbol(text: str) -> str:
    if not text:
        raise _Unfit("is empty; write the symbol as the catalog has it")
    return text


def _split(text: str) -> float:
    split = _number(text, _SPLIT_HINT) if text else 1.0
    if not 1 / MOST_SHARES <= split <= MOST_SHARES:
        bound = "above 0" if split <= 0 else "between 0.000001 and 1000000"
        raise _Unfit(f"{text[:40]} is not {bound}; {_SPLIT_HINT}")
    return split


def _dividend(text: str) -> float:
    dividend = _number(text, _DIVIDEND_HINT) if text else 0.0
    if dividend < 0:
        raise _Unfit(f"{text[:40]} is below 0; {_DIVIDEND_HINT}")
    return dividend


def _number(text: str, hint: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else float("inf")
    if abs(number) == float("inf"):
        raise _Unfit(f"{text[:40]!r} is no number; {hint}")
    return number


_PARSERS: Final[Mapping[str, Callable[[str], str | float]]] = {
    "date": _day,
    "symbol": _symbol,
    "split": _split,
    "dividend": _dividend,
}


def _repeated(actions: list[CorporateAction]) -> Iterator[_Fault]:
    first: dict[tuple[str, str], int] = {}
    for action in actions:
        line = first.setdefault((action.symbol, action.date), action.line)
        if line != action.line:
            what = f"{action.symbol} {action.date} is in line {line} already"
            yield _Fault(action.line, "date", f"{what}; keep one, with split and dividend of that day")


def _refuse(path: Path, faults: list[_Fault]) -> NoReturn:
    lines = [f"\n  {fault}" for fault in faults[:FAULTS_SHOWN]]
    if len(faults) > FAULTS_SHOWN:
        lines.append(f"\n  and {len(faults) - FAULTS_SHOWN} more")
    raise DataError(f"{path}: corporate actions that cannot be used:{''.join(lines)}")
