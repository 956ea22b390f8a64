"""Series of numbers as short lists of whole ones: differences of values in units of their last place."""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from actors.domain.trading.equity_curve import Floats, Integers
from actors.results.columns import Column

Json = dict[str, Any]
PLACES: Final = 6
"""Digits that a series keeps of its largest value, if they are needed at all; two after the point stay."""
MOST_DECIMALS: Final = 10


def decimals_of(values: Floats) -> int:
    """Tell how many digits after the point are worth keeping."""
    known = np.abs(values[np.isfinite(values)])
    largest = float(known.max(initial=0.0))
    if largest == 0:
        return 0
    most = min(max(PLACES - 1 - math.floor(math.log10(largest)), 2), MOST_DECIMALS)
    return next((n for n in range(most) if np.allclose(known, known.round(n), rtol=0, atol=1e-9)), most)


def packed_series(values: Floats, decimals: int | None = None) -> Json:
    """Pack values as differences, the first from 0; what is not a number is null and skipped."""
    places = decimals_of(values) if decimals is None else decimals
    known = np.isfinite(values)
    steps = np.full(len(values), None, dtype=object)
    steps[known] = np.diff(_scaled(values[known], places), prepend=0).tolist()
    return {"decimals": places, "steps": steps.tolist()}


def packed_times(seconds: Integers) -> list[int]:
    """Pack ascending instants: the first, then pairs of a difference and how often it comes."""
    if len(seconds) == 0:
        return []
    steps = np.diff(seconds)
    begins = np.flatnonzero(np.diff(steps, prepend=steps[:1] - 1)) if len(steps) else np.empty(0, np.int64)
    counts = np.diff(begins, append=len(steps))
    pairs = np.column_stack((steps[begins], counts)).ravel()
    return [int(seconds[0]), *pairs.tolist()]


def packed_candles(columns: dict[str, Column]) -> Json:
    """Pack prices: the open from the last close, the close from the open, high and low from the body."""
    places = max(decimals_of(columns[name]) for name in ("open", "high", "low", "close"))
    opened, high, low, close = (_scaled(columns[name], places) for name in ("open", "high", "low", "close"))
    return {
        "decimals": places,
        "open": (opened - np.concatenate(([0], close[:-1]))).tolist() if len(close) else [],
        "close": (close - opened).tolist(),
        "high": (high - np.maximum(opened, close)).tolist(),
        "low": (np.minimum(opened, close) - low).tolist(),
        "volume": _whole(columns["volume"]),
    }


def _scaled(values: Floats, places: int) -> Integers:
    scaled: Integers = np.rint(values * 10.0**places).astype(np.int64)
    return scaled


def _whole(volume: npt.NDArray[np.float64]) -> list[float]:
    """Write volumes as whole numbers where they are, or else with four digits."""
    if np.array_equal(volume, np.rint(volume)):
        return [int(value) for value in volume]
    return [float(f"{value:.4g}") for value in volume]
