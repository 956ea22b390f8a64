"""What a run is made from besides its configuration: `inputs.json` lets a resumed one check it.

1. Of every file of bars that the plan reads: size, and the checksum of its Parquet footer.
2. Of every strategy's file, and of the file of corporate actions: size and checksum.
3. Where the configuration's file lies, from the run folder: relative paths in it start at its folder. It is
   left out where the way leads over the root of the file system, so that no file names a place of a machine.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from actors.config import SessionConfig
from actors.domain.session_plan import SessionPlan
from actors.runtime.store import Fingerprint, bar_prints, file_print
from actors.runtime.strategy_loading import source_of

NAME: Final = "inputs.json"
INPUTS_VERSION: Final = 1


class Inputs(msgspec.Struct, frozen=True):
    """What `inputs.json` holds."""

    version: int
    configuration: str | None
    """The configuration's file, relative to the run folder; None where nothing relative leads there."""
    bars: tuple[Fingerprint, ...]
    """By path, relative to the catalog."""
    strategies: Mapping[str, Fingerprint]
    """The strategies' files by their names in the configuration."""
    corporate_actions: Fingerprint | None = None


def take_inputs(config: SessionConfig, plan: SessionPlan, configuration: str | None) -> Inputs:
    """Find out what a plan is made from.

    Raises DataError where a file cannot be read.
    """
    files = {spec.name: source_of(spec.target) for spec in plan.strategies}
    actions = config.corporate_actions_path
    return Inputs(
        version=INPUTS_VERSION,
        configuration=configuration,
        bars=tuple(sorted(_bars(plan, Path(plan.catalog)), key=lambda found: found.path)),
        strategies={name: file_print(file) for name, file in files.items() if file is not None},
        corporate_actions=None if actions is None else file_print(actions),
    )


def way_to(configuration: Path, folder: Path) -> str | None:
    """Find the way from a run folder to a configuration; None where it leads over the root."""
    file, start = configuration.resolve(), folder.resolve()
    if os.path.commonpath((file, start)) == file.anchor:
        return None
    return Path(os.path.relpath(file, start)).as_posix()


def changes(before: Inputs, now: Inputs) -> Iterator[str]:
    """Say which files are not what they were."""
    yield from _changed({each.path: each for each in before.bars}, {each.path: each for each in now.bars})
    for name in dict.fromkeys((*before.strategies, *now.strategies)):
        if _content(before.strategies.get(name)) != _content(now.strategies.get(name)):
            yield f"the file of strategy {name} has changed"
    if _content(before.corporate_actions) != _content(now.corporate_actions):
        yield "the file of corporate actions has changed"


def _bars(plan: SessionPlan, catalog: Path) -> Iterator[Fingerprint]:
    start_ns = (*plan.history, *plan.sessions)[0].previous_close_ns
    end_ns = plan.sessions[-1].close_ns
    for stream in plan.base_streams:
        for interval in filter(None, (stream.interval, stream.filled_from)):
            yield from bar_prints(catalog, stream.symbol, interval, start_ns, end_ns)


def _changed(before: Mapping[str, Fingerprint], now: Mapping[str, Fingerprint]) -> Iterator[str]:
    for path in sorted(before.keys() | now.keys()):
        if path not in now:
            yield f"{path} is gone"
        elif path not in before:
            yield f"{path} is new"
        elif before[path] != now[path]:
            yield f"{path} has changed"


def _content(found: Fingerprint | None) -> tuple[int, str] | None:
    """Give what counts of a file that may be called otherwise now."""
    return None if found is None else (found.bytes, found.sha256)
