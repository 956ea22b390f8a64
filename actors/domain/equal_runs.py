"""Runs of equal values next to each other: what `np.unique` finds in a sorted array, for a tenth."""

from typing import Any

import numpy as np
import numpy.typing as npt


def run_starts(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Give where each run of equal values begins; an array of integers, shape (n,), need not be sorted."""
    changes = np.empty(len(values), dtype=np.bool_)
    changes[:1] = True
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return np.flatnonzero(changes)
