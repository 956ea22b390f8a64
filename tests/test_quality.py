from itertools import pairwise

import msgspec
import numpy as np
import pytest

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.roles import LogLines, Role, RoleError, Send
from actors.domain.session_plan import Flow, Hours, Rules, Session, SessionPlan, Stream, Trading
from actors.quality import QualityManager
from protocol import topics
from protocol.blocks import BAR_DTYPE, Bars, as_quality, bar_block, time_block
from protocol.messages import Defect, Gap, Leave, Message, PhaseEvent, Quality, RawWindow, RunEnd

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000
END = RunEnd(windows=0, data_digest="", stream_digest="")


def session_of(index: int) -> Session:
    hours = Hours(OPEN + index * 1440 * MINUTE, OPEN + (index * 1440 + 390) * MINUTE)
    return Session(index, "2025-07-02", "full", hours.open_ns, hours.close_ns, (hours,), 0)


SESSIONS = (session_of(-1), session_of(0))
PLAN = SessionPlan(
    *(1, "test", "XNYS", "America/New_York", "2025-07-02", "2025-07-02", "/catalog", ("AAA",)),
    *(
        SESSIONS[1:],
        SESSIONS[:1],
        (),
        (Stream(0, "AAA", "1m", "STREAMED", "", history_sessions=1),),
        (),
        (),
        (),
        (),
    ),
    *(Flow(), Rules(), Trading(1.0, 1.0, 1.0, 1)),
)
DEFECT = Defect(0, "duplicate_same", OPEN + 50 * MINUTE, OPEN + 49 * MINUTE, "AAA.parquet", 7, "")


def bars_of(session: Session) -> Bars:
    """Make a session that lacks minutes 10 and 11, and the last one."""
    bars = np.zeros(390, BAR_DTYPE)
    bars["n_base"] = bars["n_expected"] = 1
    bars["open_ts"] = expected_opens(session, Interval(1, "m"))
    bars["close_ts"] = expected_closes(session, Interval(1, "m"))
    return np.delete(bars, [10, 11, 389])


def windows_of(size: int) -> list[RawWindow]:
    windows: list[RawWindow] = []
    for session in SESSIONS:
        bars, steps = bars_of(session), expected_closes(session, Interval(1, "m"))
        for begin, end in pairwise([*range(0, len(steps), size), len(steps)]):
            times = steps[begin:end]
            block = bar_block(bars[np.isin(bars["close_ts"], times)])
            place = (len(windows), session.index, begin == 0, end == len(steps))
            defects = (DEFECT,) if DEFECT.known_ts in times else ()
            windows.append(RawWindow(*place, time_block(times), block, defects))
    return windows


def answers(role: Role, messages: list[RawWindow]) -> list[Message]:
    effects = [effect for message in messages for effect in role.on_message(message)]
    sent = [effect for effect in effects if isinstance(effect, Send)]
    assert {effect.topic for effect in sent} <= {topics.report(role.name)}
    return [effect.message for effect in sent]


def quality_with(size: int) -> list[Quality]:
    role = QualityManager("quality", PLAN)
    return [part for part in answers(role, windows_of(size)) if isinstance(part, Quality)]


@pytest.mark.parametrize("size", [1, 7, 256])
def test_quality_is_the_same_however_the_run_is_cut(size: int) -> None:
    whole, cut = quality_with(390), quality_with(size)
    assert [part.seq for part in cut] == list(range(len(cut)))
    assert b"".join(part.quality.records for part in cut) == b"".join(part.quality.records for part in whole)
    assert [gap for part in cut for gap in part.gaps] == [gap for part in whole for gap in part.gaps]


def test_every_session_is_counted_from_its_own_start() -> None:
    history, stream = quality_with(390)
    close = SESSIONS[1].close_ns
    assert stream.gaps == (
        Gap(0, OPEN + 10 * MINUTE, OPEN + 12 * MINUTE, 2, OPEN + 13 * MINUTE),
        Gap(0, close - MINUTE, close, 1, close),
    )
    assert as_quality(history.quality)["missing"].tolist() == [1, 2, 3]
    records = as_quality(stream.quality)
    assert records["missing"].tolist() == [1, 2, 2, 3]
    assert records["duplicate_same"].tolist() == [0, 0, 1, 1]
    assert records["expected"].tolist() == [11, 12, 50, 390]
    assert records["received"].tolist() == [10, 10, 48, 387]


def test_the_end_of_the_run_is_answered_with_the_final_counts() -> None:
    manager = QualityManager("quality", PLAN)
    windows = windows_of(100)
    answers(manager, windows)
    leave = Leave(actor="quality", windows=len(windows), bars=2 * 387, signals=())
    assert list(manager.on_message(END)) == [Send("report/quality", leave)]


@pytest.mark.parametrize("seq", [0, 2])
def test_a_repeated_or_missing_window_stops_the_role(seq: int) -> None:
    manager = QualityManager("quality", PLAN)
    windows = windows_of(100)
    answers(manager, windows[:1])
    with pytest.raises(RoleError, match=f"raw window {seq} came where 1 was due"):
        answers(manager, [windows[seq]])


def test_other_control_messages_are_ignored() -> None:
    manager = QualityManager("quality", PLAN)
    assert manager.subscriptions == (topics.RAW, topics.CONTROL)
    assert list(manager.on_message(PhaseEvent(session=0, phase=1, state="started", elapsed_ns=0))) == []


def test_every_gap_and_every_defect_is_logged_at_the_step_that_showed_it() -> None:
    role = QualityManager("quality", PLAN)
    effects = [effect for window in windows_of(390)[1:2] for effect in _skipping_history(role, window)]
    lines = next(effect for effect in effects if isinstance(effect, LogLines))
    assert list(zip(lines.sim_ts, lines.texts, strict=True)) == [
        (OPEN + 13 * MINUTE, "GAP AAA 1m: 2 missing, 09:40:00 to 09:42:00"),
        (OPEN + 50 * MINUTE, "DEFECT AAA 1m 10:19:00: duplicate_same:  (AAA.parquet row 7)"),
        (OPEN + 390 * MINUTE, "GAP AAA 1m: 1 missing, 15:59:00 to 16:00:00"),
    ]


def test_a_stretch_of_rows_is_one_line_and_counts_row_by_row() -> None:
    role = QualityManager("quality", PLAN)
    stretch = Defect(0, "outside_session", OPEN + MINUTE, OPEN - MINUTE, "AAA.parquet", 3, "331 rows", 331)
    window = windows_of(390)[1]
    effects = _skipping_history(role, msgspec.structs.replace(window, defects=(stretch,)))
    lines = next(effect for effect in effects if isinstance(effect, LogLines))
    assert lines.texts[0] == "DEFECT AAA 1m 09:29:00: outside_session: 331 rows (AAA.parquet rows 3 to 333)"
    (quality,) = (effect.message for effect in effects if isinstance(effect, Send))
    assert isinstance(quality, Quality)
    assert as_quality(quality.quality)["outside_session"].tolist() == [331] * 4


def _skipping_history(role: QualityManager, window: RawWindow) -> list[object]:
    list(role.on_message(windows_of(390)[0]))
    return list(role.on_message(window))
