"""What is not warm when a run begins."""

from collections.abc import Iterable, Iterator

from actors.domain.session_plan import Warmup
from actors.supervisor.wording import counted, listed


def cold_starts(warmups: Iterable[Warmup]) -> Iterator[str]:
    """Say of every indicator that has too little history what it needs, and what each symbol has."""
    cold: dict[tuple[str, str], list[str]] = {}
    for warmup in warmups:
        if warmup.bars_in_history < warmup.bars_needed:
            found = f"{warmup.symbol} {warmup.bars_in_history}"
            needed = counted(warmup.bars_needed, warmup.unit)
            cold.setdefault((warmup.indicator, needed), []).append(found)
    for (indicator, needed), given in cold.items():
        yield f"{indicator} has no value at first: it needs {needed}, and history gives {listed(given)}"
