"""Read written times. What a text does not say is not guessed: an offset, a zone, the unit of a count.

1. A text is an ISO date, with or without a time of day, a fraction and an offset; or a count since 1970.
2. A count's unit is the one under which it falls between 1980 and 2100; these ranges do not overlap.
3. A local time that its zone skips is no time. One that comes twice is told by the order of the rows: where
   the local times of such an hour step back exactly once, those before are the earlier ones and the others
   the later ones, which is the only order that ascends. Otherwise nobody can tell.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Instants = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Reasons = dict[int, str]
"""What is wrong with which element."""
COUNT_UNITS_NS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""How long the unit of a count since 1970 may be."""
_EARLIEST_NS: Final = 315_532_800 * 10**9
_LATEST_NS: Final = 4_102_444_800 * 10**9
_TEXT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)"
    r"(?:\.(\d{1,9}))?"
    r"(?: ?(Z|UTC|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?))?"
)
_PLAIN: Final = b"0000-00-00 00:00:00"
"""Zeros stand for digits."""
_COUNT: Final = re.compile(r"(\d{1,19})(?:\.0+)?")
_QUARTER_NS: Final = 900 * 10**9
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  the origin of local times


class WrittenTimes(NamedTuple):
    """Times as they were written; arrays of shape (n,)."""

    stamps: Instants
    """ns since 1970, in UTC where an instant is written, else by the local clock."""
    local: Mask
    """Whether the text names no offset."""
    faults: Reasons
    """Elements without a meaning; their stamp has none either."""


class LocalTimes(NamedTuple):
    """Local times as instants; arrays of shape (n,)."""

    stamps: Instants
    """ns UTC; of an element with a fault without meaning."""
    faults: Reasons


class UnitUnclear(ValueError):
    """A count since 1970 whose unit cannot be told."""

    def __init__(self, count: int) -> None:
        """Keep the count."""
        super().__init__(count)
        self.count = count

    def readings(self) -> tuple[str, ...]:
        """Give what the count would be under each unit."""
        return tuple(f"{unit}: {_moment(self.count * ns)}" for unit, ns in COUNT_UNITS_NS.items())


def written_times(texts: Sequence[str]) -> WrittenTimes:
    """Read a column of texts.

    The first text with a meaning says whether they are counts, and of what. Raises UnitUnclear.
    """
    first = next((text for text in texts if _TEXT.fullmatch(text) or _COUNT.fullmatch(text)), "")
    if _COUNT.fullmatch(first):
        return _counted(texts, _count(first))
    plain = _plain(texts)
    return _spelt(texts) if plain is None else plain


def counted_times(counts: Iterable[int], unit: str) -> Instants:
    """Turn counts of a known unit into ns UTC."""
    return np.fromiter(counts, dtype=np.int64) * COUNT_UNITS_NS[unit]


def unit_of(count: int) -> str:
    """Tell the unit of a count since 1970.

    Raises UnitUnclear.
    """
    for unit, ns in COUNT_UNITS_NS.items():
        if _EARLIEST_NS <= count * ns < _LATEST_NS:
            return unit
    raise UnitUnclear(count)


def _counted(texts: Sequence[str], first: int) -> WrittenTimes:
    unit = unit_of(first)
    counts = [_count(text) * COUNT_UNITS_NS[unit] for text in texts]
    faults = {
        index: f"{texts[index]!r} is no count of {unit} since 1970, as other rows are"
        for index, count in enumerate(counts)
        if not _EARLIEST_NS <= count < _LATEST_NS
    }
    stamps = np.array([0 if index in faults else count for index, count in enumerate(counts)], np.int64)
    return WrittenTimes(stamps, np.zeros(len(texts), dtype=np.bool_), faults)


def _count(text: str) -> int:
    """Read a count; 0, which is long before the first bar, where there is none."""
    match = _COUNT.fullmatch(text)
    return int(match[1]) if match else 0


def _plain(texts: Sequence[str]) -> WrittenTimes | None:
    """Read texts that are all like 2025-07-02 09:30:00, in a tenth of the time; None where one is not."""
    if set(map(len, texts)) != {len(_PLAIN)}:
        return None
    characters = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8).reshape(-1, len(_PLAIN))
    digits = (characters >= ord("0")) & (characters <= ord("9"))
    marks = np.frombuffer(_PLAIN, np.uint8)
    if not bool(np.where(marks == ord("0"), digits, characters == marks).all()):
        return None
    try:
        stamps = _nanoseconds(characters.reshape(-1).view(f"S{len(_PLAIN)}"))
    except ValueError:
        return None
    return WrittenTimes(stamps, np.ones(len(texts), dtype=np.bool_), {})


def _spelt(texts: Sequence[str]) -> WrittenTimes:
    matches = [_TEXT.fullmatch(text) for text in texts]
    faults = {
        index: f"{text!r} is no time; write 2025-07-02 09:30:00, with an offset or without"
        for index, (text, match) in enumerate(zip(texts, matches, strict=True))
        if match is None
    }
    bodies = [match[1] if match else "1970-01-01" for match in matches]
    stamps, impossible = _moments(bodies)
    faults.update(impossible)
    extras = _Extras()
    shifts = np.array([extras.shift_ns(match[2], match[3]) if match else 0 for match in matches], np.int64)
    local = np.array([match is None or match[3] is None for match in matches], dtype=np.bool_)
    return WrittenTimes(stamps + shifts, local, faults)


class _Extras:
    """What fractions and offsets add, each text read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str | None, str | None], int] = {(None, None): 0}

    def shift_ns(self, fraction: str | None, offset: str | None) -> int:
        key = fraction, offset
        if key not in self._known:
            self._known[key] = int((fraction or "").ljust(9, "0")) - _offset_ns(offset)
        return self._known[key]


def _offset_ns(text: str | None) -> int:
    if text in {None, "Z", "UTC"}:
        return 0
    digits = str(text)[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if str(text)[0] == "-" else minutes) * 60 * 10**9


def _moments(bodies: list[str]) -> tuple[Instants, Reasons]:
    """Read dates and times of the right shape, all at once where none is impossible, as 30 February is."""
    try:
        return _nanoseconds(bodies), {}
    except ValueError:
        faults = {index: f"{body!r} is no date" for index, body in enumerate(bodies) if not _exists(body)}
        return _nanoseconds(
            ["1970-01-01" if at in faults else body for at, body in enumerate(bodies)]
        ), faults


def _nanoseconds(bodies: list[str] | npt.NDArray[np.bytes_]) -> Instants:
    seconds = np.array(bodies, dtype="datetime64[s]").astype(np.int64)
    if seconds.size and not (abs(seconds.max()) < 9 * 10**9 and abs(seconds.min()) < 9 * 10**9):
        raise ValueError(bodies)
    return seconds * 10**9


def _exists(body: str) -> bool:
    try:
        _nanoseconds([body])
    except ValueError:
        return False
    return True


def local_times(stamps: Instants, zone: ZoneInfo) -> LocalTimes:
    """Turn local times, in the order of their rows, into instants."""
    quarters, place = np.unique(stamps // _QUARTER_NS, return_inverse=True)
    offsets = np.array([_offsets_ns(int(quarter) * _QUARTER_NS, zone) for quarter in quarters], np.int64)
    offsets = offsets.reshape(-1, 2)
    early, late = stamps - offsets[place, 0], stamps - offsets[place, 1]
    faults = {
        int(index): f"{zone.key} has no {_moment(int(stamps[index]))}: the clock is put forward over it"
        for index in np.flatnonzero(early > late)
    }
    result = early.copy()
    for start, end in _runs(early < late):
        step = _step_back(stamps[start:end])
        if step is None:
            faults.update(
                {at: f"{zone.key} has {_moment(int(stamps[at]))} twice" for at in range(start, end)}
            )
        else:
            result[start + step : end] = late[start + step : end]
    return LocalTimes(result, faults)


def repeated_local_times(stamps: Instants, zone: ZoneInfo) -> Mask:
    """Tell which local times come twice, because the clock is put back over them."""
    quarters, place = np.unique(stamps // _QUARTER_NS, return_inverse=True)
    offsets = [_offsets_ns(int(quarter) * _QUARTER_NS, zone) for quarter in quarters]
    return np.array([earlier > later for earlier, later in offsets], dtype=np.bool_)[place]


def _offsets_ns(local_ns: int, zone: ZoneInfo) -> tuple[int, int]:
    """Give what the local clock is ahead of UTC, at the first and at the second coming of a local time.

    Zones change their clocks on quarters of an hour, so one local time speaks for its quarter. In an hour
    that is skipped the first is the smaller.
    """
    local = _EPOCH + timedelta(seconds=local_ns // 10**9)
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return _whole_ns(first), _whole_ns(second)


def _whole_ns(offset: timedelta | None) -> int:
    return round((offset or timedelta()).total_seconds()) * 10**9


def _runs(mask: Mask) -> list[tuple[int, int]]:
    """Give the stretches of true values, `[start, end)`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _step_back(stamps: Instants) -> int | None:
    """Find where local times start anew; None unless they do so exactly once."""
    steps = np.flatnonzero(np.diff(stamps) <= 0)
    return int(steps[0]) + 1 if len(steps) == 1 else None


def _moment(stamp_ns: int) -> str:
    try:
        return f"{datetime.fromtimestamp(stamp_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "beyond the years of a calendar"
