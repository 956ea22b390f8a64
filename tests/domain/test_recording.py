"""The columns of a run's tables, from sealed windows made by hand."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from actors.domain.bar_shelves import Table
from actors.domain.ports import Columns
from actors.domain.recording import Recording, scores
from actors.domain.session_plan import HistoricalSpec, StrategySpec, Stream
from protocol.blocks import (
    BAR_DTYPE,
    NO_FLOATS,
    QUALITY_DTYPE,
    bar_block,
    float_block,
    quality_block,
    time_block,
)
from protocol.messages import Defect, Figure, Gap, SealedWindow, Signal, Signals
from tests.plans import MINUTE, OPEN, make_plan, make_session
from tests.shares import all_tables

DATES = ("2025-06-30", "2025-07-01", "2025-07-02", "2025-07-03")
PLAN = make_plan(
    [make_session(index, date=date) for index, date in enumerate(DATES, start=-2)],
    [
        Stream(0, "AAPL", "1m", "STREAMED", "stored"),
        Stream(1, "BRK/B", "1m", "STREAMED", "stored"),
        Stream(2, "AAPL", "5m", "GENERATED", "from 1m", base=0),
    ],
    strategies=(StrategySpec("crossover", "analysis-1", "module:Class", {}),),
    historical=(
        HistoricalSpec("profile", "trailing_average", 2, ("AAPL", "BRK/B"), "close", by_minute=True),
    ),
)
FIGURES = (
    Figure("avg_volume_20d", "AAPL", (), float_block(np.array([7.5])), ""),
    Figure("high_low_1y", "AAPL", ("high", "low"), float_block(np.array([3.0, 1.0])), ""),
    Figure("profile", "BRK/B", (), float_block(np.array([np.nan, *range(1, 390)])), ""),
    Figure("profile", "AAPL", (), NO_FLOATS, "needs 2 sessions, history has 1"),
)
Row = tuple[int, int]
"""Stream and minute of the session at which its bar closes."""


def window(
    rows: Sequence[Row],
    *,
    steps: Sequence[int] | None = None,
    index: int = 0,
    quality: Sequence[tuple[int, int, int, int]] = (),
    gaps: tuple[Gap, ...] = (),
    defects: tuple[Defect, ...] = (),
) -> SealedWindow:
    """Build a window of (stream, minute) bars and (stream, minute, expected, missing) quality records."""
    open_ns = PLAN.session(index).open_ns
    bars = np.zeros(len(rows), dtype=BAR_DTYPE)
    for place, (stream, minute) in enumerate(rows):
        bars[place]["stream"] = stream
        bars[place]["open_ts"] = open_ns + (minute - 1) * MINUTE
        bars[place]["close_ts"] = open_ns + minute * MINUTE
        bars[place]["close"] = minute
    records = np.zeros(len(quality), dtype=QUALITY_DTYPE)
    for place, (stream, minute, expected, missing) in enumerate(quality):
        records[place]["stream"] = stream
        records[place]["event_ts"] = open_ns + minute * MINUTE
        records[place]["expected"] = expected
        records[place]["missing"] = missing
    minutes = sorted({minute for _, minute in rows}) if steps is None else steps
    times = np.array([open_ns + minute * MINUTE for minute in minutes], dtype=np.int64)
    return SealedWindow(
        seq=0,
        session=index,
        first=False,
        last=False,
        steps=time_block(times),
        block=bar_block(bars),
        quality=quality_block(records),
        gaps=gaps,
        defects=defects,
    )


def recording_of(*windows: SealedWindow) -> Recording:
    recording = Recording(PLAN)
    for sealed in windows:
        recording.add_window(sealed)
        if sealed.session >= 0:
            recording.settle(sealed.session)
    return recording


def tables_of(*windows: SealedWindow) -> dict[str, Columns]:
    return {table.path: table.columns for table in recording_of(*windows).take_tables()}


def listed(columns: Columns, *names: str) -> list[tuple[object, ...]]:
    return list(zip(*(np.asarray(columns[name]).tolist() for name in names), strict=True))


def test_bars_of_history_are_not_recorded() -> None:
    recording = recording_of(window([(0, 1)], index=-1))
    assert recording.shelves.rows == recording.loose_bars == 0


def test_bars_go_to_the_shelves_when_a_session_is_settled() -> None:
    recording = Recording(PLAN)
    recording.add_window(window([(0, 1), (1, 1)]))
    assert (recording.loose_bars, recording.shelves.rows) == (2, 0)
    recording.settle(0)
    assert (recording.loose_bars, recording.shelves.rows) == (0, 2)


@given(cuts=st.sets(st.integers(1, 9)))
@settings(max_examples=30, deadline=None)
def test_tables_do_not_depend_on_where_windows_were_cut(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), 10]
    minutes = [range(start + 1, stop + 1) for start, stop in pairwise(places)]
    pieces = [window([(stream, m) for m in piece for stream in (0, 1)]) for piece in minutes]
    whole = window([(stream, m) for m in range(1, 11) for stream in (0, 1)])
    assert contents(recording_of(*pieces)) == contents(recording_of(whole))


def contents(recording: Recording) -> dict[str, list[tuple[object, ...]]]:
    tables = [*recording.take_tables(), *all_tables(recording.shelves.take_all())]
    return {table.path: listed(table.columns, *table.columns) for table in tables}


def test_steps_count_base_and_derived_bars_and_keep_empty_steps() -> None:
    columns = tables_of(
        window([(0, 1), (1, 1)]), window([(0, 3), (2, 3)], steps=(2, 3)), window([(1, 1)], index=1)
    )["steps.parquet"]
    minutes = [(time - OPEN) // MINUTE for time in columns["event_ts"]]
    assert minutes == [1, 2, 3, 1441]
    assert listed(columns, "session", "bars", "derived") == [
        ("2025-07-02", 2, 0),
        ("2025-07-02", 0, 0),
        ("2025-07-02", 1, 1),
        ("2025-07-03", 1, 0),
    ]


def test_steps_of_history_are_not_written() -> None:
    assert len(tables_of(window([(0, 1)], index=-1))["steps.parquet"]["session"]) == 0


def test_quality_records_of_run_and_history_go_apart_with_their_score() -> None:
    tables = tables_of(
        window([], index=-2, quality=[(0, 390, 390, 0)]), window([], quality=[(0, 5, 5, 1), (1, 390, 390, 3)])
    )
    names = ("session", "symbol", "interval", "expected", "missing")
    assert listed(tables["history_quality.parquet"], *names) == [("2025-06-30", "AAPL", "1m", 390, 0)]
    assert listed(tables["quality.parquet"], *names) == [
        ("2025-07-02", "AAPL", "1m", 5, 1),
        ("2025-07-02", "BRK/B", "1m", 390, 3),
    ]
    assert np.round(tables["quality.parquet"]["score"], 2).tolist() == [80.0, 99.23]


@given(
    counts=st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(sorted), max_size=9)
)
@settings(max_examples=50, deadline=None)
def test_scores_equal_the_definition(counts: list[list[int]]) -> None:
    missing = np.array([low for low, _ in counts], dtype=np.uint32)
    expected = np.array([high for _, high in counts], dtype=np.uint32)
    wanted = [100 * (high - low) / high if high else 100.0 for low, high in counts]
    assert scores(expected, missing).tolist() == pytest.approx(wanted)


def test_gaps_and_defects_name_their_stream_and_their_session() -> None:
    gap = Gap(stream=1, from_ts=OPEN, to_ts=OPEN + MINUTE, count=1, known_ts=OPEN + 2 * MINUTE)
    defect = Defect(0, "outside_session", OPEN + MINUTE, OPEN, "part-0.parquet", 7, "no trading", 3)
    tables = tables_of(window([], gaps=(gap,), defects=(defect,)), window([], index=-1, gaps=(gap, gap)))
    assert listed(tables["gaps.parquet"], *tables["gaps.parquet"]) == [
        ("2025-07-02", gap.known_ts, "BRK/B", "1m", gap.from_ts, gap.to_ts, 1)
    ]
    names = ("session", "symbol", "kind", "file", "row", "detail", "rows")
    assert listed(tables["defects.parquet"], *names) == [
        ("2025-07-02", "AAPL", "outside_session", "part-0.parquet", 7, "no trading", 3)
    ]
    assert tables["history_gaps.parquet"]["session"].tolist() == ["2025-07-01"] * 2
    assert len(tables["history_defects.parquet"]["session"]) == 0


def test_signals_name_strategy_and_actor() -> None:
    recording = Recording(PLAN)
    signal = Signal(OPEN, "AAPL", "BUY", 10.0, 0.5, "crossed")
    limited = Signal(OPEN, "AAPL", "BUY", 10.0, 0.5, "crossed", 9.5, None, "session")
    recording.add_signals(1, Signals("analysis-1", 0, (signal,)))
    recording.add_signals(1, Signals("attached", 0, (limited,)))
    recording.close_session()
    columns = {table.path: table.columns for table in recording.take_tables()}["signals.parquet"]
    at_once = (None, None, "cancelled")
    assert listed(columns, *columns) == [
        ("2025-07-03", OPEN, "crossover", "analysis-1", "AAPL", "BUY", 10.0, 0.5, "crossed", *at_once),
        (
            "2025-07-03",
            OPEN,
            "attached",
            "attached",
            "AAPL",
            "BUY",
            10.0,
            0.5,
            "crossed",
            9.5,
            None,
            "session",
        ),
    ]


@given(st.data())
def test_the_order_of_signals_does_not_depend_on_who_gave_them_first(data: st.DataObject) -> None:
    plan = make_plan(
        PLAN.sessions, PLAN.streams, strategies=tuple(StrategySpec(n, n, "x:Y", {}) for n in ("b", "a"))
    )
    queues = {
        actor: [
            Signals(actor, seq, (Signal(OPEN + seq // 2, "AAPL", "BUY", float(seq), 1.0, ""),))
            for seq in range(data.draw(st.integers(0, 4)))
        ]
        for actor in ("b", "a")
    }
    found = []
    for _ in range(2):
        recording, left = Recording(plan), {actor: list(queue) for actor, queue in queues.items()}
        while waiting := [actor for actor, queue in left.items() if queue]:
            recording.add_signals(0, left[data.draw(st.sampled_from(waiting))].pop(0))
        recording.close_session()
        columns = next(t.columns for t in recording.take_tables() if t.path == "signals.parquet")
        found.append(listed(columns, "event_ts", "strategy", "quantity"))
    assert found[0] == found[1]
    assert found[0] == sorted(found[0], key=lambda row: (row[0], "ba".index(str(row[1])), row[2]))


def test_signals_of_a_session_that_is_not_over_are_held_back() -> None:
    recording = Recording(PLAN)
    recording.add_signals(0, Signals("analysis-1", 0, (Signal(1, "AAPL", "BUY", 1.0, 1.0, ""),)))
    assert (recording.rows, sum(table.rows for table in recording.take_tables())) == (0, 0)
    recording.close_session()
    assert (recording.rows, sum(table.rows for table in recording.take_tables())) == (1, 1)


def test_types_do_not_depend_on_content() -> None:
    gap = Gap(0, OPEN, OPEN, 1, OPEN)
    defect = Defect(0, "jump", OPEN, OPEN, "file", 0, "detail")
    found = [
        window([(0, 1)], index=index, quality=[(0, 1, 1, 0)], gaps=(gap,), defects=(defect,))
        for index in (-1, 0)
    ]
    full, empty = recording_of(*found, with_figures()), Recording(PLAN)
    full.add_signals(0, Signals("analysis-1", 0, (Signal(OPEN, "AAPL", "SELL", 1.0, 1.0, ""),)))
    full.close_session()
    tables = list(full.take_tables())
    assert all(table.rows for table in tables)
    assert [kinds(table) for table in tables] == [kinds(table) for table in empty.take_tables()]


def kinds(table: Table) -> tuple[str, dict[str, str]]:
    """Give the types of a table's columns; text is one type, however numpy holds it."""
    types = {name: np.asarray(column).dtype for name, column in table.columns.items()}
    return table.path, {name: "text" if kind.kind in "OU" else kind.str for name, kind in types.items()}


def test_every_column_of_a_table_has_as_many_rows() -> None:
    recording = recording_of(window([(0, 1), (0, 2)], quality=[(0, 1, 1, 0)]))
    for table in recording.take_tables():
        assert {len(column) for column in table.columns.values()} == {table.rows}


def test_rows_counts_what_is_held_besides_bars_and_taking_it_leaves_nothing() -> None:
    recording = recording_of(window([(0, 1), (0, 2)], quality=[(0, 1, 1, 0)], gaps=(Gap(0, 1, 2, 1, 3),)))
    recording.add_signals(0, Signals("analysis-1", 0, (Signal(1, "AAPL", "BUY", 1.0, 1.0, ""),)))
    recording.close_session()
    assert recording.rows == 2 + 1 + 1 + 1
    assert sum(table.rows for table in recording.take_tables()) == 5
    assert recording.rows == sum(table.rows for table in recording.take_tables()) == 0


def with_figures(*, index: int = 0, count: int = len(FIGURES)) -> SealedWindow:
    return structs.replace(window([], index=index), figures=FIGURES[:count])


def test_every_value_of_a_historical_indicator_has_a_row_and_what_has_none_its_reason() -> None:
    recording = recording_of(with_figures(), with_figures(index=1, count=1))
    assert recording.rows == 395
    columns = {table.path: table.columns for table in recording.take_tables()}
    rows = list(zip(*columns["historical_indicators.parquet"].values(), strict=True))
    assert rows[:3] == [
        ("2025-07-02", "AAPL", "avg_volume_20d", "", "", 7.5, ""),
        ("2025-07-02", "AAPL", "high_low_1y", "high", "", 3.0, ""),
        ("2025-07-02", "AAPL", "high_low_1y", "low", "", 1.0, ""),
    ]
    assert rows[4] == ("2025-07-02", "BRK/B", "profile", "", "09:31", 1.0, "")
    assert rows[392] == ("2025-07-02", "BRK/B", "profile", "", "15:59", 389.0, "")
    assert rows[3][5] is None
    assert rows[393][5] is None
    assert rows[393][:5] == ("2025-07-02", "AAPL", "profile", "", "")
    assert rows[393][6] == "needs 2 sessions, history has 1"
    assert rows[394][0] == "2025-07-03"
