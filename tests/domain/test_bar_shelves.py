"""Bars by stream, on their way to files."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.bar_shelves import BarShelves, Table
from actors.domain.session_plan import Stream
from protocol.blocks import BAR_DTYPE, BarFlag, Bars
from tests.plans import make_plan, make_session

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
            tables += shelves.take_full()
    tables += shelves.take_all()
    assert shelves.rows == 0
    assert rows_of(tables) == wanted
    assert len({table.path for table in tables}) == len(tables)


def test_shelves_below_the_average_stay_for_a_larger_file() -> None:
    shelves = BarShelves(PLAN)
    shelves.put(0, bars_of([0, 0, 0, 1]))
    assert [(table.path, table.rows) for table in shelves.take_full()] == [
        ("bars/interval=1m/symbol=AAPL/part-00000.parquet", 3)
    ]
    assert shelves.rows == 1


def test_parts_of_a_stream_are_numbered() -> None:
    shelves = BarShelves(PLAN)
    paths = []
    for index in range(3):
        shelves.put(index, bars_of([2]))
        paths += [table.path for table in shelves.take_full()]
    assert paths == [f"bars/interval=1m/symbol=RIVN/part-{part:05d}.parquet" for part in range(3)]


def test_a_stream_without_a_bar_has_one_table_without_rows() -> None:
    shelves = BarShelves(PLAN)
    shelves.put(0, bars_of([1]))
    assert [table.rows for table in shelves.take_all()] == [0, 1, 0]
    assert list(shelves.take_all()) == []


def test_types_do_not_depend_on_content() -> None:
    shelves = BarShelves(PLAN)
    shelves.put(0, bars_of([0]))
    full, empty, _ = shelves.take_all()
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
