from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.grid import event_times, expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Hours, Session, Stream
from actors.domain.session_tape import Tape, make_tape, merge
from protocol.blocks import BAR_DTYPE, Bars, as_bars, as_times
from protocol.messages import Defect, RawWindow

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000
LUNCH = (Hours(OPEN, OPEN + 12 * MINUTE), Hours(OPEN + 15 * MINUTE, OPEN + 26 * MINUTE))
SESSION = Session(3, "2025-07-02", "full", OPEN, OPEN + 26 * MINUTE, LUNCH, OPEN - 60 * MINUTE)
INTERVALS = ("1m", "3m", "5m", "1d")


@dataclass(frozen=True)
class Load:
    """What a loader sent of one session."""

    streams: tuple[Stream, ...]
    blocks: list[Bars]
    defects: tuple[Defect, ...]

    @property
    def tape(self) -> Tape:
        return make_tape(SESSION, self.streams, self.blocks, self.defects)


def bars_of(stream: Stream, present: list[bool]) -> Bars:
    """Make the bars that are present of a stream's grid; the volume numbers them."""
    interval = Interval.parse(stream.interval)
    opens = expected_opens(SESSION, interval)
    bars = np.zeros(len(opens), BAR_DTYPE)
    bars["stream"] = stream.id
    bars["open_ts"], bars["close_ts"] = opens, expected_closes(SESSION, interval)
    bars["volume"] = stream.id * 1000 + np.arange(len(opens))
    return bars[np.resize(np.array(present), len(opens))]


def defect(stream: int, minute: int, row: int) -> Defect:
    return Defect(stream, "off_grid", OPEN + minute * MINUTE // 2, OPEN, "f", row, "")


@st.composite
def loads(draw: st.DrawFn) -> Load:
    kinds = draw(st.lists(st.sampled_from(INTERVALS), min_size=1, max_size=6))
    kinds.sort(key=lambda text: Interval.parse(text).length_ns)
    streams = tuple(Stream(at, f"S{at}", kind, "STREAMED", "") for at, kind in enumerate(kinds))
    masks = st.lists(st.booleans(), min_size=1, max_size=25)
    blocks = [bars_of(stream, draw(masks)) for stream in streams]
    parts = st.lists(st.integers(0, len(blocks)), max_size=2)
    edges = sorted({0, len(blocks), *draw(parts)})
    sent = [np.concatenate(blocks[start:stop]) for start, stop in pairwise(edges)]
    found = draw(st.lists(st.tuples(st.integers(0, len(streams) - 1), st.integers(2, 52)), max_size=6))
    return Load(streams, sent, tuple(defect(stream, at, row) for row, (stream, at) in enumerate(found)))


def cut(tape: Tape, sizes: list[int]) -> list[RawWindow]:
    windows: list[RawWindow] = []
    start = 0
    while start < len(tape.steps):
        stop = min(start + sizes[len(windows) % len(sizes)], len(tape.steps))
        windows.append(tape.cut(len(windows), start, stop))
        start = stop
    return windows


@given(loads())
def test_bars_of_all_streams_are_sorted_by_close_and_stream_and_each_is_there_once(load: Load) -> None:
    bars = load.tape.bars
    order = list(zip(bars["close_ts"].tolist(), bars["stream"].tolist(), strict=True))
    assert all(before < after for before, after in pairwise(order))
    sent = Counter(volume for block in load.blocks for volume in block["volume"].tolist())
    assert Counter(bars["volume"].tolist()) == sent


@given(loads())
def test_steps_are_all_expected_closes_and_what_defects_add_empty_ones_included(load: Load) -> None:
    tape = load.tape
    intervals = tuple(Interval.parse(stream.interval) for stream in load.streams)
    expected = {close for interval in intervals for close in expected_closes(SESSION, interval).tolist()}
    assert tape.steps.tolist() == sorted(expected | {found.known_ts for found in load.defects})
    assert event_times(SESSION, intervals).tolist() == sorted(expected)


@given(loads())
def test_row_at_says_where_each_steps_bars_are(load: Load) -> None:
    tape = load.tape
    assert (len(tape.row_at), tape.row_at[0], tape.row_at[-1]) == (len(tape.steps) + 1, 0, len(tape.bars))
    for step, (start, stop) in zip(tape.steps.tolist(), pairwise(tape.row_at.tolist()), strict=True):
        assert start <= stop
        assert set(tape.bars["close_ts"][start:stop].tolist()) <= {step}


@given(loads(), st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_windows_of_any_sizes_put_together_are_the_tape(load: Load, sizes: list[int]) -> None:
    tape = load.tape
    windows = cut(tape, sizes)
    assert b"".join(window.block.records for window in windows) == tape.bars.tobytes()
    assert b"".join(window.steps.records for window in windows) == tape.steps.tobytes()
    assert [found for window in windows for found in window.defects] == list(tape.defects)
    assert sorted(tape.defects, key=lambda found: found.row) == list(load.defects)
    assert [window.first for window in windows] == [True] + [False] * (len(windows) - 1)
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]
    assert {window.session for window in windows} == {SESSION.index}


@given(loads(), st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_no_step_straddles_two_windows(load: Load, sizes: list[int]) -> None:
    for window in cut(load.tape, sizes):
        steps = as_times(window.steps).tolist()
        assert set(as_bars(window.block)["close_ts"].tolist()) <= set(steps)
        assert {found.known_ts for found in window.defects} <= set(steps)


@given(loads(), st.integers(1, 40), st.integers(0, 20))
def test_a_window_by_rows_is_the_shortest_that_has_enough(load: Load, rows: int, start: int) -> None:
    tape = load.tape
    start = min(start, len(tape.steps) - 1)
    stop = tape.stop_by_rows(start, rows)
    assert start < stop <= len(tape.steps)
    if stop < len(tape.steps):
        assert tape.row_at[stop] - tape.row_at[start] >= rows
    if stop > start + 1:
        assert tape.row_at[stop - 1] - tape.row_at[start] < rows


@settings(max_examples=50)
@given(loads(), st.randoms(use_true_random=False))
def test_the_order_in_which_a_session_is_sent_does_not_matter(load: Load, chance: object) -> None:
    shuffled = list(load.blocks)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    bars, row_at = merge(shuffled, load.tape.steps)
    assert bars.tobytes() == load.tape.bars.tobytes()
    assert row_at.tolist() == load.tape.row_at.tolist()


def test_a_session_without_a_bar_still_has_all_its_steps() -> None:
    stream = Stream(0, "A", "1m", "STREAMED", "")
    tape = make_tape(SESSION, [stream], [], [])
    assert (len(tape.bars), len(tape.steps)) == (0, 23)
    assert cut(tape, [7])[-1].steps.n == 2


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_step_at_which_only_a_defect_is_known_is_a_step(steps: int) -> None:
    stream = Stream(0, "A", "1m", "STREAMED", "")
    tape = make_tape(SESSION, [stream], [bars_of(stream, [True])], [defect(0, 3, 0)])
    found = [window for window in cut(tape, [steps]) if window.defects]
    assert len(found) == 1
    assert OPEN + 90_000_000_000 in as_times(found[0].steps).tolist()
    assert len(tape.steps) == 24
