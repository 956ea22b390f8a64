from itertools import pairwise

import numpy as np
import pytest

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.roles import Role, RoleError, Send
from actors.domain.session_plan import (
    Flow,
    HistoricalSpec,
    Hours,
    Rules,
    Session,
    SessionPlan,
    Stream,
    Trading,
)
from actors.processor import Processor
from protocol import topics
from protocol.blocks import BAR_DTYPE, Bars, as_bars, as_floats, bar_block, time_block
from protocol.messages import Derived, Leave, Message, PhaseEvent, RawWindow, RunEnd

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000
END = RunEnd(windows=0, data_digest="", stream_digest="")


def session_of(index: int) -> Session:
    hours = Hours(OPEN + index * 1440 * MINUTE, OPEN + (index * 1440 + 390) * MINUTE)
    return Session(index, "2025-07-02", "full", hours.open_ns, hours.close_ns, (hours,), 0)


SESSIONS = (session_of(-1), session_of(0))
STREAMS = (
    Stream(0, "AAA", "1m", "STREAMED", ""),
    Stream(1, "AAA", "5m", "GENERATED", "", base=0),
    Stream(2, "AAA", "1d", "GENERATED", "", base=0),
)
PLAN = SessionPlan(
    *(1, "test", "XNYS", "America/New_York", "2025-07-02", "2025-07-02", "/catalog", ("AAA",)),
    *(SESSIONS[1:], SESSIONS[:1], (), STREAMS, (), (), (), (), Flow(), Rules(min_coverage=0.5)),
    Trading(1.0, 1.0, 1.0, 1),
    historical=(
        HistoricalSpec("high", "trailing_max", 1, ("AAA",), "high"),
        HistoricalSpec("profile", "trailing_average", 1, ("AAA",), "volume", by_minute=True),
    ),
)


def bars_of(session: Session) -> Bars:
    """Make bars with fractional volumes: the first 5m bar has two of five, the rest are whole."""
    bars = np.zeros(390, BAR_DTYPE)
    bars["n_base"] = bars["n_expected"] = 1
    bars["open_ts"] = expected_opens(session, Interval(1, "m"))
    bars["close_ts"] = expected_closes(session, Interval(1, "m"))
    rng = np.random.default_rng(session.index + 1)
    bars["volume"] = rng.random(390) * 1000
    for name in ("open", "high", "low", "close"):
        bars[name] = 10 + session.index
    return bars[3:]


def windows_of(size: int) -> list[RawWindow]:
    windows: list[RawWindow] = []
    for session in SESSIONS:
        bars, steps = bars_of(session), expected_closes(session, Interval(1, "m"))
        edges = [*range(0, len(steps), size), len(steps)]
        for begin, end in pairwise(edges):
            block = bars[np.isin(bars["close_ts"], steps[begin:end])]
            place = (len(windows), session.index, begin == 0, end == len(steps))
            windows.append(RawWindow(*place, time_block(steps[begin:end]), bar_block(block), ()))
    return windows


def answers(role: Role, messages: list[RawWindow]) -> list[Message]:
    effects = [effect for message in messages for effect in role.on_message(message)]
    sent = [effect for effect in effects if isinstance(effect, Send)]
    assert len(sent) == len(effects)
    assert {effect.topic for effect in sent} <= {topics.report(role.name)}
    return [effect.message for effect in sent]


def derived_with(size: int) -> list[Derived]:
    return [
        part for part in answers(Processor("processor", PLAN), windows_of(size)) if isinstance(part, Derived)
    ]


@pytest.mark.parametrize("size", [1, 7, 256])
def test_history_and_stream_are_folded_alike_however_the_run_is_cut(size: int) -> None:
    whole, cut = derived_with(390), derived_with(size)
    assert [part.seq for part in cut] == list(range(len(cut)))
    assert b"".join(part.block.records for part in cut) == b"".join(part.block.records for part in whole)
    assert [part.block.n for part in whole] == [78, 78]
    assert sum(part.suppressed for part in cut) == 2


@pytest.mark.parametrize("size", [1, 7, 256])
def test_what_history_gives_goes_out_with_a_sessions_first_window_however_the_run_is_cut(size: int) -> None:
    windows, parts = windows_of(size), derived_with(size)
    begins = [window.first and window.session >= 0 for window in windows]
    assert [bool(part.figures) for part in parts] == begins
    high, profile = parts[begins.index(True)].figures
    assert as_floats(high.values).tolist() == [9.0]
    assert as_floats(profile.values)[3:].tolist() == bars_of(SESSIONS[0])["volume"].tolist()
    assert np.isnan(as_floats(profile.values)[:3]).all()


def test_no_session_leaves_a_trace_in_the_next() -> None:
    history, stream = derived_with(390)
    assert set(as_bars(history.block)["close"].tolist()) == {9.0}
    assert set(as_bars(stream.block)["close"].tolist()) == {10.0}


def test_the_end_of_the_run_is_answered_with_the_final_counts() -> None:
    processor = Processor("processor", PLAN)
    windows = windows_of(100)
    answers(processor, windows)
    leave = Leave(actor="processor", windows=len(windows), bars=2 * 387, signals=())
    assert list(processor.on_message(END)) == [Send("report/processor", leave)]


@pytest.mark.parametrize("seq", [0, 2])
def test_a_repeated_or_missing_window_stops_the_role(seq: int) -> None:
    processor = Processor("processor", PLAN)
    windows = windows_of(100)
    answers(processor, windows[:1])
    with pytest.raises(RoleError, match=f"raw window {seq} came where 1 was due"):
        answers(processor, [windows[seq]])


def test_other_control_messages_are_ignored() -> None:
    processor = Processor("processor", PLAN)
    assert processor.subscriptions == (topics.RAW, topics.CONTROL)
    assert list(processor.on_message(PhaseEvent(session=0, phase=1, state="started", elapsed_ns=0))) == []
