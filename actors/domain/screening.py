"""Sort stored rows into the bars that are delivered and the defects that are reported.

Of the rows with one open stamp the last valid one in file order is delivered. A row whose prices cannot be, that
lies off the grid or outside the session is rejected. Every such row, and every row that another one
replaced, is a defect with its place in storage.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from protocol.blocks import Bars
from protocol.messages import Defect

Mask = npt.NDArray[np.bool_]
PRICES = ("open", "high", "low", "close")


class StoredRows(NamedTuple):
    """Rows of one stream as they stand in storage, in file order; all columns of shape (n,)."""

    open_ts: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[np.float64]]
    """`open high low close volume`."""
    files: npt.NDArray[np.object_]
    """The name of the file each row is from."""
    rows: npt.NDArray[np.int64]
    """Its zero-based row there."""


class Screened(NamedTuple):
    """What one stream delivers in one session."""

    bars: Bars
    defects: tuple[Defect, ...]
