"""Splits are found once each, wherever the reading starts."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.adjustments import CorporateAction, PriceScale, adjustment_of
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.screening import StoredRows
from actors.domain.session_plan import Hours, Session, Stream
from actors.domain.stream_reading import SessionRows, StreamReader

MINUTE: Final = 60_000_000_000
DAY: Final = 1440 * MINUTE
OPEN: Final = 1_751_463_000_000_000_000
MINUTES: Final = 4
STREAM: Final = Stream(0, "SPLT", "1m", "STREAMED", "test")
SPLIT: Final = 7.0


def session_of(index: int) -> Session:
    hours = Hours(OPEN + index * DAY, OPEN + index * DAY + MINUTES * MINUTE)
    return Session(
        index, f"day {index}", "full", hours.open_ns, hours.close_ns, (hours,), hours.close_ns - DAY
    )


def bars_of(opens: list[float], closes: list[float], stamps: npt.NDArray[np.int64]) -> StoredRows:
    open_, close = np.array(opens), np.array(closes)
    columns = {
        "open": open_,
        "high": np.maximum(open_, close),
        "low": np.minimum(open_, close),
        "close": close,
        "volume": np.ones(len(open_)),
    }
    return StoredRows(stamps, columns, np.arange(len(stamps)), (("part-0.parquet", len(stamps)),))


@dataclass
class Storage:
    """Rows of one stream, in the order of their stamps; counts the reads."""

    stored: StoredRows
    reads: int = 0

    def read(self, _symbol: str, _interval: str, start_ns: int, end_ns: int) -> StoredRows:
        self.reads += 1
        rows = self.stored
        chosen = (start_ns <= rows.open_ts) & (rows.open_ts < end_ns)
        return StoredRows(
            rows.open_ts[chosen],
            {name: values[chosen] for name, values in rows.columns.items()},
            rows.rows[chosen],
            (("part-0.parquet", int(chosen.sum())),),
        )

    def open_stamps(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> npt.NDArray[np.int64]:
        return self.read(symbol, interval, start_ns, end_ns).open_ts

    def stored_intervals(self, _symbol: str) -> tuple[str, ...]:
        return ("1m",)

    def symbols(self) -> tuple[str, ...]:
        return ("SPLT",)


def stored(opens: list[float], closes: list[float]) -> Storage:
    """Lay bars out over as many sessions as they fill."""
    sessions = [session_of(index) for index in range(-(-len(opens) // MINUTES))]
    grid = np.concatenate([expected_opens(session, Interval.parse("1m")) for session in sessions])
    return Storage(bars_of(opens, closes, grid[: len(opens)]))


def read(storage: Storage, first: int, last: int) -> list[SessionRows]:
    reader = StreamReader(storage, STREAM, 2.0)
    return [reader.read(session_of(at), session_of(at - 1)) for at in range(first, last + 1)]


def jumps(found: list[SessionRows]) -> list[int]:
    """Give the places of the jumps, counted in rows."""
    return [defect.row for day in found for defect in day.screened.defects if defect.kind == "jump"]


@pytest.mark.parametrize(
    "at", [2, MINUTES, 2 * MINUTES - 1], ids=["in a session", "in its first bar", "in its last bar"]
)
def test_a_split_inside_one_bar_is_found_once(at: int) -> None:
    opens = [700.0] * (at + 1) + [100.0] * (3 * MINUTES - at - 1)
    closes = [700.0] * at + [100.0] * (3 * MINUTES - at)
    assert jumps(read(stored(opens, closes), 0, 2)) == [at]


@pytest.mark.parametrize("at", range(1, 3 * MINUTES))
def test_a_split_between_two_bars_or_over_night_is_found_once(at: int) -> None:
    prices = [700.0] * at + [100.0] * (3 * MINUTES - at)
    assert jumps(read(stored(prices, prices), 0, 2)) == [at]


@pytest.mark.parametrize("first", [1, 2])
def test_a_split_over_night_is_found_where_the_reading_starts_behind_it(first: int) -> None:
    prices = [700.0] * (first * MINUTES) + [100.0] * ((3 - first) * MINUTES)
    assert jumps(read(stored(prices, prices), first, 2)) == [first * MINUTES]


def test_over_a_session_that_delivers_nothing_no_price_is_carried() -> None:
    prices = [700.0] * MINUTES + [-1.0] * MINUTES + [100.0] * MINUTES
    assert jumps(read(stored(prices, prices), 0, 2)) == []
    assert jumps(read(stored(prices, prices), 2, 2)) == []


def test_the_close_before_is_the_last_delivered_one_though_later_rows_are_rejected() -> None:
    prices = [700.0, 700.0, -1.0, -1.0, 100.0, 100.0, 100.0, 100.0]
    assert jumps(read(stored(prices, prices), 1, 1)) == [MINUTES]


def test_sessions_in_their_order_are_read_once_each_after_the_one_before_them() -> None:
    storage = stored([100.0] * 12, [100.0] * 12)
    read(storage, 1, 2)
    assert storage.reads == 3


prices = st.sampled_from([100.0, 110.0, 300.0, 700.0, 0.0, -1.0])


@settings(max_examples=60)
@given(st.lists(prices, min_size=4 * MINUTES, max_size=4 * MINUTES), st.integers(0, 3))
def test_wherever_the_reading_starts_a_session_is_judged_the_same(closes: list[float], first: int) -> None:
    storage = stored(closes, closes)
    whole = [day.screened.defects for day in read(storage, 0, 3)]
    assert [day.screened.defects for day in read(storage, first, 3)] == whole[first:]


def scale(*splits: tuple[int, float]) -> PriceScale:
    """Take splits by the session that they come before."""
    return PriceScale(
        adjustment_of(CorporateAction("SPLT", session_of(at).date, split, 0.0, 2), None)
        for at, split in splits
    )


def scaled(storage: Storage, first: int, applied: PriceScale, last: int = 2) -> list[SessionRows]:
    reader = StreamReader(storage, STREAM, 2.0, applied)
    return [reader.read(session_of(at), session_of(at - 1)) for at in range(first, last + 1)]


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_split_that_is_applied_is_no_jump_and_puts_the_bars_before_on_its_scale(first: int) -> None:
    prices = [700.0] * MINUTES + [100.0] * (2 * MINUTES)
    found = scaled(stored(prices, prices), first, scale((1, SPLIT)))
    assert jumps(found) == []
    assert {float(price) for day in found for price in day.screened.bars["close"]} == {100.0}
    assert [set(day.screened.bars["volume"]) for day in found] == [{7.0}, {1.0}, {1.0}][first:]


def test_a_split_that_did_not_happen_is_a_jump_of_the_stored_prices() -> None:
    prices = [100.0] * (3 * MINUTES)
    (jump,) = [
        defect
        for day in scaled(stored(prices, prices), 0, scale((1, 4.0)))
        for defect in day.screened.defects
    ]
    assert jump.row == MINUTES
    assert jump.detail.startswith("from 25.0 to 100.0, 4.00 times; suspected 1:4 split")


def test_defects_say_what_is_stored_where_bars_are_adjusted() -> None:
    prices = [100.0, 300.0, *[100.0] * (MINUTES - 2), *[25.0] * (2 * MINUTES)]
    found = scaled(stored(prices, prices), 0, scale((1, 4.0)))
    assert [defect.detail for defect in found[0].screened.defects] == [
        "from 100.0 to 300.0, 3.00 times",
        "from 100.0 to 300.0, 3.00 times",
    ]
    assert found[0].screened.bars["close"].tolist() == [25.0, 75.0, 25.0, 25.0]


@settings(max_examples=60)
@given(
    st.lists(prices, min_size=4 * MINUTES, max_size=4 * MINUTES),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([2.0, 3.0, 7.0, 0.1])), unique_by=lambda s: s[0]),
)
def test_wherever_the_reading_starts_and_ends_adjusted_sessions_are_the_same(
    closes: list[float], first: int, splits: list[tuple[int, float]]
) -> None:
    storage, applied = stored(closes, closes), scale(*splits)
    whole = scaled(storage, 0, applied, last=3)
    for at, found in enumerate(scaled(storage, first, applied, last=3), first):
        assert found.screened.defects == whole[at].screened.defects
        assert found.screened.bars.tobytes() == whole[at].screened.bars.tobytes()
