"""Bars by stream, on their way to files."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.bar_shelves import BarShelves, Table
from actors.domain.session_plan import Stream
from protocol.blocks import BAR_DTYPE, BarFlag, Bars
from tests.plans import make_plan, make_session
from tests.shares import all_tables

SYMBOLS = ("AAPL", "BRK/B", "RIVN")
DATES = ("2025-07-02", "2025-07-03", "2025-07-07")
PLAN = make_plan(
    [make_session(index, date=date) for index, date in enumerate(DATES)],
    [Stream(index, symbol, "1m", "STREAMED", "stored") for index, symbol in enumerate(SYMBOLS)],
)
SESSIONS = st.lists(st.lists(st.integers(0, 2), max_size=12), min_size=3, max_size=3)


def bars_of(streams: list[int], start: int = 0) -> Bars:
    """Make bars of these streams whose closing price counts them."""
    bars = np.zeros(len(streams), dtype=BAR_DTYPE)
    bars["stream"] = streams
    bars["close"] = start + np.arange(len(streams))
    return bars


def rows_of(tables: list[Table]) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {}
    for table in tables:
        rows = zip(table.columns["session"], table.columns["close"], strict=True)
        found.setdefault(table.path.split("/")[2], []).extend(
            (str(date), float(close)) for date, close in rows
        )
    return found


@given(sessions=SESSIONS, taken_after=st.sets(st.integers(0, 2)))
@settings(max_examples=60, deadline=None)
def test_every_bar_is_written_once_and_in_order_however_often_shelves_are_emptied(
    sessions: list[list[int]], taken_after: set[int]
) -> None:
    shelves, tables = BarShelves(PLAN), []
    wanted: dict[str, list[tuple[str, float]]] = {"symbol=AAPL": [], "symbol=BRK%2FB": [], "symbol=RIVN": []}
    names = list(wanted)
    for index, streams in enumerate(sessions):
        shelves.put(index, bars_of(streams))
        for place, stream in enumerate(streams):
            wanted[names[stream]].append((DATES[index], float(place)))
        if index in taken_after:
            tables += all_tables(shelves.take_full())
    tables += all_tables(shelves.take_all())
    assert shelves.rows == 0
    assert rows_of(tables) == wanted
    assert len({table.path for table in tables}) == len(tables)


def test_only_the_longest_shelves_are_taken_until_a_quarter_of_all_bars_is() -> None:
    shelves = BarShelves(PLAN)
    shelves.put(0, bars_of([0, 0, 0, 1]))
    assert [(table.path, table.rows) for table in all_tables(shelves.take_full())] == [
        ("bars/interval=1m/symbol=AAPL/part-00000.parquet", 3)
    ]
    assert shelves.rows == 1


@given(counts=st.lists(st.integers(0, 30), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_what_is_taken_is_a_quarter_or_more_and_no_shelf_that_stays_is_longer(counts: list[int]) -> None:
    shelves = BarShelves(PLAN)
    shelves.put(0, bars_of([stream for stream, count in enumerate(counts) for _ in range(count)]))
    taken = [table.rows for table in all_tables(shelves.take_full())]
    assert 4 * sum(taken) >= sum(counts)
    assert all(taken)
    assert shelves.longest <= min(taken, default=0)


def test_short_shelves_share_a_batch_and_a_long_one_has_its_own() -> None:
    shelves = BarShelves(PLAN)
    shelves.put(0, bars_of([0] * 10_001 + [1] * 6_000 + [2] * 4_000))
    assert [[share.rows for share in batch.shares] for batch in shelves.take_all()] == [
        [10_001],
        [6_000, 4_000],
    ]


def test_parts_of_a_stream_are_numbered() -> None:
    shelves = BarShelves(PLAN)
    paths = []
    for index in range(3):
        shelves.put(index, bars_of([2]))
        paths += [table.path for table in all_tables(shelves.take_full())]
    assert paths == [f"bars/interval=1m/symbol=RIVN/part-{part:05d}.parquet" for part in range(3)]


def test_a_stream_without_a_bar_has_one_table_without_rows() -> None:
    shelves = BarShelves(PLAN)
    shelves.put(0, bars_of([1]))
    assert [table.rows for table in all_tables(shelves.take_all())] == [0, 1, 0]
    assert list(shelves.take_all()) == []


def test_types_do_not_depend_on_content() -> None:
    shelves = BarShelves(PLAN)
    shelves.put(0, bars_of([0]))
    full, empty, _ = all_tables(shelves.take_all())
    kinds = [{name: np.asarray(v).dtype.kind for name, v in t.columns.items()} for t in (full, empty)]
    assert kinds[0] == kinds[1]


@given(flags=st.integers(0, 15))
@settings(max_examples=16, deadline=None)
def test_every_flag_has_a_column(flags: int) -> None:
    bars = bars_of([0])
    bars["flags"] = flags
    shelves = BarShelves(PLAN)
    shelves.put(0, bars)
    columns = next(shelves.take_all()).columns
    assert columns["flags"][0] == flags
    assert sum(flag for flag in BarFlag if columns[str(flag.name).lower()][0]) == flags


def test_what_stays_on_a_shelf_keeps_no_other_bars_in_memory() -> None:
    tracemalloc.start()
    try:
        shelves = BarShelves(PLAN)
        for _ in range(50):
            shelves.put(0, bars_of([0] * 1000 + [1]))
            list(shelves.take_full())
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shelves.rows == 50
    assert held < 1000 * BAR_DTYPE.itemsize


def test_the_longest_shelf_is_that_of_the_stream_with_most_bars() -> None:
    shelves = BarShelves(PLAN)
    assert shelves.longest == 0
    shelves.put(0, bars_of([0, 1, 1]))
    shelves.put(1, bars_of([0, 1, 2]))
    assert (shelves.longest, shelves.rows) == (3, 6)
