"""Exactly those bars are rebuilt that are missing and whose finer bars are all there and valid."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.adjustments import PriceScale
from actors.domain.gap_filling import GapFiller, gap_source
from actors.domain.grid import expected_closes
from actors.domain.intervals import STORED_INTERVALS, Interval
from actors.domain.quality_ledger import Appraisal, GridLedger, Steps
from actors.domain.screening import StoredRows, screen
from actors.domain.session_plan import Adjustment, Hours, Session, Stream
from protocol.blocks import BarFlag, Bars

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 1440 * MINUTE
OPEN: Final = 1_751_463_000 * SECOND
NAMES: Final = ("open", "high", "low", "close", "volume")
PAIRS: Final = (("1m", "1s"), ("5m", "1m"), ("1h", "5m"), ("1d", "1m"), ("1d", "1h"))
LENGTHS: Final = {"1s": SECOND, "1m": MINUTE, "5m": 5 * MINUTE, "1h": 60 * MINUTE, "1d": DAY}
SHAPES: Final = {"1s": ((0, 5), (7, 10)), "1m": ((0, 17),), "5m": ((0, 150), (180, 295)), "1h": ((0, 390),)}
"""Minutes of the parts of a session that is replayed from this finer interval."""


class Row(NamedTuple):
    open_ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def is_valid(self) -> bool:
        return self.low <= min(self.open, self.close) and max(self.open, self.close) <= self.high


class Slot(NamedTuple):
    """A place for a bar; `cut` where the part's close comes before the bar's own."""

    open_ts: int
    close_ts: int
    cut: bool


@dataclass
class Storage:
    """Rows by interval, in file order; notes what was read."""

    stored: dict[str, list[Row]]
    reads: list[tuple[str, int, int]] = field(default_factory=list)

    def read(self, _symbol: str, interval: str, start_ns: int, end_ns: int) -> StoredRows:
        self.reads.append((interval, start_ns, end_ns))
        rows = [row for row in self.stored[interval] if start_ns <= row.open_ts < end_ns]
        columns = {name: np.array([getattr(row, name) for row in rows]) for name in NAMES}
        stamps = np.array([row.open_ts for row in rows], dtype=np.int64)
        return StoredRows(stamps, columns, np.arange(len(rows)), (("part-0.parquet", len(rows)),))

    def open_stamps(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> npt.NDArray[np.int64]:
        return self.read(symbol, interval, start_ns, end_ns).open_ts

    def stored_intervals(self, _symbol: str) -> tuple[str, ...]:
        return tuple(self.stored)

    def symbols(self) -> tuple[str, ...]:
        return ("A",)


def session_of(finer: str, day: int = 0) -> Session:
    start = OPEN + day * DAY
    parts = tuple(Hours(start + first * MINUTE, start + last * MINUTE) for first, last in SHAPES[finer])
    return Session(day, f"day {day}", "full", start, parts[-1].close_ns, parts, start - MINUTE)


def slots_of(session: Session, interval: str) -> list[Slot]:
    if interval == "1d":
        return [Slot(session.open_ns, session.close_ns, cut=False)]
    length = LENGTHS[interval]
    return [
        Slot(start, min(start + length, part.close_ns), start + length > part.close_ns)
        for part in session.parts
        for start in range(part.open_ns, part.close_ns, length)
    ]


def row_at(open_ts: int, rng: np.random.Generator, *, valid: bool = True) -> Row:
    open_, close = (float(price) for price in rng.integers(9_000, 11_000, 2) / 100)
    high, low = max(open_, close) + 0.25, min(open_, close) - 0.25
    volume = float(rng.integers(1, 1000)) / 8
    return Row(open_ts, open_, high if valid else low, low if valid else high, close, volume)


def random_rows(slots: list[Slot], rng: np.random.Generator, hole: float, bad: float) -> list[Row]:
    """Leave some out, spoil some, and store some twice, the second time with other values."""
    rows = [row_at(slot.open_ts, rng, valid=rng.random() >= bad) for slot in slots if rng.random() >= hole]
    twice = [row_at(row.open_ts, rng, valid=rng.random() >= 0.5) for row in rows if rng.random() < bad]
    strays = [row_at(slots[0].open_ts + 1, rng)] if rng.random() < bad else []
    return rows + twice + strays


def rebuilt_by_hand(rows: list[Row], session: Session, slot: Slot, finer: str) -> tuple[float, ...] | None:
    """Add up the finer bars of a slot, or give None where one of them has no valid row."""
    members: list[Row] = []
    for place in slots_of(session, finer):
        if slot.open_ts <= place.open_ts < slot.close_ts:
            valid = [row for row in rows if row.open_ts == place.open_ts and row.is_valid]
            if not valid:
                return None
            members.append(valid[-1])
    volume = 0.0
    for member in members:
        volume += member.volume
    high, low = max(member.high for member in members), min(member.low for member in members)
    return members[0].open, high, low, members[-1].close, volume


def stream_of(interval: str, finer: str) -> Stream:
    return Stream(3, "A", interval, "STREAMED", "stored", filled_from=finer)


def stored_bars(storage: Storage, session: Session, interval: str) -> Bars:
    rows = storage.read("A", interval, session.previous_close_ns, session.close_ns)
    return screen(rows, 3, session, Interval.parse(interval), 2.0).bars


def appraised(session: Session, interval: str, bars: Bars) -> Appraisal:
    parsed = Interval.parse(interval)
    ledger = GridLedger(parsed, [3])
    ledger.start_session(session)
    return ledger.appraise(Steps(expected_closes(session, parsed), True, bars, ()))


shares = st.sampled_from([0.0, 0.01, 0.1, 0.5])


@settings(max_examples=80)
@given(st.sampled_from(PAIRS), st.integers(0, 2**32), shares, shares, st.sampled_from([0.1, 0.6, 1.0]))
def test_what_is_missing_and_complete_in_finer_bars_is_rebuilt_and_nothing_else(
    pair: tuple[str, str], seed: int, hole: float, bad: float, missing: float
) -> None:
    interval, finer = pair
    session, rng = session_of(finer), np.random.default_rng(seed)
    slots = slots_of(session, interval)
    storage = Storage(
        {
            finer: random_rows(slots_of(session, finer), rng, hole, bad),
            interval: [row_at(slot.open_ts, rng) for slot in slots if rng.random() >= missing],
        }
    )
    bars = stored_bars(storage, session, interval)
    filled = GapFiller(storage, stream_of(interval, finer)).fill(session, bars)

    there = {row.open_ts: tuple(row[1:]) for row in storage.stored[interval]}
    expected = []
    for slot in slots:
        values = there.get(slot.open_ts) or rebuilt_by_hand(storage.stored[finer], session, slot, finer)
        if values is not None:
            flags = BarFlag.CLIPPED * slot.cut | BarFlag.FILLED * (slot.open_ts not in there)
            expected.append((3, int(flags), 1, 1, slot.open_ts, slot.close_ts, *values))
    fields = ("stream", "flags", "n_base", "n_expected", "open_ts", "close_ts", *NAMES)
    assert list(zip(*(filled[name].tolist() for name in fields), strict=True)) == expected


@settings(max_examples=40)
@given(st.sampled_from(PAIRS[:3]), st.integers(0, 2**32), shares)
def test_score_and_gaps_are_those_of_the_stored_bars(pair: tuple[str, str], seed: int, hole: float) -> None:
    interval, finer = pair
    session, rng = session_of(finer), np.random.default_rng(seed)
    rows = [row_at(slot.open_ts, rng) for slot in slots_of(session, interval) if rng.random() < 0.5]
    storage = Storage({finer: random_rows(slots_of(session, finer), rng, hole, 0.0), interval: rows})
    bars = stored_bars(storage, session, interval)
    filled = GapFiller(storage, stream_of(interval, finer)).fill(session, bars)
    before, after = appraised(session, interval, bars), appraised(session, interval, filled)
    assert after.records.tobytes() == before.records.tobytes()
    assert after.gaps == before.gaps


@settings(max_examples=20)
@given(st.permutations(range(4)), st.integers(0, 2**32))
def test_a_session_is_filled_the_same_whatever_was_filled_before_it(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    sessions = [session_of("1m", day) for day in range(4)]
    rows = [random_rows(slots_of(session, "1m"), rng, 0.05, 0.0) for session in sessions]
    storage = Storage({"1m": list(chain.from_iterable(rows)), "5m": []})
    filler = GapFiller(storage, stream_of("5m", "1m"))
    nothing = stored_bars(storage, sessions[0], "5m")
    found = {day: filler.fill(sessions[day], nothing).tobytes() for day in order}
    alone = [GapFiller(storage, stream_of("5m", "1m")).fill(session, nothing) for session in sessions]
    assert [found[day] for day in range(4)] == [bars.tobytes() for bars in alone]


def test_the_finer_interval_is_read_only_where_bars_are_missing_and_from_the_first_to_the_last() -> None:
    session, rng = session_of("1m"), np.random.default_rng(1)
    slots = slots_of(session, "5m")
    storage = Storage({"1m": [], "5m": [row_at(slot.open_ts, rng) for slot in slots]})
    filler = GapFiller(storage, stream_of("5m", "1m"))
    whole = stored_bars(storage, session, "5m")
    storage.reads.clear()
    assert filler.fill(session, whole) is whole
    assert storage.reads == []
    filler.fill(session, whole[[0, 3]])
    assert storage.reads == [("1m", slots[1].open_ts, slots[2].close_ts)]


def test_a_row_that_cannot_be_is_replaced_by_the_bar_that_is_rebuilt() -> None:
    session, rng = session_of("1m"), np.random.default_rng(2)
    minutes = [row_at(slot.open_ts, rng) for slot in slots_of(session, "1m")]
    spoilt = [row_at(slot.open_ts, rng, valid=slot.cut) for slot in slots_of(session, "5m")]
    storage = Storage({"1m": minutes, "5m": spoilt})
    bars = stored_bars(storage, session, "5m")
    filled = GapFiller(storage, stream_of("5m", "1m")).fill(session, bars)
    assert len(bars) == 1
    assert filled["flags"].tolist() == [BarFlag.FILLED] * 3 + [BarFlag.CLIPPED]
    assert filled["close"][:3].tolist() == [minutes[at].close for at in (4, 9, 14)]


def test_rebuilt_bars_stand_on_the_scale_of_a_split_like_the_stored_ones() -> None:
    session, rng = session_of("1m"), np.random.default_rng(3)
    storage = Storage({"1m": [row_at(slot.open_ts, rng) for slot in slots_of(session, "1m")], "5m": []})
    nothing = stored_bars(storage, session, "5m")
    raw = GapFiller(storage, stream_of("5m", "1m")).fill(session, nothing)
    scale = PriceScale([Adjustment("A", f"{session.date} and later", 4.0, 0.0, 0.25, 4.0)])
    scaled = GapFiller(storage, stream_of("5m", "1m"), scale).fill(session, nothing)
    assert scaled["close"].tolist() == [close / 4 for close in raw["close"].tolist()]
    assert scaled["volume"].tolist() == [volume * 4 for volume in raw["volume"].tolist()]


@pytest.mark.parametrize(
    ("interval", "stored", "source"),
    [
        ("1m", "1s 1m 5m", "1s"),
        ("5m", "1s 1m 5m 1d", "1m"),
        ("5m", "1s 5m", "1s"),
        ("1h", "1s 5m 1h", "5m"),
        ("1d", "1s 1m 1h 1d", "1h"),
        ("1d", "1s 1d", "1s"),
        ("1m", "1m 5m 1d", None),
        ("1s", "1s 1m", None),
    ],
)
def test_the_source_is_the_largest_interval_that_is_finer(
    interval: str, stored: str, source: str | None
) -> None:
    found = gap_source(Interval.parse(interval), tuple(map(Interval.parse, stored.split())))
    assert found == (None if source is None else Interval.parse(source))


@given(st.sampled_from(STORED_INTERVALS), st.lists(st.sampled_from(STORED_INTERVALS), unique=True))
def test_a_source_divides_what_it_fills(interval: str, stored: list[str]) -> None:
    finer = [text for text in stored if LENGTHS[text] < LENGTHS[interval]]
    found = gap_source(Interval.parse(interval), tuple(map(Interval.parse, stored)))
    assert str(found) == str(max(finer, key=LENGTHS.__getitem__, default=None))
    assert found is None or LENGTHS[interval] % found.length_ns == 0
