"""Tell whether files are still what they were, without reading all of them."""

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from actors.domain.errors import DataError
from actors.runtime.store import layout

_TAIL: Final = 8
"""The last bytes of a Parquet file: the length of its footer, and `PAR1`."""
_MAX_FOOTER: Final = 2**28


class Fingerprint(msgspec.Struct, frozen=True):
    """What a file was."""

    path: str
    """Relative to the folder that it was looked for in, with slashes."""
    bytes: int
    """Its size."""
    sha256: str
    """Of the whole file, or of the footer of a Parquet file, which has every column's statistics."""


def file_print(path: Path) -> Fingerprint:
    """Read a small file as a whole.

    Raises DataError.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return Fingerprint(path.name, len(content), hashlib.sha256(content).hexdigest())


def bar_prints(
    catalog: Path, symbol: str, interval: str, start_ns: int, end_ns: int
) -> tuple[Fingerprint, ...]:
    """Read the footers of the files that may hold bars of a stream in `[start_ns, end_ns)`.

    Raises DataError.
    """
    files = layout.year_files(layout.stream_folder(catalog, symbol, interval))
    return tuple(
        _footer_print(file.path, file.path.relative_to(catalog).as_posix())
        for file in files
        if file.start_ns < end_ns and file.end_ns > start_ns
    )


def _footer_print(path: Path, name: str) -> Fingerprint:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            length = int.from_bytes(file.read(4), "little")
            file.seek(max(0, size - _TAIL - min(length, _MAX_FOOTER)))
            footer = file.read()
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror})") from error
    return Fingerprint(name, size, hashlib.sha256(footer).hexdigest())
