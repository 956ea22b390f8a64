import numpy as np
import pytest

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.roles import RoleError
from actors.domain.session_plan import Stream
from actors.domain.session_queue import SessionQueue
from protocol.blocks import BAR_DTYPE, bar_block
from protocol.messages import Defect, LoadReport, SessionBars, StreamLoad
from tests.plans import MINUTE, make_plan, make_session

MINUTELY = Interval(1, "m")


PLAN = make_plan(
    [make_session(index, 10) for index in range(-1, 2)],
    [Stream(0, "A", "1m", "STREAMED", "", None, 1), Stream(1, "B", "1m", "STREAMED", "", None, 1)],
)


def bars(session: int, stream: int) -> SessionBars:
    day = PLAN.session(session)
    rows = np.zeros(10, BAR_DTYPE)
    rows["stream"] = stream
    rows["open_ts"], rows["close_ts"] = expected_opens(day, MINUTELY), expected_closes(day, MINUTELY)
    defect = Defect(stream, "off_grid", day.open_ns + MINUTE, day.open_ns, "f", stream, "")
    return SessionBars(session, bar_block(rows), (defect,))


def report(session: int, *delivered: int) -> LoadReport:
    loads = tuple(StreamLoad(stream, count, count) for stream, count in enumerate(delivered))
    return LoadReport(session, loads, 0)


def test_a_session_is_there_once_it_is_reported() -> None:
    queue = SessionQueue(PLAN)
    queue.on_bars(bars(0, 1))
    queue.on_bars(bars(0, 0))
    assert not queue.has(0, 0)
    queue.on_report(report(0, 10, 10))
    assert queue.has(0, 0)
    assert not queue.has(0, 1)
    assert not queue.has(-1, 0)


def test_an_empty_range_is_always_there() -> None:
    assert SessionQueue(PLAN).has(0, -1)


def test_what_is_taken_is_in_order_and_gone() -> None:
    queue = SessionQueue(PLAN)
    for index in (-1, 0):
        queue.on_bars(bars(index, 1))
        queue.on_bars(bars(index, 0))
        queue.on_report(report(index, 10, 10))
    tape = queue.take(-1)
    assert tape.session == -1
    assert tape.bars["stream"].tolist() == [0, 1] * 10
    assert [defect.stream for defect in tape.defects] == [0, 1]
    assert not queue.has(-1, -1)
    assert queue.take(0).session == 0
    assert queue._blocks == {}
    assert queue._defects == {}


def test_a_session_without_a_bar_is_a_tape_of_empty_steps() -> None:
    queue = SessionQueue(PLAN)
    queue.on_report(report(0))
    tape = queue.take(0)
    assert (len(tape.steps), len(tape.bars)) == (10, 0)


@pytest.mark.parametrize("told", [(10,), (10, 9), (10, 10, 1)])
def test_a_report_that_does_not_match_what_arrived_is_an_error(told: tuple[int, ...]) -> None:
    queue = SessionQueue(PLAN)
    queue.on_bars(bars(0, 0))
    queue.on_bars(bars(0, 1))
    with pytest.raises(RoleError, match=f"loader sent {sum(told)} bars of session 0, 20 arrived"):
        queue.on_report(report(0, *told))


def test_bars_after_the_report_are_an_error() -> None:
    queue = SessionQueue(PLAN)
    queue.on_bars(bars(0, 0))
    queue.on_report(report(0, 10))
    with pytest.raises(RoleError, match="loader sent bars of session 0 after its report"):
        queue.on_bars(bars(0, 1))


def test_what_has_come_of_a_session_that_is_not_complete_is_forgotten_and_comes_again_whole() -> None:
    queue = SessionQueue(PLAN)
    queue.on_bars(bars(0, 0))
    queue.on_bars(bars(0, 1))
    queue.on_report(report(0, 10, 10))
    queue.on_bars(bars(1, 0))
    queue.forget_incomplete()
    assert queue.has(0, 0)
    for stream in (0, 1):
        queue.on_bars(bars(1, stream))
    queue.on_report(report(1, 10, 10))
    for session in (0, 1):
        tape = queue.take(session)
        assert len(tape.bars) == 20
        assert len(tape.defects) == 2
