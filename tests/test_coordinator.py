from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.coordinator import NEWS_NS, PROGRESS_NS, Coordinator
from actors.domain.account import LostInTransit
from actors.domain.barrier import OutOfTurn
from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.roles import Done, Effect, Log, LogLines, RoleError, Send, Wake
from actors.domain.session_plan import (
    Flow,
    Rules,
    Session,
    SessionPlan,
    StrategySpec,
    Stream,
)
from actors.processor import Processor
from actors.quality import QualityManager
from protocol import topics
from protocol.blocks import BAR_DTYPE, BarBlock, as_times, bar_block
from protocol.lifecycle import Phase
from protocol.messages import (
    Ack,
    Derived,
    Drop,
    Finished,
    Hello,
    Join,
    Leave,
    LoadFailed,
    LoadReport,
    LoadSessions,
    Message,
    PhaseEvent,
    Progress,
    Quality,
    RawWindow,
    Ready,
    RunEnd,
    SealedWindow,
    SessionBars,
    SessionReport,
    Signal,
    Signals,
    Stop,
    StreamClosed,
    StreamLoad,
)
from tests.plans import MINUTE, OPEN, make_plan, make_session

LENGTH = 10
MINUTELY = Interval(1, "m")
MEMBER = "analysis-a"
SIGNAL = Signal(OPEN, "A", "BUY", 1.0, 1.0, "")


def plan_of(
    flow: Flow,
    history: int = 1,
    sessions: int = 2,
    rules: Rules | None = None,
    members: tuple[str, ...] = (MEMBER,),
) -> SessionPlan:
    days = [make_session(index, LENGTH, f"day {index}") for index in range(-history, sessions)]
    streams = [
        Stream(0, "A", "1m", "STREAMED", "", None, history),
        Stream(1, "A", "5m", "GENERATED", "", 0, history),
    ]
    strategies = tuple(StrategySpec(actor, actor, "", {}) for actor in members)
    return make_plan(days, streams, strategies=strategies, flow=flow, rules=rules or Rules())


def session_block(session: Session) -> BarBlock:
    """Make all bars of a session but its second."""
    bars = np.zeros(LENGTH, BAR_DTYPE)
    bars["n_base"] = bars["n_expected"] = 1
    bars["open_ts"], bars["close_ts"] = expected_opens(session, MINUTELY), expected_closes(session, MINUTELY)
    return bar_block(np.delete(bars, 1))


class Desk:
    """Everybody around the coordinator, prompt and correct; what is held back is answered by hand."""

    def __init__(self, plan: SessionPlan, hold: Iterable[type[Message]] = ()) -> None:
        self.plan = plan
        self.coordinator = Coordinator("coordinator", plan)
        self.effects: list[Effect] = []
        self.held: deque[Message] = deque()
        self.wake_ns: int | None = None
        self._hold = tuple(hold)
        self._members = tuple(spec.actor for spec in plan.strategies)
        self._processor = Processor("processor", plan)
        self._quality = QualityManager("quality", plan)
        self._loaded = -len(plan.history)
        self._answers: deque[Message] = deque()
        self._bars = 0

    def begin(self, now_ns: int = 0) -> "Desk":
        self.at(now_ns)
        self.take(self.coordinator.begin())
        return self

    def at(self, now_ns: int) -> None:
        self.take(self.coordinator.on_time(now_ns))

    def wake(self) -> None:
        self.take(self.coordinator.on_wake())

    def say(self, message: Message) -> None:
        self.take(self.coordinator.on_message(message))

    def release(self) -> None:
        while self.held:
            self.say(self.held.popleft())

    def take(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self.effects.append(effect)
            if isinstance(effect, Wake):
                self.wake_ns = effect.at_ns
            if isinstance(effect, Send):
                self._answers.extend(self._reply(effect.message))
        while self._answers:
            answer = self._answers.popleft()
            if isinstance(answer, self._hold):
                self.held.append(answer)
            else:
                self.take(self.coordinator.on_message(answer))

    def sent(self, kind: type[Any]) -> list[Any]:
        return [
            effect.message
            for effect in self.effects
            if isinstance(effect, Send) and isinstance(effect.message, kind)
        ]

    @property
    def lines(self) -> list[str]:
        texts: list[str] = []
        for effect in self.effects:
            if isinstance(effect, Log):
                texts.append(effect.text)
            elif isinstance(effect, LogLines):
                texts += effect.texts
        return [text.removeprefix("[SESSION_FLOW] ") for text in texts]

    @property
    def is_done(self) -> bool:
        return any(isinstance(effect, Done) for effect in self.effects)

    def _reply(self, message: Message) -> list[Message]:
        match message:
            case LoadSessions():
                return self._load(message.until)
            case RawWindow():
                return [*self._from_role(self._processor, message), *self._from_role(self._quality, message)]
            case SealedWindow():
                self._bars += message.block.n
                return [Ack(member, message.seq, ()) for member in self._members]
            case RunEnd():
                roles = [*self._from_role(self._processor, message), *self._from_role(self._quality, message)]
                return [*roles, *(Leave(name, message.windows, self._bars, ()) for name in self._members)]
            case StreamClosed():
                return [Leave("recorder", len(self.sent(SealedWindow)), self._bars, ())]
        return []

    def _from_role(self, role: Processor | QualityManager, message: Message) -> list[Message]:
        return [effect.message for effect in role.on_message(message) if isinstance(effect, Send)]

    def _load(self, until: int) -> list[Message]:
        messages: list[Message] = []
        for index in range(self._loaded, until + 1):
            block = session_block(self.plan.session(index))
            messages += (
                SessionBars(index, block, ()),
                LoadReport(index, (StreamLoad(0, LENGTH, block.n),), 0),
            )
        self._loaded = max(self._loaded, until + 1)
        return messages


def test_a_whole_run_ends_with_the_verdict_once_everybody_has_left() -> None:
    desk = Desk(plan_of(Flow())).begin()
    (finished,) = desk.sent(Finished)
    assert desk.is_done
    assert (finished.interrupted, finished.bars) == (False, 2 * (LENGTH - 1))
    order = [
        type(message)
        for message in desk.sent(Message)
        if isinstance(message, RunEnd | StreamClosed | Finished)
    ]
    assert order == [RunEnd, StreamClosed, Finished]
    assert [(load.until) for load in desk.sent(LoadSessions)] == [-1, 0, 1]


def test_the_log_of_a_session_has_its_lines_in_order() -> None:
    desk = Desk(plan_of(Flow(), history=0, sessions=1)).begin()
    ids = [line.split(":")[0] for line in desk.lines]
    steps = ["PHASE_5.2", "PHASE_5.3"] * (LENGTH - 1)
    assert ids == [
        *("3", "3.b.2.PHASE_1", "PHASE_1.1", "PHASE_1.2", "PHASE_1.2", "PHASE_1.3", "PHASE_1.4"),
        *("3.b.2.PHASE_1", "3.b.2.PHASE_2", "PHASE_2.1", "PHASE_2.3", "3.b.2.PHASE_2"),
        *("3.b.2.PHASE_3", "PHASE_3.2", "PHASE_3.2", "PHASE_3.2", "PHASE_3.2", "PHASE_3.2", "3.b.2.PHASE_3"),
        *("3.b.2.PHASE_4", "PHASE_4.1", "3.b.2.PHASE_4", "3.b.2.PHASE_5", "PHASE_5.1", *steps),
        *("PHASE_5.2", "PHASE_5.SUMMARY", "3.b.2.PHASE_5", "3.b.2.PHASE_6", "3.b.2.PHASE_6"),
        *("3.b.2.CHECK", "3.b"),
    ]
    assert "PHASE_5.SUMMARY: 9 iterations, 9 bars, final time = 09:40:00" in desk.lines


def test_no_window_is_cut_beyond_the_credit() -> None:
    desk = Desk(plan_of(Flow(window_steps=1, credit=3), history=0), hold=[Ack]).begin()
    assert len(desk.sent(RawWindow)) == 3
    desk.say(desk.held.popleft())
    assert len(desk.sent(RawWindow)) == 4
    desk.say(desk.held.popleft())
    desk.say(desk.held.popleft())
    assert len(desk.sent(RawWindow)) == 6


def test_the_next_phase_waits_for_the_last_acknowledgement() -> None:
    desk = Desk(plan_of(Flow(), history=0), hold=[Ack]).begin()
    last = desk.sent(PhaseEvent)[-1]
    assert (last.session, last.phase, last.state) == (0, 5, "started")
    desk.say(desk.held.popleft())
    last = desk.sent(PhaseEvent)[-1]
    assert (last.session, last.phase, last.state) == (1, 5, "started")


def test_history_is_complete_once_everybody_has_handled_it() -> None:
    desk = Desk(plan_of(Flow()), hold=[Ack]).begin()
    last = desk.sent(PhaseEvent)[-1]
    assert (last.session, last.phase, last.state) == (0, 2, "started")
    desk.say(desk.held.popleft())
    assert "PHASE_2.3: Historical quality: 90.0% average across 2 symbol/interval pairs" in desk.lines


def step_times(desk: Desk) -> list[int]:
    return [time for window in desk.sent(RawWindow) for time in as_times(window.steps).tolist()]


speeds = st.sampled_from([0.37, 1.0, 3.7, 60.0, 12_345.678, 1e9])


@settings(max_examples=40)
@given(speeds, st.integers(0, 2**50), st.sampled_from([1, 8]))
def test_a_paced_step_is_released_exactly_at_its_deadline_and_the_night_is_skipped(
    speed: float, start_ns: int, credit: int
) -> None:
    desk = Desk(plan_of(Flow(speed=speed, credit=credit), history=0)).begin(start_ns)
    for index in range(2):
        began_ns, opened = start_ns, OPEN + index * 1440 * MINUTE
        for step in range(1, LENGTH):
            deadline = began_ns + np.ceil(step * MINUTE / speed)
            assert desk.wake_ns == pytest.approx(deadline, abs=1)
            now_ns = desk.wake_ns or 0
            desk.at(now_ns - 1)
            desk.wake()
            assert step_times(desk)[-1] == opened + step * MINUTE
            desk.at(now_ns)
            desk.wake()
            start_ns = now_ns
    assert desk.is_done
    assert [report.lag_ns for report in desk.sent(SessionReport)] == [0, 0]


def test_a_late_wake_releases_all_that_is_due_and_later_deadlines_do_not_move() -> None:
    desk = Desk(plan_of(Flow(speed=1.0), history=0, sessions=1)).begin()
    desk.at(3 * MINUTE + 5)
    desk.wake()
    assert len(step_times(desk)) == 4
    assert desk.wake_ns == 4 * MINUTE
    desk.at(9 * MINUTE)
    desk.wake()
    assert desk.is_done
    assert [report.lag_ns for report in desk.sent(SessionReport)] == [5 * MINUTE]
    assert [finished.lag_ns for finished in desk.sent(Finished)] == [5 * MINUTE]


def test_a_run_that_is_stopped_while_late_says_how_late_it_was() -> None:
    desk = Desk(plan_of(Flow(speed=1.0), history=0, sessions=1)).begin()
    desk.at(3 * MINUTE)
    desk.wake()
    desk.say(Stop("enough"))
    assert [finished.lag_ns for finished in desk.sent(Finished)] == [2 * MINUTE]


def test_history_is_not_paced() -> None:
    desk = Desk(plan_of(Flow(speed=1.0))).begin()
    assert [window.session for window in desk.sent(RawWindow)] == [-1, 0]
    assert desk.wake_ns == MINUTE


def test_the_next_session_is_cut_while_strategies_are_busy_and_published_once_it_streams() -> None:
    desk = Desk(plan_of(Flow(), history=0, sessions=3), hold=[Ack]).begin()
    assert [window.session for window in desk.sent(RawWindow)] == [0, 1]
    assert [window.session for window in desk.sent(SealedWindow)] == [0]
    desk.release()
    published = [message for message in desk.sent(Message) if isinstance(message, SealedWindow | PhaseEvent)]
    before = [published[place - 1] for place, it in enumerate(published) if isinstance(it, SealedWindow)]
    started = [(it.session, it.phase, it.state) for it in before if isinstance(it, PhaseEvent)]
    assert started == [(session, Phase.STREAMING, "started") for session in range(3)]


@pytest.mark.parametrize("flow", [Flow(credit=1), Flow(speed=1e12), Flow(window_steps=1, credit=1)])
def test_no_session_is_cut_before_it_begins_where_there_is_no_credit_or_a_pace(flow: Flow) -> None:
    desk = Desk(plan_of(flow, history=0), hold=[Ack]).begin()
    while not desk.is_done:
        cut = {window.session for window in desk.sent(RawWindow)}
        begun = {event.session for event in desk.sent(PhaseEvent) if event.phase == Phase.STREAMING}
        assert cut <= begun
        if desk.held:
            desk.say(desk.held.popleft())
        else:
            desk.at(desk.wake_ns or 0)
            desk.wake()


@given(st.integers(0, 60))
def test_a_stop_lets_what_is_in_flight_land_and_cuts_nothing_more(held: int) -> None:
    desk = Desk(plan_of(Flow(window_steps=1, credit=4), history=0), hold=[Ack]).begin()
    for _ in range(held):
        if desk.held:
            desk.say(desk.held.popleft())
    windows = len(desk.sent(RawWindow))
    was_over = bool(desk.sent(RunEnd))
    desk.say(Stop("enough"))
    desk.say(Stop("enough, I said"))
    desk.release()
    assert len(desk.sent(RawWindow)) == windows == len(desk.sent(SealedWindow))
    assert desk.is_done
    assert desk.sent(Finished)[0].interrupted is not was_over


def test_a_stop_while_the_loader_reads_ends_the_run_at_once() -> None:
    desk = Desk(plan_of(Flow(), history=0), hold=[SessionBars, LoadReport]).begin()
    desk.say(Stop("enough"))
    assert desk.is_done
    assert desk.sent(RawWindow) == []
    desk.release()
    assert desk.sent(RawWindow) == []
    assert len(desk.sent(Finished)) == 1


def test_signals_are_published_with_their_window_and_those_of_a_leave_before_the_stream_is_closed() -> None:
    desk = Desk(plan_of(Flow(), history=0, sessions=1), hold=[Ack, Leave]).begin()
    desk.held.clear()
    desk.say(Ack(MEMBER, 0, (SIGNAL,)))
    leaves = [leave for leave in desk.held if isinstance(leave, Leave)]
    desk.held.clear()
    for leave in leaves:
        signals = (SIGNAL, SIGNAL) if leave.actor == MEMBER else ()
        desk.say(Leave(leave.actor, leave.windows, leave.bars, signals))
    assert desk.sent(Signals) == [
        Signals(MEMBER, 0, (SIGNAL,)),
        Signals(MEMBER, 1, (SIGNAL, SIGNAL)),
    ]
    kinds = [type(message) for message in desk.sent(Message)]
    assert kinds.index(StreamClosed) > len(kinds) - 1 - kinds[::-1].index(Signals)
    desk.release()
    assert desk.sent(Finished)[0].signals == {MEMBER: 3}


def test_an_actor_that_lost_something_is_named() -> None:
    desk = Desk(plan_of(Flow(), history=0, sessions=1), hold=[Leave]).begin()
    with pytest.raises(LostInTransit, match="processor handled 0 windows"):
        desk.say(Leave("processor", 0, 0, ()))


@pytest.mark.parametrize("actor", ["processor", "recorder"])
def test_nobody_leaves_twice_or_before_the_end(actor: str) -> None:
    waiting = Desk(plan_of(Flow(), history=0), hold=[Ack]).begin()
    with pytest.raises(RoleError, match=f"{actor} left before"):
        waiting.say(Leave(actor, 0, 0, ()))
    ended = Desk(plan_of(Flow(), history=0)).begin()
    with pytest.raises(RoleError, match=f"{actor} left before"):
        ended.say(Leave(actor, 0, 0, ()))


@pytest.mark.parametrize("words", [Leave("stranger", 0, 0, (SIGNAL,)), Ack("stranger", 0, (SIGNAL,))])
def test_who_was_not_let_in_is_not_heard(words: Message) -> None:
    waiting = Desk(plan_of(Flow(), history=0), hold=[Ack]).begin()
    waiting.say(words)
    waiting.release()
    assert waiting.is_done
    assert waiting.sent(Signals) == []


def test_an_answer_out_of_turn_is_an_error() -> None:
    desk = Desk(plan_of(Flow(window_steps=1), history=0), hold=[Derived, Quality]).begin()
    later = [message for message in desk.held if isinstance(message, Derived)][1]
    with pytest.raises(OutOfTurn, match="processor answered window 1 where 0 was due"):
        desk.say(later)


@settings(max_examples=60)
@given(st.integers(0, 60), st.integers(0, 2), st.integers(1, 4))
def test_whenever_a_member_is_dropped_the_run_comes_to_the_same_end_without_it(
    dropped_after: int, goes: int, credit: int
) -> None:
    members = ("analysis-a", "analysis-b", "analysis-c")
    flow = Flow(window_steps=1, credit=credit)
    desk = Desk(plan_of(flow, members=members), hold=[Ack, Leave]).begin()
    dies, heard = members[goes], 0
    for turn in range(10_000):
        if turn == dropped_after:
            desk.say(Drop(dies, "killed"))
        if not desk.held:
            break
        message = desk.held.popleft()
        if getattr(message, "actor", "") == dies and isinstance(message, Ack):
            message = Ack(dies, message.seq, (SIGNAL,))
            heard += turn < dropped_after
        desk.say(message)
    (finished,), (whole,) = desk.sent(Finished), Desk(plan_of(flow)).begin().sent(Finished)
    assert desk.is_done
    assert (finished.data_digest, finished.stream_digest) == (whole.data_digest, whole.stream_digest)
    assert finished.interrupted is False
    assert (list(finished.dropped), finished.signals[dies]) == ([dies], heard)
    assert len(desk.sent(Signals)) == heard


def test_a_dropped_member_is_named_with_the_step_that_all_had_handled() -> None:
    flow = Flow(window_steps=1, credit=1)
    desk = Desk(plan_of(flow, history=0, members=(MEMBER, "analysis-b")), hold=[Ack]).begin()
    for _ in range(7):
        desk.say(desk.held.popleft())
    desk.say(Drop("analysis-b", "analysis-b was killed by signal 9"))
    assert (
        "analysis-b is dropped, the run goes on without it: analysis-b was killed by signal 9" in desk.lines
    )
    desk.release()
    assert desk.sent(Finished)[0].dropped == {"analysis-b": OPEN + 3 * MINUTE}


def test_a_drop_that_comes_after_the_verdict_changes_nothing() -> None:
    desk = Desk(plan_of(Flow(), history=0, members=(MEMBER, "analysis-b"))).begin()
    assert desk.is_done
    desk.say(Drop(MEMBER, "killed"))
    assert len(desk.sent(Finished)) == len(desk.sent(StreamClosed)) == 1


@pytest.mark.parametrize("actor", ["loader", "stranger"])
def test_to_drop_who_is_no_member_changes_nothing(actor: str) -> None:
    desk = Desk(plan_of(Flow(), history=0), hold=[Ack]).begin()
    desk.say(Drop(actor, "killed"))
    desk.release()
    assert desk.sent(Finished) == Desk(plan_of(Flow(), history=0)).begin().sent(Finished)


@pytest.mark.parametrize("message", [Hello("loader", 1), Join("x", "x", member=False), Ready("x", 1)])
def test_a_message_that_is_not_for_it_is_an_error(message: Message) -> None:
    desk = Desk(plan_of(Flow(), history=0), hold=[Ack]).begin()
    with pytest.raises(RoleError, match=f"does not take {type(message).__name__}"):
        desk.say(message)


def test_a_failure_of_the_loader_is_logged_and_the_run_waits_to_be_killed() -> None:
    desk = Desk(plan_of(Flow(), history=0), hold=[SessionBars, LoadReport]).begin()
    desk.say(LoadFailed(0, "A.parquet: truncated"))
    assert desk.effects[-1] == Log("ERROR", "[SESSION_FLOW] PHASE_3.2.ERROR: A.parquet: truncated")
    assert not desk.is_done


def test_progress_names_whom_it_waits_for_and_is_told_a_few_times_a_second_at_most() -> None:
    desk = Desk(plan_of(Flow(), history=0), hold=[Ack]).begin(now_ns=PROGRESS_NS)
    before = len(desk.sent(Progress))
    for now_ns in range(PROGRESS_NS, 2 * PROGRESS_NS, PROGRESS_NS // 10):
        desk.at(now_ns)
    assert len(desk.sent(Progress)) == before
    desk.at(2 * PROGRESS_NS)
    progress = desk.sent(Progress)[-1]
    assert (progress.phase, progress.waiting_for, progress.windows_in_flight) == (5, (MEMBER,), 2)
    assert progress.sim_ts == OPEN
    desk.at(2 * PROGRESS_NS + NEWS_NS)
    desk.release()
    desk.at(3 * PROGRESS_NS + NEWS_NS)
    assert desk.sent(Progress)[-1].bars == 2 * (LENGTH - 1)


def test_sessions_that_are_over_at_once_are_not_each_told() -> None:
    desk = Desk(plan_of(Flow(), history=0, sessions=9)).begin()
    first, last = desk.sent(Progress)
    assert (first.session, last.session) == (0, 8)
    assert last.bars == desk.coordinator.bars


def test_bars_that_history_held_back_do_not_count_as_held_back_in_the_run() -> None:
    desk = Desk(plan_of(Flow(), history=1, sessions=1, rules=Rules(min_coverage=1.0))).begin()
    assert desk.sent(Finished)[0].suppressed == 1


def test_what_a_session_loaded_is_forgotten_once_no_history_reaches_it() -> None:
    desk = Desk(plan_of(Flow(), history=2, sessions=9)).begin()
    assert desk.is_done
    assert sorted(desk.coordinator._supply.delivered) == [7, 8]


def test_it_publishes_on_the_topics_of_the_contract() -> None:
    desk = Desk(plan_of(Flow())).begin()
    assert desk.coordinator.subscriptions == ()
    assert {(effect.topic, type(effect.message)) for effect in desk.effects if isinstance(effect, Send)} == {
        (topics.RAW, RawWindow),
        (topics.SEALED, SealedWindow),
        (topics.to("loader"), LoadSessions),
        (topics.command("coordinator"), Progress),
        (topics.command("coordinator"), Finished),
        (topics.PHASE, PhaseEvent),
        (topics.SESSION, SessionReport),
        *((topics.CONTROL, kind) for kind in (RunEnd, StreamClosed)),
    }
