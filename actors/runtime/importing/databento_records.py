"""Databento's ohlcv records in columns, whichever file they come from."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.runtime.importing.source import RowFault

Integers = npt.NDArray[np.int64]
PRICE_SCALE: Final = 10**9
"""Whole prices count 10^-9."""
UNDEFINED_PRICE: Final = 2**63 - 1
"""The whole price that says that there is none."""


class BarRecords(NamedTuple):
    """Some records in file order; arrays of shape (n,)."""

    rtype: Integers
    """The kind of record: 32 to 35 are bars of 1s, 1m, 1h, 1d."""
    publisher: Integers
    instrument: Integers
    symbols: npt.NDArray[np.object_]
    """None where the file does not say."""
    stamps: Integers
    """`ts_event`, ns UTC."""
    columns: dict[str, npt.NDArray[np.float64]]
    rows: Integers
    faults: tuple[RowFault, ...] = ()
    content: Callable[[int], str] | None = None

    def where(self, chosen: npt.NDArray[np.bool_]) -> "BarRecords":
        """Keep some of the records."""
        return self._replace(
            rtype=self.rtype[chosen],
            publisher=self.publisher[chosen],
            instrument=self.instrument[chosen],
            symbols=self.symbols[chosen],
            stamps=self.stamps[chosen],
            columns={name: column[chosen] for name, column in self.columns.items()},
            rows=self.rows[chosen],
        )
