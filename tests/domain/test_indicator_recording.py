from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.bar_views import BarColumns
from actors.domain.indicator_recording import LABELS, IndicatorRecording, Part, Parts, numbers
from actors.domain.indicator_values import Macd
from actors.domain.indicators import IndicatorBoard
from actors.domain.market import Market
from actors.domain.ports import Columns, Share, Sparse, TableSink
from actors.domain.session_plan import IndicatorSpec, Stream
from protocol.blocks import BAR_DTYPE, NO_QUALITY, bar_block, time_block
from protocol.messages import SealedWindow
from tests.plans import MINUTE, OPEN, make_plan, make_session

SPECS = (IndicatorSpec("mom", "1m", {"period": 2}), IndicatorSpec("donchian", "1m", {"period": 2}))
PLAN = make_plan(
    [make_session(0, 50)],
    [Stream(0, "AAPL", "1m", "STREAMED", ""), Stream(1, "RIVN", "1m", "STREAMED", "")],
    indicator_tables=True,
)


@dataclass
class Shelf:
    """A sink that keeps what it is given, part by part."""

    parts: list[dict[str, list[Any]]] = field(default_factory=list)

    def write(self, columns: Columns, shares: Sequence[Share]) -> None:
        raise AssertionError(f"{shares} were written whole: {columns}")

    def append(self, path: str, columns: Columns) -> None:
        assert path == "indicators/mine/1m.parquet"
        self.parts.append({name: listed(column) for name, column in columns.items()})

    def close(self) -> None:
        """Have nothing to finish."""


def listed(column: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(column, Sparse):
        return [None if isnan(number) else number for number in column.numbers.tolist()]
    return list(np.asarray(column).tolist())


def play(sink: TableSink, minutes: Sequence[Sequence[tuple[int, float]]], part_numbers: int) -> None:
    """Record windows of one minute each, given as the streams and closes of their bars."""
    market = Market(PLAN)
    recording = IndicatorRecording(PLAN, "mine", IndicatorBoard(market, SPECS), sink, part_numbers)
    market.start_session(PLAN.sessions[0])
    for minute, found in enumerate(minutes, start=1):
        rows = np.zeros(len(found), BAR_DTYPE)
        rows["stream"] = [stream for stream, _ in found]
        rows["close_ts"] = now = OPEN + minute * MINUTE
        for name in ("open", "high", "low", "close"):
            rows[name] = [close for _, close in found]
        bars = BarColumns.of_block(rows)
        steps = time_block(np.array([now]))
        market.offer(
            SealedWindow(minute, 0, False, False, steps, bar_block(rows), NO_QUALITY, (), ()),
            bars,
        )
        recording.add(0, bars)
        market.close_window(now)
    recording.finish()


def values_after(closes: list[float]) -> tuple[float | None, ...]:
    """Compute the momentum over two bars, and the upper, middle and lower line of two bars."""
    momentum = closes[-1] - closes[-3] if len(closes) > 2 else None
    if len(closes) < 2:
        return (momentum, None, None, None)
    upper, lower = max(closes[-2:]), min(closes[-2:])
    return (momentum, upper, (upper + lower) / 2, lower)


closes = st.integers(1, 99).map(float)
one_minute = st.lists(st.tuples(st.sampled_from([0, 1]), closes), max_size=2, unique_by=lambda bar: bar[0])
tapes = st.lists(one_minute.map(sorted), max_size=30)


@settings(max_examples=60, deadline=None)
@given(minutes=tapes, part_rows=st.integers(1, 9))
def test_parts_are_of_equal_size_and_hold_the_value_after_every_bar(
    minutes: list[list[tuple[int, float]]], part_rows: int
) -> None:
    shelf = Shelf()
    play(shelf, minutes, (LABELS + 4) * part_rows)
    *full, last = [len(part["symbol"]) for part in shelf.parts]
    assert set(full) <= {part_rows}
    assert last < part_rows
    rows = [row for part in shelf.parts for row in zip(*part.values(), strict=True)]
    seen: dict[int, list[float]] = {0: [], 1: []}
    expected: list[tuple[Any, ...]] = []
    for minute, found in enumerate(minutes, start=1):
        for stream, close in found:
            seen[stream].append(close)
            place = ("2025-07-02", OPEN + minute * MINUTE, PLAN.symbols[stream])
            expected.append((*place, *values_after(seen[stream])))
    assert rows == expected


@settings(max_examples=60, deadline=None)
@given(capacity=st.integers(1, 7), sizes=st.lists(st.integers(0, 20), max_size=6))
def test_rows_leave_in_order_in_full_parts_whatever_came_at_once(capacity: int, sizes: list[int]) -> None:
    parts, taken, count = Parts(1, capacity), list[Part](), 0
    for size in sizes:
        ids = np.arange(count, count + size)
        taken += parts.add(Part(np.stack((ids, ids, ids)), ids[np.newaxis].astype(np.float64)))
        count += size
    assert all(part.rows == capacity for part in taken)
    taken.append(parts.take())
    assert [number for part in taken for number in part.ints[0].tolist()] == list(range(count))
    assert [number for part in taken for number in part.floats[0].tolist()] == list(range(count))
    assert parts.take().rows == 0


@pytest.mark.parametrize(
    ("values", "columns", "laid_out"),
    [
        ([], 1, [[]]),
        ([None, 0.0, 2.5], 1, [[nan, 0.0, 2.5]]),
        ([], 3, [[], [], []]),
        ([None, Macd(0.0, 1.0, -1.0)], 3, [[nan, 0.0], [nan, 1.0], [nan, -1.0]]),
    ],
)
def test_values_are_laid_out_by_column_with_nan_for_none(
    values: list[Any], columns: int, laid_out: list[list[float]]
) -> None:
    np.testing.assert_array_equal(numbers(values, columns), laid_out)
