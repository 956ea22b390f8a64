"""Turn a strategy's target and params, as people write them, into a strategy."""

import hashlib
import importlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from actors.domain.indicators import check
from actors.domain.intervals import Interval
from actors.domain.strategy import Needs, Strategy, StrategyParams


class StrategyLoadError(Exception):
    """A strategy cannot be had; the message says why and what to do."""

    def __init__(self, target: str, reason: str) -> None:
        """Keep the target."""
        super().__init__(f"strategy {target}: {reason}")
        self.target = target
        self.reason = reason


def load_strategy(target: str, params: Mapping[str, Any]) -> Strategy[Any]:
    """Load `module:Class` or `path/to/file.py:Class`, and build it with validated params.

    Raises StrategyLoadError.
    """
    place, _, name = target.rpartition(":")
    if not place or not name.isidentifier():
        raise StrategyLoadError(target, "write it as module:Class or path/to/file.py:Class")
    module = _load_file(target, Path(place)) if place.endswith(".py") else _load_module(target, place)
    strategy_class = _find_class(target, module, name)
    valid = _validate(target, strategy_class, params)
    with _blaming(target, "it cannot be built"):
        strategy = strategy_class(valid)
    _check_needs(target, strategy)
    return strategy


def source_of(target: str) -> Path | None:
    """Find the file of a strategy that was loaded; None where its module is of no file."""
    place = target.rpartition(":")[0]
    if place.endswith(".py"):
        return Path(place)
    file = getattr(sys.modules.get(place), "__file__", None)
    return None if file is None else Path(file)


def _load_file(target: str, path: Path) -> ModuleType:
    """Import a file under a name made of its whole path, so that two files of one name do not meet."""
    if not path.is_file():
        raise StrategyLoadError(target, f"there is no file {path}; check the path")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"sessionflow_strategy_{path.stem}_{digest}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StrategyLoadError(target, f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    with _blaming(target, "it fails at import"):
        spec.loader.exec_module(module)
    return module


def _load_module(target: str, name: str) -> ModuleType:
    with _blaming(target, "it fails at import"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            there_is_no = f"there is no module {error.name}; install it, or write path/to/file.py:Class"
            raise StrategyLoadError(target, there_is_no) from error


@contextmanager
def _blaming(target: str, what: str) -> Iterator[None]:
    """Turn whatever the strategy's own code raises into StrategyLoadError with its line."""
    try:
        yield
    except StrategyLoadError:
        raise
    except (Exception, SystemExit) as error:
        reason = f"{what}: {type(error).__name__}: {error}{_place(error)}"
        raise StrategyLoadError(target, reason) from error


def _place(error: BaseException) -> str:
    """Name the first line outside of this module and of the import machinery."""
    own = (__file__, importlib.__file__)
    frames = traceback.extract_tb(error.__traceback__)
    for frame in frames:
        if frame.filename not in own and not frame.filename.startswith("<frozen"):
            return f" ({frame.filename}, line {frame.lineno})"
    return ""


def _find_class(target: str, module: ModuleType, name: str) -> type[Strategy[Any]]:
    found = getattr(module, name, None)
    if found is None:
        classes = [
            key for key, value in vars(module).items() if _is_strategy(value) and value is not Strategy
        ]
        there = f"; its strategies: {', '.join(classes)}" if classes else " and no other strategy"
        raise StrategyLoadError(target, f"it has no class {name}{there}")
    if not _is_strategy(found):
        raise StrategyLoadError(
            target, f"{name} is not a strategy: derive it from actors.domain.strategy.Strategy"
        )
    strategy: type[Strategy[Any]] = found
    return strategy


def _is_strategy(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Strategy)


def _validate(target: str, strategy_class: type[Strategy[Any]], params: Mapping[str, Any]) -> StrategyParams:
    if not issubclass(strategy_class.Params, StrategyParams):
        raise StrategyLoadError(target, "derive its Params from actors.domain.strategy.StrategyParams")
    try:
        return strategy_class.Params.model_validate(dict(params))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(['params', *map(str, problem['loc'])])}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        known = ", ".join(strategy_class.Params.model_fields) or "none"
        raise StrategyLoadError(target, f"{problems} (known params: {known})") from error


def _check_needs(target: str, strategy: Strategy[Any]) -> None:
    """Ask once for what the planner and the analysis engine will ask for."""
    with _blaming(target, "its needs cannot be met"):
        needs = strategy.needs()
        if not isinstance(needs, Needs):
            raise StrategyLoadError(target, f"needs() gave {needs!r}, not Needs")
        for interval in needs.intervals:
            Interval.parse(interval)
        _check_window(target, strategy, needs.window)
        for indicator in needs.indicators:
            check(indicator)


def _check_window(target: str, strategy: Strategy[Any], window: str | None) -> None:
    """Make sure that `on_window` and `needs().window` go together."""
    defined = type(strategy).on_window is not Strategy.on_window
    if defined and window is None:
        raise StrategyLoadError(target, 'it defines on_window, so needs() must name a window, such as "30m"')
    if window is not None and not Interval.parse(window).is_intraday:
        raise StrategyLoadError(
            target, f'needs() names the window {window!r}: write s, m or h, such as "30m"'
        )
