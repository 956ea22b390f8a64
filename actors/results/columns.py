"""A run's tables as numpy columns."""

from typing import Any

import numpy as np

Column = np.ndarray[Any, Any]
Columns = dict[str, Column]


def columns_of(table: Any) -> Columns:  # noqa: ANN401  a pyarrow.Table, which has no types
    """Take the columns as numpy arrays; instants as int64 ns UTC."""
    found = {name: table[name].combine_chunks().to_numpy(zero_copy_only=False) for name in table.column_names}
    return {
        name: values.astype(np.int64) if name.endswith("_ts") else values for name, values in found.items()
    }
