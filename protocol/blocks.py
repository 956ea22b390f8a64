"""Packed little-endian records: many bars in one bytes field, one numpy view in the process.

A block of `n` records is `n * itemsize` bytes without padding. `as_bars` and `as_quality` give a read-only
view without a copy; `bar_block` and `quality_block` turn an array back into a block.
"""

from collections.abc import Sequence
from enum import IntFlag
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Bars = npt.NDArray[np.void]
"""A structured array of `BAR_DTYPE`, one row per bar."""

BAR_DTYPE: Final = np.dtype(
    [
        ("stream", "<u2"),
        ("flags", "<u2"),
        ("n_base", "<u4"),
        ("n_expected", "<u4"),
        ("open_ts", "<i8"),
        ("close_ts", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
    ]
)
"""One bar: 68 bytes. `n_base` of `n_expected` base bars went into it; both are 1 for a base bar."""

QUALITY_DTYPE: Final = np.dtype(
    [
        ("stream", "<u2"),
        ("event_ts", "<i8"),
        ("expected", "<u4"),
        ("received", "<u4"),
        ("missing", "<u4"),
        ("duplicate_same", "<u4"),
        ("duplicate_conflict", "<u4"),
        ("out_of_order", "<u4"),
        ("off_grid", "<u4"),
        ("outside_session", "<u4"),
        ("bad_ohlc", "<u4"),
        ("jump", "<u4"),
    ]
)
"""The counters of one stream as of one step, from the session's start. 50 bytes.

A record is sent when a counter other than `expected` and `received` has changed, and at the session's
last step; in between, `expected` grows by one with every step of the stream's grid and `missing` stays.
"""

DEFECT_KINDS: Final = (
    "duplicate_same",
    "duplicate_conflict",
    "out_of_order",
    "off_grid",
    "outside_session",
    "bad_ohlc",
    "jump",
)
"""The defect names, in the order of their columns in `QUALITY_DTYPE`."""


class BarFlag(IntFlag):
    """What a reader should know about a bar besides its prices."""

    PARTIAL = 1
    """Fewer base bars than expected went into it."""
    CLIPPED = 2
    """The session's close, or a break, cut its bin short."""
    GAP = 4
    """A base bar is missing between two that are there."""
    FILLED = 8
    """Rebuilt from a finer interval; counts as missing in the score."""


class Block(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """`n` packed records. The layout is fixed by the field that holds the block, never by the sender."""

    n: int
    records: bytes


class BarBlock(Block, frozen=True):
    """A block of `BAR_DTYPE` records."""

    def __post_init__(self) -> None:
        """Refuse a length that does not match `n`."""
        check_length(self, BAR_DTYPE.itemsize)


class QualityBlock(Block, frozen=True):
    """A block of `QUALITY_DTYPE` records."""

    def __post_init__(self) -> None:
        """Refuse a length that does not match `n`."""
        check_length(self, QUALITY_DTYPE.itemsize)


class TimeBlock(Block, frozen=True):
    """A block of little-endian int64 instants, ns UTC."""

    def __post_init__(self) -> None:
        """Refuse a length that does not match `n`."""
        check_length(self, 8)


class FloatBlock(Block, frozen=True):
    """A block of little-endian float64 numbers; NaN where there is none."""

    def __post_init__(self) -> None:
        """Refuse a length that does not match `n`."""
        check_length(self, 8)


def check_length(block: Block, itemsize: int) -> None:
    """Raise ValueError where the bytes are not exactly `n` records."""
    if len(block.records) != block.n * itemsize:
        message = f"{block.n} records of {itemsize} bytes are not {len(block.records)} bytes"
        raise ValueError(message)


def as_bars(block: BarBlock) -> Bars:
    """View a block as a read-only structured array of shape (n,)."""
    return np.frombuffer(block.records, dtype=BAR_DTYPE)


def as_quality(block: QualityBlock) -> npt.NDArray[np.void]:
    """View a block as a read-only structured array of shape (n,)."""
    return np.frombuffer(block.records, dtype=QUALITY_DTYPE)


def as_times(block: TimeBlock) -> npt.NDArray[np.int64]:
    """View a block as read-only int64 ns of shape (n,)."""
    return np.frombuffer(block.records, dtype="<i8")


def only_time(block: TimeBlock) -> int:
    """Read a block of one instant, ns UTC."""
    return int.from_bytes(block.records, "little", signed=True)


def as_floats(block: FloatBlock) -> npt.NDArray[np.float64]:
    """View a block as read-only float64 of shape (n,)."""
    return np.frombuffer(block.records, dtype="<f8")


def bar_block(bars: Bars) -> BarBlock:
    """Pack bars of shape (n,) into a block."""
    return BarBlock(n=len(bars), records=bars.tobytes())


def join_bars(parts: Sequence[Bars]) -> Bars:
    """Put bars one behind the other, read-only: 13 times as fast as `np.concatenate` of packed records."""
    return parts[0] if len(parts) == 1 else np.frombuffer(b"".join(part.data for part in parts), BAR_DTYPE)


def quality_block(rows: npt.NDArray[np.void]) -> QualityBlock:
    """Pack quality rows of shape (n,) into a block."""
    return QualityBlock(n=len(rows), records=rows.tobytes())


def time_block(times_ns: npt.NDArray[np.int64]) -> TimeBlock:
    """Pack instants of shape (n,) into a block."""
    return TimeBlock(n=len(times_ns), records=times_ns.astype("<i8", copy=False).tobytes())


def float_block(values: npt.NDArray[np.float64]) -> FloatBlock:
    """Pack numbers of shape (n,) into a block."""
    return FloatBlock(n=len(values), records=values.astype("<f8", copy=False).tobytes())


NO_BARS: Final = BarBlock(n=0, records=b"")
NO_QUALITY: Final = QualityBlock(n=0, records=b"")
NO_FLOATS: Final = FloatBlock(n=0, records=b"")
