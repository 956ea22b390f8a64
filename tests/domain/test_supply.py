import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.roles import Send
from actors.domain.session_plan import Flow, SessionPlan, Stream
from actors.domain.supply import Supply
from protocol.blocks import BAR_DTYPE, bar_block
from protocol.messages import LoadReport, LoadSessions, SessionBars, StreamLoad
from tests.plans import make_plan, make_session

MINUTELY = Interval(1, "m")


def plan_of(sessions: int, history: int = 0, prefetch: int = 1, kept: int = 0) -> SessionPlan:
    days = [make_session(index, 3) for index in range(-history, sessions)]
    streams = [Stream(0, "A", "1m", "STREAMED", "", None, kept)]
    return make_plan(days, streams, flow=Flow(prefetch_sessions=prefetch))


def deliver(supply: Supply, plan: SessionPlan, index: int) -> None:
    day = plan.session(index)
    rows = np.zeros(3, BAR_DTYPE)
    rows["open_ts"], rows["close_ts"] = expected_opens(day, MINUTELY), expected_closes(day, MINUTELY)
    supply.on_bars(SessionBars(index, bar_block(rows), ()))
    supply.on_report(LoadReport(index, (StreamLoad(0, 3, 3),), 0))


@given(st.integers(1, 12), st.integers(1, 15))
def test_no_more_is_asked_for_than_prefetch_sessions_ahead_and_every_session_is(
    count: int, ahead: int
) -> None:
    supply = Supply(plan_of(count, prefetch=ahead))
    asked = ask(supply, supply.queued(0)[-1])
    for session in range(count):
        asked += ask(supply, supply.queued(session)[-1] + 1)
        assert max(untils(asked)) <= session + ahead
    assert untils(asked) == sorted(set(untils(asked)))
    assert max(untils(asked)) == count - 1


def ask(supply: Supply, until: int) -> list[Send]:
    supply.want(until)
    return list(supply.ask())


def untils(asked: list[Send]) -> list[int]:
    return [send.message.until for send in asked if isinstance(send.message, LoadSessions)]


@pytest.mark.parametrize("history", [0, 2])
def test_history_is_asked_for_only_where_there_is_any(history: int) -> None:
    assert untils(ask(Supply(plan_of(1, history)), -1)) == [-1] * (history > 0)


def test_history_is_taken_in_order_as_it_comes() -> None:
    plan = plan_of(1, history=2, kept=2)
    supply = Supply(plan)
    assert supply.take_history() is None
    for index in (-2, -1):
        assert not supply.history_is_taken
        deliver(supply, plan, index)
        tape = supply.take_history()
        assert tape is not None
        assert tape.session == index
    assert supply.history_is_taken
    assert supply.take_history() is None


def test_a_session_is_ready_when_all_that_is_queued_with_it_is_there() -> None:
    plan = plan_of(3, prefetch=2)
    supply = Supply(plan)
    deliver(supply, plan, 0)
    assert not supply.is_ready_for(0)
    deliver(supply, plan, 1)
    assert supply.is_ready_for(0)
    assert supply.take(0).session == 0


@given(st.integers(0, 5))
def test_counts_of_delivered_bars_do_not_pile_up(kept: int) -> None:
    plan = plan_of(20, kept=kept)
    supply = Supply(plan)
    for session in range(20):
        deliver(supply, plan, session)
        supply.take(session)
        supply.forget(session)
        assert sorted(supply.delivered) == list(range(max(0, session - kept + 1), session + 1))


def spans(asked: list[Send]) -> list[tuple[int, int]]:
    return [(m.since, m.until) for m in (send.message for send in asked) if isinstance(m, LoadSessions)]


@given(st.integers(1, 8), st.integers(0, 3), st.integers(1, 3), st.integers(0, 8))
def test_a_loader_that_starts_anew_is_asked_for_exactly_what_has_not_come(
    sessions: int, history: int, ahead: int, arrived: int
) -> None:
    plan = plan_of(sessions, history, ahead, kept=history)
    supply = Supply(plan)
    assert list(supply.ask_again()) == []
    asked = ask(supply, -1)
    asked += ask(supply, supply.queued(0)[-1])
    last = spans(asked)[-1][1]
    came = range(-history, min(-history + arrived, last + 1))
    for index in came:
        deliver(supply, plan, index)
    missing = range(came.stop, last + 1)
    again = spans(list(supply.ask_again()))
    assert again == ([(missing[0], missing[-1])] if missing else [])
    for index in missing:
        deliver(supply, plan, index)
    assert list(supply.ask_again()) == []


@given(st.integers(-2, 5), st.integers(0, 3), st.integers(0, 4))
def test_a_supply_that_was_restored_asks_for_what_is_needed_and_no_session_twice(
    first: int, ahead: int, kept: int
) -> None:
    plan = plan_of(6, history=2, kept=kept)
    supply = Supply(plan)
    counts = {session: {0: 3} for session in range(-2, first)}
    supply.restore(first, first + ahead - 1, counts)
    assert spans(list(supply.ask_again())) == ([(first, first + ahead - 1)] if ahead else [])
    assert supply.history_is_taken is (first >= 0)
    assert set(supply.delivered) == set(range(max(-2, first - 1 - kept), first))
    further = spans(ask(supply, 5))
    assert further == ([(first + ahead, 5)] if first + ahead <= 5 else [])
