"""Make pyarrow tell which Parquet files it opens, which it does in C++ and raises no audit event for."""

import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

import pyarrow.dataset
import pyarrow.parquet as pq

PARQUET_READ: Final = "sessionflow.parquet"
"""The audit event; its argument is a path of a file or of a folder."""


def audit_parquet_reads() -> None:
    """Raise `PARQUET_READ` for whatever pyarrow, and pandas through it, reads from now on in this process."""
    for reader in (pq.ParquetFile, pq.ParquetDataset):
        reader.__init__ = _audited_method(reader.__init__)
    pyarrow.dataset.dataset = _audited(pyarrow.dataset.dataset)


def _audited_method(method: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(method)
    def wrapper(self: object, source: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  pyarrow's own
        _tell(source)
        method(self, source, *args, **kwargs)

    return wrapper


def _audited(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(source: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  likewise
        _tell(source)
        return function(source, *args, **kwargs)

    return wrapper


def _tell(source: object) -> None:
    """Tell of a path or of several; what is an open file has been told of before."""
    if isinstance(source, str | bytes | os.PathLike):
        sys.audit(PARQUET_READ, os.fspath(source))
    elif isinstance(source, Iterable) and isinstance(source, list | tuple | set):
        for one in source:
            _tell(one)
