"""The tables of a strategy's trading, as the domain has them."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np

from actors.domain.trading.equity_curve import EquityCurve
from actors.domain.trading.orders import Fill
from actors.domain.trading.statistics import Market, Result
from actors.domain.trading.trades import round_trips
from actors.results.columns import Column, columns_of

SESSIONS_PER_YEAR: Final = 252
CONTINUOUS: Final = {"24/7": 365}
"""Sessions a year of the calendars that never close."""
Json = dict[str, Any]


class RunTables(Protocol):
    """What is read of a run."""

    @property
    def summary(self) -> Json:
        """What came of it."""
        ...

    @property
    def plan(self) -> Json:
        """What it set out to do."""
        ...

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of its tables."""
        ...

    def table(self, name: str) -> Any:  # noqa: ANN401  a pyarrow.Table, which has no types
        """Read a table."""
        ...


class Traded:
    """The tables of one strategy; None for those that the run did not come to write."""

    def __init__(self, run: RunTables, strategy: str) -> None:
        """Read them."""
        self.name = strategy
        self._start: float | None = (run.summary.get("results", {}).get(strategy) or {}).get("start_equity")
        self._cash: float = run.plan["trading"]["initial_cash"]
        self.decisions = _table(run, f"trading/{strategy}/decisions")
        self.fills = _table(run, f"trading/{strategy}/fills")
        self.equity = _table(run, f"trading/{strategy}/equity")
        self.orders = _table(run, f"trading/{strategy}/orders")

    @property
    def start(self) -> float:
        """Equity before the first step."""
        return self._cash if self._start is None else self._start

    def fill_list(self) -> list[Fill]:
        """Give the fills as the domain has them."""
        if self.fills is None:
            return []
        return [Fill(*row) for row in zip(*(self.fills[name].tolist() for name in Fill._fields), strict=True)]

    def curve(self) -> EquityCurve | None:
        """Give the equity as the domain has it; None without a table."""
        if self.equity is None:
            return None
        _, session = np.unique(self.equity["session"].astype(np.str_), return_inverse=True)
        columns = (self.equity[name] for name in ("event_ts", "equity", "exposure"))
        return EquityCurve(session.astype(np.int64), *columns)

    def result(self, curve: EquityCurve) -> Result:
        """Give what statistics are computed from."""
        fills = self.fill_list()
        return Result(self.start, curve, round_trips(fills), fills)


def market_of(plan: Mapping[str, Any]) -> Market:
    """Tell by what figures are scaled and sorted."""
    return Market(plan["timezone"], CONTINUOUS.get(plan["calendar"], SESSIONS_PER_YEAR))


def _table(run: RunTables, name: str) -> dict[str, Column] | None:
    return columns_of(run.table(name)) if name in run.tables else None
