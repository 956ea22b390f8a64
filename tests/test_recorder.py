"""The recorder, from an in-memory journal to an in-memory sink."""

from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.ports import Columns, Share
from actors.domain.roles import Effect, Log, Role, Send
from actors.domain.session_plan import Hours, Session, Stream
from actors.recorder import DEFAULT_LIMITS, Limits, Recorder
from protocol.blocks import BAR_DTYPE, QUALITY_DTYPE, bar_block, quality_block, time_block
from protocol.messages import (
    Leave,
    Message,
    PhaseEvent,
    RunEnd,
    SealedWindow,
    SessionReport,
    Signal,
    Signals,
    StreamClosed,
)
from tests.plans import make_plan
from tests.shares import tables_of

DATES = ("2025-07-01", "2025-07-02", "2025-07-03", "2025-07-07")
DAY_NS = 86_400 * 10**9
STEPS = 12
END = StreamClosed()
SMALL_TABLES = {
    "steps.parquet",
    "historical_indicators.parquet",
    "signals.parquet",
    "quality.parquet",
    "gaps.parquet",
    "defects.parquet",
    "history_quality.parquet",
    "history_gaps.parquet",
    "history_defects.parquet",
}


def session(index: int) -> Session:
    open_ns = (index + 10) * DAY_NS
    close_ns = open_ns + STEPS
    return Session(index, DATES[index + 1], "full", open_ns, close_ns, (Hours(open_ns, close_ns),), 0)


PLAN = make_plan(
    [session(index) for index in range(-1, 3)],
    [
        Stream(0, "AAPL", "1m", "STREAMED", "stored"),
        Stream(1, "RIVN", "1m", "STREAMED", "stored"),
        Stream(2, "AAPL", "5m", "GENERATED", "from 1m", base=0),
    ],
)


class MemoryJournal:
    """Segments as lists of messages."""

    def __init__(self, segments: dict[int, list[Message]]) -> None:
        self.segments = segments

    def messages(self, segment: int, start: int = 0) -> Iterator[Message]:
        yield from self.segments.get(segment, [])[start:]


class MemoryTables:
    """Tables as lists of what was written to them."""

    def __init__(self) -> None:
        self.written: dict[str, list[Columns]] = {}
        self.is_closed = False

    def write(self, columns: Columns, shares: Sequence[Share]) -> None:
        assert not self.is_closed
        for table in tables_of(columns, shares):
            assert table.path not in self.written
            self.written[table.path] = [table.columns]

    def append(self, path: str, columns: Columns) -> None:
        assert not self.is_closed
        self.written.setdefault(path, []).append(columns)

    def close(self) -> None:
        self.is_closed = True

    def rows(self, path: str) -> list[tuple[object, ...]]:
        """Give the rows of a table, or of all part files of a folder."""
        found: list[tuple[object, ...]] = []
        for name in sorted(self.written):
            if name.startswith(path):
                for columns in self.written[name]:
                    lists = [np.asarray(column).tolist() for column in columns.values()]
                    found += zip(*lists, strict=True)
        return found


def windows(index: int, window_steps: int) -> list[Message]:
    """Cut a session in which every step has a bar of each base stream and every fifth a derived one."""
    return [
        window(index, start, min(start + window_steps, STEPS + 1))
        for start in range(1, STEPS + 1, window_steps)
    ]


def window(index: int, start: int, stop: int) -> SealedWindow:
    open_ns = PLAN.session(index).open_ns
    rows = [
        (stream, step) for step in range(start, stop) for stream in (0, 1, 2) if stream < 2 or step % 5 == 0
    ]
    bars = np.zeros(len(rows), dtype=BAR_DTYPE)
    bars["stream"] = [stream for stream, _ in rows]
    bars["close_ts"] = [open_ns + step for _, step in rows]
    last = stop > STEPS
    quality = np.zeros(2 if last else 0, dtype=QUALITY_DTYPE)
    quality["stream"] = range(len(quality))
    return SealedWindow(
        seq=0,
        session=index,
        first=start == 1,
        last=last,
        steps=time_block(open_ns + np.arange(start, stop)),
        block=bar_block(bars),
        quality=quality_block(quality),
        gaps=(),
        defects=(),
    )


def segment(index: int, window_steps: int = 5) -> list[Message]:
    """Build a whole segment: phases, windows, a signal after the last window, the report."""
    history = windows(-1, window_steps) if index == 0 else []
    signal = Signal(PLAN.session(index).close_ns, "AAPL", "BUY", 1.0, 1.0, "crossed")
    return [
        PhaseEvent(index, 1, "started", 0),
        *history,
        *windows(index, window_steps),
        Signals("analysis-1", 0, (signal,)),
        report(index),
        PhaseEvent(index, 6, "complete", 0),
    ]


def report(index: int) -> SessionReport:
    return SessionReport(index, 0, STEPS, STEPS, 2 * STEPS, 0)


def record(
    segments: dict[int, list[Message]], messages: list[Message], limits: Limits = DEFAULT_LIMITS
) -> tuple[Recorder, MemoryTables, list[Effect]]:
    tables = MemoryTables()
    role = Recorder("recorder", PLAN, MemoryJournal(segments), tables, limits)
    return role, tables, [effect for message in messages for effect in role.on_message(message)]


def whole_run(
    window_steps: int = 5, limits: Limits = DEFAULT_LIMITS
) -> tuple[Recorder, MemoryTables, list[Effect]]:
    segments = {index: segment(index, window_steps) for index in range(3)}
    return record(segments, [report(0), report(1), report(2), END], limits)


def test_it_is_a_role_that_listens_to_control_only() -> None:
    role: Role = Recorder("recorder", PLAN, MemoryJournal({}), MemoryTables())
    assert role.subscriptions == ("session", "control")


def test_a_run_is_recorded_whole_and_leave_counts_history_too() -> None:
    role, tables, effects = whole_run()
    bars = 4 * (2 * STEPS + STEPS // 5)
    leave = Leave(actor="recorder", windows=4 * 3, bars=bars, signals=())
    assert effects[-1] == Send("report/recorder", leave)
    assert (role.windows, role.bars) == (12, bars)
    assert tables.is_closed
    assert len(tables.rows("bars/interval=1m/symbol=RIVN/")) == 3 * STEPS
    assert len(tables.rows("bars/interval=5m/symbol=AAPL/")) == 3 * (STEPS // 5)
    assert len(tables.rows("steps.parquet")) == 3 * STEPS
    assert [row[0] for row in tables.rows("quality.parquet")] == [DATES[1]] * 2 + [DATES[2]] * 2 + [
        DATES[3]
    ] * 2
    assert [row[0] for row in tables.rows("history_quality.parquet")] == [DATES[0]] * 2


def test_a_signal_after_the_last_window_belongs_to_its_session() -> None:
    _, tables, _ = whole_run()
    assert [row[0] for row in tables.rows("signals.parquet")] == list(DATES[1:])


def test_a_signal_after_the_last_report_is_recorded_however_prompt_the_recorder_is() -> None:
    last = Signal(PLAN.session(2).close_ns, "AAPL", "CLOSE", 1.0, 1.0, "stopped")
    segments = {index: segment(index) for index in range(3)}
    tables = MemoryTables()
    role = Recorder("recorder", PLAN, MemoryJournal(segments), tables)
    for index in range(3):
        list(role.on_message(report(index)))
    segments[2].append(Signals("analysis-1", 9, (last,)))
    list(role.on_message(StreamClosed()))
    assert len(tables.rows("signals.parquet")) == 4


def test_bars_are_whole_once_strategies_are_asked_to_leave_and_what_they_signal_then_follows() -> None:
    last = Signal(PLAN.session(2).close_ns, "AAPL", "CLOSE", 1.0, 1.0, "stopped")
    segments = {index: segment(index) for index in range(3)}
    tables = MemoryTables()
    role = Recorder("recorder", PLAN, MemoryJournal(segments), tables)
    for message in (report(0), report(1), report(2), RunEnd(9, "", "")):
        list(role.on_message(message))
    bars = {path: tables.rows(path) for path in tables.written}
    assert len(tables.rows("bars/interval=1m/symbol=RIVN/")) == 3 * STEPS
    assert all(path.startswith("bars/") for path in bars)
    segments[2].append(Signals("analysis-1", 9, (last,)))
    list(role.on_message(END))
    assert len(tables.rows("signals.parquet")) == 4
    assert {path: tables.rows(path) for path in bars} == bars
    assert tables.rows("steps.parquet") == whole_run()[1].rows("steps.parquet")


def test_every_session_is_logged_once() -> None:
    _, _, effects = whole_run()
    lines = [effect.text for effect in effects if isinstance(effect, Log)]
    assert lines == [
        "2025-07-02: recorded 6 windows, 52 bars",
        "2025-07-03: recorded 3 windows, 26 bars",
        "2025-07-07: recorded 3 windows, 26 bars",
    ]


def test_a_session_is_read_when_it_is_reported_and_not_before() -> None:
    role, _, _ = record({0: segment(0), 1: segment(1)}, [PhaseEvent(1, 1, "started", 0), report(0)])
    assert role.windows == 6


def test_an_interrupted_session_is_recorded_as_far_as_it_came() -> None:
    partial = [PhaseEvent(1, 1, "started", 0), *windows(1, 5)[:1]]
    role, tables, effects = record({0: segment(0), 1: partial}, [report(0), END])
    assert role.windows == 6 + 1
    assert [row[0] for row in tables.rows("steps.parquet")] == [DATES[1]] * STEPS + [DATES[2]] * 5
    assert isinstance(effects[-1], Send)


def test_a_run_without_a_single_window_leaves_every_table_with_its_columns() -> None:
    role, tables, _ = record({}, [END])
    assert role.windows == 0
    assert tables.is_closed
    assert {path for path in tables.written if "/" not in path} == SMALL_TABLES
    assert len(tables.written) == len(SMALL_TABLES) + len(PLAN.served)
    assert all(not len(column) for parts in tables.written.values() for column in parts[0].values())


def test_a_report_that_comes_twice_is_recorded_once() -> None:
    role, _, _ = record({0: segment(0)}, [report(0), report(0)])
    assert role.windows == 6


def test_a_report_that_was_missed_is_made_up_for() -> None:
    role, _, _ = record({index: segment(index) for index in range(3)}, [report(2), END])
    assert role.windows == 12


@given(window_steps=st.integers(1, STEPS), limits=st.builds(Limits, *[st.integers(1, 99)] * 4))
@settings(max_examples=40, deadline=None)
def test_tables_depend_neither_on_windows_nor_on_how_much_is_kept_in_memory(
    window_steps: int, limits: Limits
) -> None:
    _, wanted, _ = whole_run()
    _, found, _ = whole_run(window_steps, limits)
    folders = {path.rpartition("/part-")[0] or path for path in wanted.written}
    assert {folder: found.rows(folder) for folder in folders} == {
        folder: wanted.rows(folder) for folder in folders
    }
