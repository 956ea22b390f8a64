"""The splits that a run suspects, from its tables of defects."""

from pathlib import Path
from typing import Final, NamedTuple

from actors.domain.split_suspicion import split_named_in
from actors.runtime.store import recorded_defects

_TABLES: Final = ("history_defects.parquet", "defects.parquet")


class SuspectedSplit(NamedTuple):
    """A session that seems to begin with a split."""

    symbol: str
    date: str
    split: str
    """Such as 4:1, or 1:10 where it is reverse."""


def suspected_splits(tables: Path) -> tuple[SuspectedSplit, ...]:
    """Give those of history and run, each once, by date as they were found.

    Raises OSError where the tables cannot be read.
    """
    jumps = [jump for name in _TABLES for jump in recorded_defects(tables / name, "jump")]
    named = ((jump, split_named_in(jump.detail)) for jump in jumps)
    found = (SuspectedSplit(jump.symbol, jump.session, split) for jump, split in named if split)
    return tuple(dict.fromkeys(found))
