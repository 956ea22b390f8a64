"""All roles joined in memory, steered by chance: results stay the same, and orders are obeyed."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.coordinator import PROGRESS_NS
from actors.domain.session_plan import Flow, SessionPlan
from protocol.blocks import as_times
from protocol.messages import (
    Ack,
    Answer,
    Finished,
    Progress,
    RawWindow,
    RunEnd,
    Steer,
    Stop,
)
from tests.plans import MINUTE, OPEN
from tests.test_coordinator import LENGTH, Desk, plan_of
from tests.test_whole_pipeline import Exchange, Market, Storage, flows, markets, outcome, seeds, verdict
from tests.test_whole_pipeline import plan_of as plan_of_market


@dataclass(frozen=True)
class Order:
    """What is asked for, so many turns after the order before."""

    after: int
    steer: Steer


class SteeredExchange(Exchange):
    """Give orders while messages come in, and let a paused clock go on once nothing is left to do."""

    def __init__(self, plan: SessionPlan, storage: Storage, seed: int, orders: Iterable[Order]) -> None:
        super().__init__(plan, storage, seed)
        self._orders = deque(orders)
        self._given = 0
        self._waited = 0

    def _turn(self) -> None:
        self._waited += 1
        if self._orders and self._waited > self._orders[0].after:
            self._give(self._orders.popleft().steer)
        super()._turn()

    def _wake(self) -> None:
        steering = self.coordinator._steering
        if steering.is_paused:
            assert not steering._steps_left
            self._give(self._orders.popleft().steer if self._orders else Steer("ctl-1", 0, "resume"))
        elif self._wake_ns is not None:
            super()._wake()

    def _give(self, steer: Steer) -> None:
        self._waited = 0
        self._given += 1
        order = msgspec.structs.replace(steer, request=self._given)
        self._send("client", "command/supervisor", order)
        self._perform("coordinator", self.coordinator.on_message(order))


instants = st.builds(
    lambda day, minute: OPEN + (day * 1440 + minute) * MINUTE, st.integers(0, 4), st.integers(0, 18)
)
steers = st.one_of(
    st.sampled_from([Steer("ctl-1", 0, "pause"), Steer("ctl-1", 0, "resume")]),
    st.builds(lambda n: Steer("ctl-1", 0, "step", steps=n), st.integers(0, 9)),
    st.builds(lambda at: Steer("ctl-1", 0, "until", until_ts=at), instants),
    st.builds(
        lambda x: Steer("ctl-1", 0, "speed", speed=x), st.sampled_from([0.0, 1.0, 3.7, 1e6, -1.0, 1e-9])
    ),
)
orders = st.lists(st.builds(Order, st.integers(0, 40), steers), max_size=25)
quickly = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


going_or_paused = st.builds(
    lambda flow, paused: msgspec.structs.replace(flow, paused=paused), flows, st.booleans()
)


def steered(market: Market, flow: Flow, seed: int, given: list[Order]) -> SteeredExchange:
    skipped = market.skipped if len(market.symbols) > 1 else ()
    plan = plan_of_market(market.kinds, market.symbols, market.engines, market.history, skipped, flow)
    exchange = SteeredExchange(plan, market.storage(plan), seed, given)
    exchange.run()
    return exchange


@quickly
@given(markets, going_or_paused, flows, seeds, orders)
def test_no_sequence_of_orders_changes_a_digest_or_what_strategies_see(
    market: Market, one: Flow, other: Flow, seed: int, given: list[Order]
) -> None:
    assert outcome(steered(market, one, seed, given)) == outcome(market.play(other, seed)[1])


class Clockwork:
    """What the clock was allowed, by what was agreed to, in the order of events."""

    def __init__(self, *, paused: bool) -> None:
        self.paused = paused
        self.left = 0
        self.until: int | None = None

    def agree(self, steer: Steer) -> None:
        if steer.action in ("pause", "step"):
            self.left = self.left + steer.steps if steer.action == "step" else 0
            self.paused, self.until = True, None
        elif steer.action in ("resume", "until"):
            self.paused, self.until, self.left = False, steer.until_ts, 0

    def cut(self, window: RawWindow) -> None:
        steps = as_times(window.steps).tolist()
        if self.paused:
            assert self.left, "it was cut while the clock stood still"
            if window.session >= 0:
                assert len(steps) == 1
                self.left -= 1
        if self.until is not None:
            assert steps[-1] <= self.until


@quickly
@given(markets, going_or_paused, seeds, orders)
def test_what_is_cut_is_what_the_orders_before_allow(
    market: Market, flow: Flow, seed: int, given: list[Order]
) -> None:
    exchange = steered(market, flow, seed, given)
    clockwork, asked = Clockwork(paused=flow.paused), {0: Steer("ctl-1", 0, "pause")}
    credit, answers = flow.credit, 0
    for event in exchange.log:
        assert event.cut - event.landed <= credit
        if isinstance(event.message, Steer):
            asked[event.message.request] = event.message
        if isinstance(event.message, Answer):
            answers += 1
            if event.message.accepted:
                clockwork.agree(asked[event.message.request])
        if isinstance(event.message, RawWindow):
            clockwork.cut(event.message)
    assert answers == len(asked) - 1
    assert not verdict(exchange).interrupted


@quickly
@given(markets, flows, seeds, st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_so_many_steps_as_are_asked_for_are_cut_across_sessions(
    market: Market, flow: Flow, seed: int, numbers: list[int]
) -> None:
    given = [Order(10**9, Steer("ctl-1", 0, "step", steps=number)) for number in numbers]
    exchange = steered(market, msgspec.structs.replace(flow, paused=True), seed, given)
    counts, steps = [], 0
    for event in exchange.log:
        if isinstance(event.message, RawWindow) and event.message.session >= 0:
            steps += event.message.steps.n
        if isinstance(event.message, Steer):
            counts.append(steps)
    counts.append(steps)
    total = sum(window.steps.n for window in exchange.sent(RawWindow) if window.session >= 0)
    expected = [min(sum(numbers[:n]), total) for n in range(len(numbers))]
    assert counts[: len(expected)] == expected[: len(counts)]


def last_progress(desk: Desk) -> Progress:
    progress = desk.sent(Progress)[-1]
    assert isinstance(progress, Progress)
    return progress


def say(desk: Desk, action: str, **details: object) -> Answer:
    desk.say(Steer("ctl-1", 7, action, **details))  # type: ignore[arg-type]
    answer = desk.sent(Answer)[-1]
    assert isinstance(answer, Answer)
    assert (answer.client, answer.request) == ("ctl-1", 7)
    return answer


def cut_steps(desk: Desk) -> list[int]:
    windows = [window for window in desk.sent(RawWindow) if window.session >= 0]
    return [step for window in windows for step in as_times(window.steps).tolist()]


PAUSED = Flow(paused=True, speed=1.0, credit=2)


def test_a_run_that_starts_paused_waits_before_history_and_says_so() -> None:
    desk = Desk(plan_of(PAUSED)).begin()
    assert desk.sent(RawWindow) == []
    progress = last_progress(desk)
    assert (progress.paused, progress.phase, progress.sim_ts) == (True, 2, OPEN)
    assert (progress.speed, progress.credit, progress.until_ts) == (1.0, 2, None)
    assert say(desk, "step", steps=1).text == "1 step from 2025-07-02T09:30:00-04:00, then paused"
    assert [window.session for window in desk.sent(RawWindow)] == [-1, 0]
    assert cut_steps(desk) == [OPEN + MINUTE]


def test_a_pause_is_told_at_once_and_again_when_all_has_landed() -> None:
    desk = Desk(plan_of(Flow(window_steps=1, credit=3), history=0), hold=[Ack]).begin()
    before = len(desk.sent(Progress))
    assert say(desk, "pause").text == "paused at 2025-07-02T09:33:00-04:00"
    assert len(desk.sent(Progress)) == before + 1
    assert (last_progress(desk).paused, last_progress(desk).windows_in_flight) == (True, 3)
    assert last_progress(desk).owed == {"processor": 0, "quality": 0, "analysis-a": 3}
    desk.release()
    assert len(desk.sent(Progress)) == before + 2
    assert (last_progress(desk).windows_in_flight, last_progress(desk).sim_ts) == (0, OPEN + 3 * MINUTE)
    say(desk, "resume")
    assert last_progress(desk).paused is False
    assert len(cut_steps(desk)) == 6


def test_steps_do_not_wait_for_their_deadlines_and_going_on_does_not_catch_up() -> None:
    desk = Desk(plan_of(PAUSED, history=0, sessions=1)).begin()
    say(desk, "step", steps=3)
    assert len(cut_steps(desk)) == 3
    desk.at(1000 * MINUTE)
    assert say(desk, "resume").text == "goes on from 2025-07-02T09:33:00-04:00"
    assert len(cut_steps(desk)) == 3
    assert desk.wake_ns == 1001 * MINUTE
    desk.at(1001 * MINUTE)
    desk.wake()
    assert len(cut_steps(desk)) == 4
    say(desk, "speed", speed=0.0)
    assert desk.is_done
    assert desk.sent(Finished)[0].lag_ns == 0


def test_another_speed_holds_from_the_last_step_on() -> None:
    desk = Desk(plan_of(Flow(speed=1.0), history=0, sessions=1)).begin()
    desk.at(MINUTE)
    desk.wake()
    desk.at(MINUTE + MINUTE // 2)
    assert say(desk, "speed", speed=60.0).text == "speed 60"
    assert desk.wake_ns == MINUTE + MINUTE // 2 + MINUTE // 60
    assert last_progress(desk).speed in (1.0, 60.0)
    desk.at(desk.wake_ns + PROGRESS_NS)
    assert last_progress(desk).speed == 60.0


def test_an_instant_to_run_until_is_reached_and_may_be_where_the_clock_is() -> None:
    desk = Desk(plan_of(Flow(paused=True), history=0)).begin()
    for minute in (4, 4, 6):
        assert say(desk, "until", until_ts=OPEN + minute * MINUTE).accepted
        assert cut_steps(desk)[-1] == OPEN + minute * MINUTE
        assert last_progress(desk).paused


def test_steps_that_are_asked_for_before_others_are_cut_add_up() -> None:
    desk = Desk(plan_of(Flow(paused=True, credit=1), history=0), hold=[Ack]).begin()
    say(desk, "step", steps=2)
    assert say(desk, "step", steps=3).text == "4 steps from 2025-07-02T09:31:00-04:00, then paused"
    desk.release()
    assert len(cut_steps(desk)) == 5


def test_until_runs_to_the_last_step_that_is_not_later_and_then_stands_still() -> None:
    desk = Desk(plan_of(Flow(paused=True), history=0)).begin()
    until = OPEN + 5 * MINUTE + 7
    assert say(desk, "until", until_ts=until).text == "runs until 2025-07-02T09:35:00-04:00, then pauses"
    assert cut_steps(desk)[-1] == OPEN + 5 * MINUTE
    assert (last_progress(desk).paused, last_progress(desk).sim_ts) == (True, OPEN + 5 * MINUTE)
    refused = say(desk, "until", until_ts=OPEN + 5 * MINUTE - 1)
    assert not refused.accepted
    assert (
        refused.text == "2025-07-02T09:34:59.999999-04:00 is past: the clock is at 2025-07-02T09:35:00-04:00"
    )
    say(desk, "until", until_ts=OPEN + 700 * MINUTE)
    assert len(cut_steps(desk)) == LENGTH
    assert say(desk, "resume").accepted
    assert desk.is_done


@pytest.mark.parametrize(
    ("steer", "words"),
    [
        (Steer("ctl-1", 7, "step"), "0 steps are none"),
        (Steer("ctl-1", 7, "until"), "there is no time"),
        (Steer("ctl-1", 7, "speed"), "a speed is 0, or from 0.001 to 1e+12"),
        (Steer("ctl-1", 7, "speed", speed=-1.0), "a speed is 0"),
        (Steer("ctl-1", 7, "speed", speed=1e-300), "a speed is 0"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_and_changes_nothing(steer: Steer, words: str) -> None:
    desk = Desk(plan_of(Flow(paused=True), history=0)).begin()
    desk.say(steer)
    (answer,) = desk.sent(Answer)
    assert not answer.accepted
    assert words in answer.text
    assert cut_steps(desk) == []


def test_a_run_that_is_ending_is_steered_no_more() -> None:
    desk = Desk(plan_of(Flow(paused=True), history=0), hold=[Ack]).begin()
    say(desk, "step", steps=1)
    desk.say(Stop("enough"))
    assert say(desk, "step", steps=1).text == "the run is at its end"
    desk.release()
    assert (len(desk.sent(RunEnd)), len(cut_steps(desk))) == (1, 1)


def test_a_paused_run_that_is_stopped_ends() -> None:
    desk = Desk(plan_of(Flow(paused=True))).begin()
    desk.say(Stop("enough"))
    assert desk.is_done
    assert desk.sent(Finished)[0].interrupted


def test_a_run_all_of_whose_steps_are_cut_ends_though_it_is_paused() -> None:
    desk = Desk(plan_of(Flow(paused=True), history=0)).begin()
    say(desk, "step", steps=2 * LENGTH)
    assert desk.is_done
    assert not desk.sent(Finished)[0].interrupted
