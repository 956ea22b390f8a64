"""Whether strategies did the same in two runs up to an instant."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.results import Run
from actors.results.columns import Columns, columns_of
from actors.supervisor.comparison import Parting, find_parting

_CLOCK: Final = "event_ts"


class StrategyParting(NamedTuple):
    """The first thing that a strategy did, or was told, differently."""

    strategy: str
    parting: Parting


def strategy_partings(
    first: Run, second: Run, strategies: Iterable[str], before_ns: int | None = None
) -> tuple[StrategyParting, ...]:
    """Compare signals, decisions, fills, indicators and books of each strategy; name those that part.

    Only rows with a stamp before `before_ns` count; None is all of them.
    """
    found = (_first_parting(first, second, strategy, before_ns) for strategy in strategies)
    return tuple(parting for parting in found if parting is not None)


def _first_parting(first: Run, second: Run, strategy: str, before_ns: int | None) -> StrategyParting | None:
    """Find the earliest of all its tables; of several at one instant, the one that is listed first."""
    partings = [
        find_parting(
            what, _rows(first, table, strategy, before_ns), _rows(second, table, strategy, before_ns), _CLOCK
        )
        for what, table in _tables(first, strategy)
    ]
    earliest = min(filter(None, partings), key=lambda parting: parting.event_ts, default=None)
    return None if earliest is None else StrategyParting(strategy, earliest)


def _tables(run: Run, strategy: str) -> Iterator[tuple[str, str]]:
    yield "signals", "signals"
    yield "decisions", f"trading/{strategy}/decisions"
    for name in run.tables:
        if name.startswith(f"indicators/{strategy}/"):
            yield f"indicators on {name.rpartition('/')[2]}", name
    yield "fills", f"trading/{strategy}/fills"
    yield "equity", f"trading/{strategy}/equity"


def _rows(run: Run, table: str, strategy: str, before_ns: int | None) -> Columns:
    columns = columns_of(run.table(table))
    if "strategy" in columns:
        columns = _chosen(columns, columns["strategy"] == strategy)
    return columns if before_ns is None else _chosen(columns, columns[_CLOCK] < before_ns)


def _chosen(columns: Columns, rows: npt.NDArray[np.bool_]) -> Columns:
    return {name: values[rows] for name, values in columns.items()}
