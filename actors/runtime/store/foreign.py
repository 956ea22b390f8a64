"""Tables that other programs wrote as Parquet or Arrow (Feather) files, read in pieces; zstd files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from actors.domain.errors import DataError
from actors.runtime.store.bar_file import Arrow

PIECE_ROWS: Final = 65_536
Kind = Literal["float", "integer", "bytes", "decimal", "instant", "text", "other"]
_PARQUET_MAGIC: Final = b"PAR1"
_ARROW_MAGIC: Final = b"ARROW1"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_TICK_NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


class ForeignColumn(NamedTuple):
    """Values of one column, n of them."""

    kind: Kind
    stored_as: str
    """Its type in Arrow's words."""
    values: npt.NDArray[Any]
    """Shape (n,): numbers as stored, instants as int64 ns, texts as objects; shape (n, width) of uint8 for
    bytes, and for decimals, whose little-endian integers they are. Meaningless where missing."""
    missing: npt.NDArray[np.bool_]
    scale: int = 0
    """Digits behind the point of a decimal."""
    timezone: str | None = None
    """Zone of instants; None where the file names none."""


class ForeignTable:
    """An open Parquet or Arrow file. Errors name it."""

    def __init__(self, path: Path, schema: Arrow, batches: Callable[[list[str]], Iterator[Arrow]]) -> None:
        """Take the schema and a way to read batches of some columns."""
        self._path = path
        self._schema = schema
        self._batches = batches
        self.names: tuple[str, ...] = tuple(schema.names)
        self.metadata: dict[str, str] = {
            key.decode(errors="replace"): value.decode(errors="replace")
            for key, value in (schema.metadata or {}).items()
        }

    def pieces(self, names: tuple[str, ...]) -> Iterator[dict[str, ForeignColumn]]:
        """Read these columns, some rows at a time.

        Raises DataError where one is not there or the file is damaged.
        """
        for name in names:
            if name not in self.names:
                found = ", ".join(self.names)
                raise DataError(
                    f"{self._path}: has no column '{name}'; it needs {', '.join(names)}, has {found}"
                )
        with _guard(self._path):
            for batch in self._batches(list(names)):
                yield {name: _column(batch.column(name)) for name in names}


@contextmanager
def foreign_table(path: Path) -> Iterator[ForeignTable]:
    """Open a Parquet or Arrow file, whichever its first bytes say it is.

    Raises DataError where it is neither or damaged.
    """
    with _guard(path), path.open("rb") as file:
        magic = file.read(len(_ARROW_MAGIC))
        if magic.startswith(_PARQUET_MAGIC):
            yield _parquet_table(path, file)
        elif magic == _ARROW_MAGIC:
            yield _arrow_table(path, file)
        else:
            raise DataError(f"{path}: is no Parquet or Feather file (V2); name one, or the format it has")


@contextmanager
def foreign_bytes(path: Path) -> Iterator[BufferedReader]:
    """Open a file of bytes, taking zstd compression off where there is any.

    Raises DataError where it cannot be read, also while it is read.
    """
    with _guard(path), path.open("rb") as file:
        magic = file.read(len(_ZSTD_MAGIC))
        file.seek(0)
        yield BufferedReader(pa.CompressedInputStream(file, "zstd")) if magic == _ZSTD_MAGIC else file


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    """Say what to do where a file cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
        raise DataError(f"{path}: cannot be read ({reason}); copy it again from its source") from error


def _parquet_table(path: Path, file: BinaryIO) -> ForeignTable:
    source = pq.ParquetFile(file)
    return ForeignTable(
        path,
        source.schema_arrow,
        lambda names: source.iter_batches(PIECE_ROWS, columns=names, use_threads=False),
    )


def _arrow_table(path: Path, file: BinaryIO) -> ForeignTable:
    source = pa.ipc.open_file(file)
    return ForeignTable(
        path,
        source.schema,
        lambda names: (source.get_batch(index).select(names) for index in range(source.num_record_batches)),
    )


def _column(array: Arrow) -> ForeignColumn:
    missing = np.array(array.is_null().to_pylist() if array.null_count else [False] * len(array), dtype=bool)
    kind = _kind(array.type)
    return ForeignColumn(
        kind,
        str(array.type),
        _READERS[kind](array),
        missing,
        scale=array.type.scale if kind == "decimal" else 0,
        timezone=array.type.tz if kind == "instant" else None,
    )


def _kind(stored: Arrow) -> Kind:
    checks: tuple[tuple[Callable[[Arrow], bool], Kind], ...] = (
        (pa.types.is_floating, "float"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_fixed_size_binary, "bytes"),
        (pa.types.is_decimal128, "decimal"),
        (pa.types.is_timestamp, "instant"),
        (_is_text, "text"),
    )
    return next((kind for check, kind in checks if check(stored)), "other")


def _is_text(stored: Arrow) -> bool:
    plain = stored.value_type if pa.types.is_dictionary(stored) else stored
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _numbers(array: Arrow) -> npt.NDArray[Any]:
    """View numbers; pyarrow's own `to_numpy` imports pandas where that is installed."""
    kind = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(
        array.buffers()[1] or b"", kind, count=len(array), offset=array.offset * kind.itemsize
    )


def _instants(array: Arrow) -> npt.NDArray[np.int64]:
    ticks = np.frombuffer(array.buffers()[1] or b"", np.int64, count=len(array), offset=array.offset * 8)
    return ticks * _TICK_NS[array.type.unit]


def _bytes(array: Arrow) -> npt.NDArray[np.uint8]:
    width = array.type.byte_width
    size, offset = len(array) * width, array.offset * width
    return np.frombuffer(array.buffers()[1] or b"", np.uint8, count=size, offset=offset).reshape(-1, width)


def _objects(array: Arrow) -> npt.NDArray[np.object_]:
    return np.array(array.to_pylist(), dtype=object)


_READERS: Final[dict[Kind, Callable[[Arrow], npt.NDArray[Any]]]] = {
    "float": _numbers,
    "integer": _numbers,
    "bytes": _bytes,
    "decimal": _bytes,
    "instant": _instants,
    "text": _objects,
    "other": _objects,
}
