from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.errors import DataError
from actors.domain.grid import expected_opens
from actors.domain.intervals import Interval
from actors.domain.roles import Effect, Log, Send
from actors.domain.screening import StoredRows
from actors.domain.session_plan import Flow, Hours, Rules, Session, SessionPlan, Stream, Trading
from actors.loader import ROWS_PER_MESSAGE, Loader
from protocol import topics
from protocol.blocks import BarFlag, as_bars
from protocol.messages import LoadFailed, LoadReport, LoadSessions, Message, PhaseEvent, SessionBars

SECOND = 1_000_000_000
OPEN = 1_751_463_000_000_000_000
DAY = 86_400 * SECOND
HISTORY = 3


def session_of(index: int) -> Session:
    hours = Hours(OPEN + index * DAY, OPEN + index * DAY + 23_400 * SECOND)
    closed = hours.close_ns - DAY
    return Session(index, f"day {index}", "full", hours.open_ns, hours.close_ns, (hours,), closed)


def plan_of(*streams: Stream, sessions: int = 3) -> SessionPlan:
    days = tuple(session_of(index) for index in range(-HISTORY, sessions))
    symbols = tuple(dict.fromkeys(stream.symbol for stream in streams))
    return SessionPlan(
        *(1, "test", "XNYS", "America/New_York", "2025-07-02", "2025-07-02", "/catalog", symbols),
        *(days[HISTORY:], days[:HISTORY], (), streams, (), (), (), (), Flow(), Rules()),
        Trading(1.0, 1.0, 1.0, 1),
    )


def stream(number: int, interval: str = "1m", history: int = 0) -> Stream:
    return Stream(number, f"S{number}", interval, "STREAMED", "", None, history)


@dataclass
class Storage:
    """Every bar of every session but `holes`, and one outside of it each night; notes what was read."""

    broken: str | None = None
    holes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    reads: list[tuple[str, str, int, int]] = field(default_factory=list)

    def read(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> StoredRows:
        self.reads.append((symbol, interval, start_ns, end_ns))
        if symbol == self.broken:
            raise DataError(f"{symbol}.parquet: truncated; import it again")
        session = session_of((end_ns - OPEN) // DAY)
        night = np.array([session.open_ns - 3600 * SECOND])
        opens = np.delete(expected_opens(session, Interval.parse(interval)), self.holes.get(interval, ()))
        stamps = np.concatenate((night, opens))
        stamps = stamps[(start_ns <= stamps) & (stamps < end_ns)]
        values = np.ones(len(stamps))
        columns = dict.fromkeys(("open", "high", "low", "close", "volume"), values)
        return StoredRows(stamps, columns, np.arange(len(stamps)), ((f"{symbol}.parquet", len(stamps)),))

    def open_stamps(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> npt.NDArray[np.int64]:
        return self.read(symbol, interval, start_ns, end_ns).open_ts

    def stored_intervals(self, _symbol: str) -> tuple[str, ...]:
        return ("1s", "1m")

    def symbols(self) -> tuple[str, ...]:
        return ("S0",)


def loader_of(plan: SessionPlan, storage: Storage) -> Loader:
    return Loader("loader", plan, storage, lambda: 5)


def sent(effects: list[Effect]) -> list[Message]:
    found = [effect for effect in effects if isinstance(effect, Send)]
    assert {effect.topic for effect in found} <= {topics.ingest("loader")}
    return [effect.message for effect in found]


def ask(loader: Loader, since: int, until: int) -> list[Message]:
    return sent(list(loader.on_message(LoadSessions(since, until))))


def reported(messages: list[Message]) -> list[int]:
    return [message.session for message in messages if isinstance(message, LoadReport)]


spans = st.tuples(st.integers(-HISTORY, 2), st.integers(-HISTORY, 2)).map(sorted)


@settings(max_examples=30, deadline=None)
@given(st.lists(spans, min_size=1, max_size=4))
def test_whatever_was_asked_before_a_request_is_answered_by_its_sessions_in_order(
    asked: list[list[int]],
) -> None:
    plan = plan_of(stream(0, history=HISTORY))
    loader = loader_of(plan, Storage())
    for since, until in asked:
        answer = ask(loader, since, until)
        assert reported(answer) == list(range(since, until + 1))
        assert answer == ask(loader_of(plan, Storage()), since, until)


def test_a_session_is_its_bars_its_defects_and_then_its_report() -> None:
    storage = Storage()
    loader = loader_of(plan_of(stream(0), stream(1)), storage)
    bars, report = ask(loader, 0, 0)
    assert isinstance(bars, SessionBars)
    assert isinstance(report, LoadReport)
    assert as_bars(bars.block)["stream"].tolist() == [0] * 390 + [1] * 390
    assert [(defect.stream, defect.kind, defect.row) for defect in bars.defects] == [
        (0, "outside_session", 0),
        (1, "outside_session", 0),
    ]
    assert [(load.stream, load.rows, load.delivered) for load in report.loads] == [
        (0, 391, 390),
        (1, 391, 390),
    ]
    assert loader.bars == 780


def test_rows_are_read_from_the_close_before_so_that_strays_are_found() -> None:
    storage = Storage()
    session = session_of(0)
    ask(loader_of(plan_of(stream(0)), storage), 0, 0)
    assert storage.reads[-1] == ("S0", "1m", session.previous_close_ns, session.close_ns)


def test_the_session_before_the_first_is_read_too_and_every_other_one_once() -> None:
    storage = Storage()
    ask(loader_of(plan_of(stream(0)), storage), 0, 2)
    sessions = [session_of(index) for index in (-1, 0, 1, 2)]
    assert storage.reads == [
        ("S0", "1m", session.previous_close_ns, session.close_ns) for session in sessions
    ]


@pytest.mark.parametrize("before", [None, session_of(-HISTORY - 1)])
def test_the_session_before_all_history_is_read_where_the_plan_knows_it(before: Session | None) -> None:
    storage = Storage()
    plan = msgspec.structs.replace(plan_of(stream(0, history=HISTORY)), before=before)
    ask(loader_of(plan, storage), -HISTORY, -HISTORY)
    starts = [start for _, _, start, _ in storage.reads]
    first = [] if before is None else [before.previous_close_ns]
    assert starts == [*first, session_of(-HISTORY).previous_close_ns]


def test_history_is_read_only_for_the_streams_that_keep_it() -> None:
    storage = Storage()
    loader = loader_of(plan_of(stream(0, history=HISTORY), stream(1, history=1), stream(2)), storage)
    messages = ask(loader, -HISTORY, -1)
    loads = {
        message.session: [load.stream for load in message.loads]
        for message in messages
        if isinstance(message, LoadReport)
    }
    assert loads == {-3: [0], -2: [0], -1: [0, 1]}
    assert len(storage.reads) == len(set(storage.reads)) == 5


def test_a_session_of_which_no_stream_is_read_is_reported_as_empty() -> None:
    messages = ask(loader_of(plan_of(stream(0)), Storage()), -HISTORY, -1)
    assert reported(messages) == [-3, -2, -1]
    assert all(message.block.n == 0 for message in messages if isinstance(message, SessionBars))


def test_missing_bars_are_sent_with_the_others_where_the_plan_names_a_source() -> None:
    for source, delivered in (("", 388), ("1s", 390)):
        storage = Storage(holes={"1m": (5, 9)})
        base = msgspec.structs.replace(stream(0), filled_from=source)
        loader = loader_of(plan_of(base, stream(1)), storage)
        bars, report = ask(loader, 0, 0)
        assert isinstance(bars, SessionBars)
        assert isinstance(report, LoadReport)
        sent_bars = as_bars(bars.block)
        filled = np.flatnonzero(sent_bars["flags"] & BarFlag.FILLED)
        assert filled.tolist() == ([5, 9] if source else [])
        assert (sent_bars["volume"][filled] == 60).all()
        assert [(load.rows, load.delivered) for load in report.loads] == [(389, delivered), (389, 388)]
        assert [defect.stream for defect in bars.defects] == [0, 1]
        assert ("1s" in {interval for _, interval, _, _ in storage.reads}) == bool(source)


def test_a_large_session_is_sent_in_parts_between_whole_streams() -> None:
    plan = plan_of(*(stream(number, "1s") for number in range(6)))
    messages = ask(loader_of(plan, Storage()), 0, 0)
    parts = [message.block for message in messages if isinstance(message, SessionBars)]
    assert [block.n for block in parts] == [5 * 23_400, 23_400]
    assert parts[0].n - 23_400 < ROWS_PER_MESSAGE <= parts[0].n
    assert isinstance(messages[-1], LoadReport)
    assert sum(load.delivered for load in messages[-1].loads) == 6 * 23_400


def test_storage_that_cannot_be_read_is_reported_and_ends_the_loader() -> None:
    loader = loader_of(plan_of(stream(0), stream(1)), Storage(broken="S1"))
    effects: list[Effect] = []
    with pytest.raises(DataError, match=r"S1\.parquet: truncated"):
        effects.extend(loader.on_message(LoadSessions(0, 0)))
    failure = sent(effects)[-1]
    assert failure == LoadFailed(0, "S1.parquet: truncated; import it again")
    assert 0 not in reported(sent(effects))


def test_every_session_is_logged_with_its_simulated_time() -> None:
    effects = list(loader_of(plan_of(stream(0)), Storage()).on_message(LoadSessions(0, 0)))
    line = [effect for effect in effects if isinstance(effect, Log)][-1]
    assert line == Log("INFO", "Session day 0: 391 rows read, 390 bars delivered in 0.0 ms", OPEN)


def test_anything_but_a_request_is_ignored() -> None:
    loader = loader_of(plan_of(stream(0)), Storage())
    assert loader.subscriptions == ()
    assert list(loader.on_message(PhaseEvent(session=0, phase=1, state="started", elapsed_ns=0))) == []
