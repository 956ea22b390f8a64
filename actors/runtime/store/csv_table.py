"""Read a text file of columns, block by block, with the line that each row stands on."""

import csv
import gzip
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pv

from actors.domain.errors import DataError
from actors.runtime.store.bar_file import Arrow, joined

BLOCK_BYTES: Final = 2 * 2**20
_MAX_HEADER_BYTES: Final = 2**20
_NEWLINE: Final = ord("\n")
_RETURN: Final = ord("\r")
_UNFIT: Final = {
    b"\x1f\x8b": "",
    b"PK\x03\x04": "is a zip archive; unpack it",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; unpack it",
    b"PAR1": "is a Parquet file, not text; choose the format it is of",
}
"""How files begin that are not text; gzip is read."""
_LINE_ENDS: Final = "its lines do not all end in LF or CR LF; save it again with one row on each line"
_DELIMITERS: Final = ",;\t|"


class OddLine(NamedTuple):
    """A line that has not as many fields as the header."""

    line: int
    fields: int


class CsvBlock(NamedTuple):
    """Some consecutive rows; columns of shape (n,)."""

    texts: dict[str, list[str]]
    numbers: dict[str, npt.NDArray[np.float64]]
    """NaN where there is no number."""
    lines: npt.NDArray[np.int64]
    """The line of each row; the first of the file is 1."""
    odd: tuple[OddLine, ...]
    """Lines that are no rows, and not in the columns."""
    source: "Lines"


class Lines:
    """The text of a block, by line."""

    def __init__(self, data: bytes, first: int) -> None:
        """Keep the block; `first` is the number of its first line."""
        self.data = data
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
        self._ends = ends if data.endswith(b"\n") else np.append(ends, len(data))
        self.first: Final = first

    def __len__(self) -> int:
        return len(self._ends)

    def text(self, line: int) -> str:
        """Give a line without its end."""
        place = line - self.first
        start = int(self._ends[place - 1]) + 1 if place else 0
        return self.data[start : int(self._ends[place])].decode(errors="replace").rstrip("\r")

    def filled(self) -> npt.NDArray[np.int64]:
        """Give the numbers of the lines that are not empty."""
        lengths = np.diff(self._ends, prepend=-1) - 1
        before = np.frombuffer(self.data, np.uint8)[np.maximum(self._ends - 1, 0)]
        empty = (lengths == 0) | ((lengths == 1) & (before == _RETURN))
        return np.add(np.flatnonzero(~empty), self.first, dtype=np.int64)


class CsvTable:
    """A text file whose first line names its columns. A file packed by gzip is unpacked on the way."""

    def __init__(self, path: Path, block_bytes: int = BLOCK_BYTES) -> None:
        """Read the first line.

        Raises DataError where the file cannot be read or is no text.
        """
        self._path = path
        self._block_bytes = block_bytes
        with self._opened() as file:
            self._header = file.readline(_MAX_HEADER_BYTES)
        text = self._header_text()
        self._delimiter = max(_DELIMITERS, key=text.count)
        self.names: Final = tuple(
            name.strip() for name in next(csv.reader([text], delimiter=self._delimiter))
        )
        """The columns, in order, as they are written."""

    def blocks(self, texts: Sequence[str], numbers: Sequence[str]) -> Iterator[CsvBlock]:
        """Read these columns, some as texts and some as numbers.

        Raises DataError where the file cannot be read.
        """
        for lines in self._lines():
            if len(lines.filled()):
                yield self._block(lines, texts, numbers)

    def _header_text(self) -> str:
        if not self._header.strip():
            raise DataError(
                f"{self._path}: has no first line; export it again, with the names of its columns"
            )
        if b"\0" in self._header:
            raise DataError(
                f"{self._path}: is not a text file; choose the format it is of, or save it as UTF-8"
            )
        text = self._header.decode("utf-8-sig", errors="replace").strip("\r\n")
        if "\r" in text:
            raise DataError(f"{self._path}: {_LINE_ENDS}")
        return text

    def _lines(self) -> Iterator[Lines]:
        first = 2
        with self._opened() as file:
            file.readline(_MAX_HEADER_BYTES)
            while data := file.read(self._block_bytes):
                lines = Lines(data + file.readline(), first)
                yield lines
                first += len(lines)

    def _block(self, lines: Lines, texts: Sequence[str], numbers: Sequence[str]) -> CsvBlock:
        try:
            table, odd = self._parsed(lines.data, texts, numbers, pa.float64())
            found = {name: _floats(table[name]) for name in numbers}
        except pa.ArrowInvalid:
            table, odd = self._spelt(lines, texts, numbers)
            found = {name: np.array([_number(text) for text in _texts(table[name])]) for name in numbers}
        filled = lines.filled()
        if len(filled) != table.num_rows + len(odd):
            raise DataError(f"{self._path}: {_LINE_ENDS} (after line {lines.first})")
        places = np.array([place for place, _ in odd], dtype=np.intp)
        return CsvBlock(
            texts={name: _texts(table[name]) for name in texts},
            numbers=found,
            lines=np.delete(filled, places),
            odd=tuple(OddLine(int(filled[place]), fields) for place, fields in odd),
            source=lines,
        )

    def _spelt(
        self, lines: Lines, texts: Sequence[str], numbers: Sequence[str]
    ) -> tuple[Arrow, list[tuple[int, int]]]:
        """Read a block in which something is no number: all columns as texts."""
        try:
            return self._parsed(lines.data, texts, numbers, pa.string())
        except pa.ArrowInvalid as error:
            raise DataError(f"{self._path}: is no table of text ({error}); export it again") from error

    def _parsed(
        self, data: bytes, texts: Sequence[str], numbers: Sequence[str], kind: Arrow
    ) -> tuple[Arrow, list[tuple[int, int]]]:
        """Give the table, and place and fields of each row that does not fit it."""
        odd: list[tuple[int, int]] = []

        def skip(row: Arrow) -> str:
            odd.append((row.number - 1, row.actual_columns))
            return "skip"

        names = [f"{place}:{name}" for place, name in enumerate(self.names)]
        place = {name: names[self.names.index(name)] for name in (*texts, *numbers)}
        types = {place[name]: pa.string() for name in texts} | {place[name]: kind for name in numbers}
        table = pv.read_csv(
            pa.BufferReader(data),
            read_options=pv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
            parse_options=pv.ParseOptions(delimiter=self._delimiter, invalid_row_handler=skip),
            convert_options=pv.ConvertOptions(
                check_utf8=False,
                column_types=types,
                include_columns=list(types),
                null_values=[""],
                strings_can_be_null=False,
            ),
        )
        return table.rename_columns([*place]), odd

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with self._path.open("rb") as file:
                start = file.peek(4)[:4]
                unfit = next((reason for magic, reason in _UNFIT.items() if start.startswith(magic)), None)
                if unfit:
                    raise DataError(f"{self._path}: {unfit}")
                yield cast("BinaryIO", gzip.GzipFile(fileobj=file)) if unfit == "" else file
        except (OSError, EOFError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"{self._path}: cannot be read ({reason}); check the file's name and rights"
            ) from error


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan


def _floats(column: Arrow) -> npt.NDArray[np.float64]:
    """Copy a column; NaN where it has no value."""
    return joined([_chunk_floats(chunk) for chunk in column.chunks if len(chunk)], np.float64)


def _chunk_floats(chunk: Arrow) -> npt.NDArray[np.float64]:
    validity, data = chunk.buffers()
    values = np.frombuffer(data, np.float64, count=len(chunk), offset=chunk.offset * 8)
    if validity is None or not chunk.null_count:
        return values
    bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
    present = bits[chunk.offset : chunk.offset + len(chunk)].astype(np.bool_)
    return np.where(present, values, math.nan)


def _texts(column: Arrow) -> list[str]:
    """Copy a column of texts; five times as fast as pyarrow's own `to_pylist`."""
    return [text for chunk in column.chunks if len(chunk) for text in _chunk_texts(chunk)]


def _chunk_texts(chunk: Arrow) -> list[str]:
    _, offsets, data = chunk.buffers()
    ends = np.frombuffer(offsets, np.int32, count=len(chunk) + 1, offset=chunk.offset * 4).tolist()
    whole = b"" if data is None else data.to_pybytes()
    if whole.isascii():
        text = whole.decode()
        return [text[start:end].strip() for start, end in pairwise(ends)]
    return [whole[start:end].decode(errors="replace").strip() for start, end in pairwise(ends)]
