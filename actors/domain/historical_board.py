"""The historical indicators of the current session, as a strategy reads them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from actors.domain.indicator_values import GapStats, HighLow
from actors.domain.session_plan import SessionPlan
from protocol.blocks import as_floats
from protocol.messages import Figure

Floats: TypeAlias = npt.NDArray[np.float64]
HistoricalValue: TypeAlias = float | HighLow | GapStats | Floats


class UnknownHistorical(LookupError):
    """A strategy asked for a historical indicator that the configuration does not list."""

    def __init__(self, key: str, symbol: str, listed: Iterable[str]) -> None:
        """Name what was asked for and what there is of the symbol."""
        there = ", ".join(sorted(listed)) or "none"
        super().__init__(
            f"no historical indicator {key} of {symbol}: the configuration must list it; it has: {there}"
        )
        self.key = key
        self.symbol = symbol


class HistoricalBoard:
    """What was computed for the current session, by key and symbol."""

    def __init__(self, plan: SessionPlan) -> None:
        """Know nothing yet."""
        self._read = {spec.key: _reader(spec.kind, by_minute=spec.by_minute) for spec in plan.historical}
        self._figures: Mapping[tuple[str, str], Figure] = {}

    def start_session(self, figures: Iterable[Figure]) -> None:
        """Turn to the figures of another session."""
        self._figures = {(figure.key, figure.symbol): figure for figure in figures}

    def value(self, key: str, symbol: str) -> HistoricalValue | None:
        """Give a value; None where there is none.

        Raises UnknownHistorical.
        """
        figure = self._figure(key, symbol)
        return None if figure.reason else self._read[key](as_floats(figure.values))

    def reason(self, key: str, symbol: str) -> str | None:
        """Say why there is no value; None where there is one.

        Raises UnknownHistorical.
        """
        return self._figure(key, symbol).reason or None

    def _figure(self, key: str, symbol: str) -> Figure:
        try:
            return self._figures[key, symbol]
        except KeyError:
            listed = (there for there, of_symbol in self._figures if of_symbol == symbol)
            raise UnknownHistorical(key, symbol, listed) from None


def _one(values: Floats) -> HistoricalValue:
    return float(values[0])


def _minutes(values: Floats) -> HistoricalValue:
    return values


def _high_low(values: Floats) -> HistoricalValue:
    return HighLow(*values.tolist())


def _gap_stats(values: Floats) -> HistoricalValue:
    average, *counts = values.tolist()
    return GapStats(average, *map(int, counts))


_TUPLES: Final[Mapping[str, Callable[[Floats], HistoricalValue]]] = {
    "high_low": _high_low,
    "gap_stats": _gap_stats,
}


def _reader(kind: str, *, by_minute: bool) -> Callable[[Floats], HistoricalValue]:
    """Choose how the numbers of a figure are given."""
    return _minutes if by_minute else _TUPLES.get(kind, _one)
