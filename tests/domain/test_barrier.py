from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.domain.barrier import Barrier, OutOfTurn
from actors.domain.roles import RoleError
from protocol.blocks import NO_BARS, NO_QUALITY, TimeBlock
from protocol.messages import Derived, Quality, RawWindow


def window(seq: int, session: int = 0) -> RawWindow:
    return RawWindow(
        seq, session, first=False, last=False, steps=TimeBlock(0, b""), block=NO_BARS, defects=()
    )


def derived(seq: int) -> Derived:
    return Derived(seq, NO_BARS, 0)


def quality(seq: int) -> Quality:
    return Quality(seq, NO_QUALITY, ())


def launched(count: int, members: tuple[str, ...] = ("a", "b")) -> Barrier:
    barrier = Barrier(members, credit=count)
    for seq in range(count):
        barrier.launch(window(seq))
    return barrier


def answer(barrier: Barrier, seq: int) -> None:
    barrier.on_derived(derived(seq))
    barrier.on_quality(quality(seq))


def sealed(barrier: Barrier, session: int = 0) -> list[int]:
    return [flight.window.seq for flight in barrier.take_sealable(session)]


def landed(barrier: Barrier) -> list[int]:
    return [flight.window.seq for flight in barrier.take_landed()]


@given(st.integers(0, 5), st.integers(-1, 8))
def test_an_answer_to_any_window_but_the_next_is_out_of_turn(done: int, seq: int) -> None:
    barrier = launched(6)
    for before in range(done):
        answer(barrier, before)
    if seq == done:
        answer(barrier, seq)
        return
    for actor, send in (("processor", barrier.on_derived), ("quality", barrier.on_quality)):
        with pytest.raises(OutOfTurn, match=f"{actor} answered window {seq} where {done} was due") as caught:
            send(derived(seq) if actor == "processor" else quality(seq))  # type: ignore[arg-type]
        assert (caught.value.actor, caught.value.expected, caught.value.received) == (actor, done, seq)


@given(st.integers(0, 5), st.integers(-1, 8))
def test_an_acknowledgement_of_any_window_but_the_next_is_out_of_turn(done: int, seq: int) -> None:
    barrier = launched(6)
    for before in range(6):
        answer(barrier, before)
    assert sealed(barrier) == list(range(6))
    for before in range(done):
        barrier.on_ack("a", before)
    if seq == done:
        barrier.on_ack("a", seq)
    else:
        with pytest.raises(OutOfTurn):
            barrier.on_ack("a", seq)


def test_an_acknowledgement_before_the_window_is_sealed_is_refused() -> None:
    barrier = launched(1)
    with pytest.raises(RoleError, match="a acknowledged window 0, which was not sealed"):
        barrier.on_ack("a", 0)


def test_an_acknowledgement_of_somebody_who_is_no_member_is_refused() -> None:
    barrier = launched(1)
    answer(barrier, 0)
    assert sealed(barrier) == [0]
    with pytest.raises(RoleError, match="stranger acknowledged window 0"):
        barrier.on_ack("stranger", 0)


def test_an_acknowledgement_of_a_window_that_has_landed_is_out_of_turn() -> None:
    barrier = launched(1, members=("a",))
    answer(barrier, 0)
    assert sealed(barrier) == [0]
    barrier.on_ack("a", 0)
    assert landed(barrier) == [0]
    with pytest.raises(OutOfTurn):
        barrier.on_ack("a", 0)


def test_windows_are_sealed_in_the_order_of_launch_and_once() -> None:
    barrier = launched(3)
    barrier.on_derived(derived(0))
    barrier.on_derived(derived(1))
    assert sealed(barrier) == []
    barrier.on_quality(quality(0))
    assert sealed(barrier) == [0]
    answer_late = quality(1)
    barrier.on_quality(answer_late)
    barrier.on_derived(derived(2))
    barrier.on_quality(quality(2))
    assert sealed(barrier) == [1, 2]
    assert sealed(barrier) == []


def test_without_members_a_sealed_window_has_landed() -> None:
    barrier = launched(1, members=())
    assert landed(barrier) == []
    answer(barrier, 0)
    assert sealed(barrier) == [0]
    assert landed(barrier) == [0]
    assert barrier.has_credit


def test_it_names_whom_the_oldest_window_waits_for() -> None:
    barrier = Barrier(("b", "a"), credit=2)
    assert barrier.waiting_for() == ()
    barrier.launch(window(0))
    assert barrier.waiting_for() == ("processor", "quality")
    barrier.on_derived(derived(0))
    assert barrier.waiting_for() == ("quality",)
    barrier.on_quality(quality(0))
    assert sealed(barrier) == [0]
    assert barrier.waiting_for() == ("a", "b")
    barrier.on_ack("b", 0)
    assert barrier.waiting_for() == ("a",)


def test_a_member_that_is_dropped_owes_nothing_not_even_for_windows_under_way() -> None:
    barrier = launched(2)
    answer(barrier, 0)
    assert sealed(barrier) == [0]
    barrier.on_ack("a", 0)
    assert landed(barrier) == []
    barrier.drop("b")
    assert barrier.waiting_for() == ()
    assert landed(barrier) == [0]
    answer(barrier, 1)
    assert sealed(barrier) == [1]
    assert barrier.waiting_for() == ("a",)
    barrier.on_ack("a", 1)
    assert landed(barrier) == [1]


@pytest.mark.parametrize("actor", ["stranger", "processor", "b"])
def test_only_who_is_a_member_can_be_dropped(actor: str) -> None:
    barrier = launched(1)
    barrier.drop("b")
    with pytest.raises(RoleError, match=f"{actor} cannot be dropped: the clock does not wait for it"):
        barrier.drop(actor)


class Turns(RuleBasedStateMachine):
    """Everybody answers at his own speed, sessions begin at theirs; the barrier must agree with counters."""

    members = ("a", "b", "c")

    @initialize(credit=st.integers(1, 4))
    def begin(self, credit: int) -> None:
        self.credit = credit
        self.left = set(self.members)
        self.barrier = Barrier(self.members, credit)
        self.session = self.sealed = self.landed = 0
        self.sessions: list[int] = []
        self.answered: Counter[str] = Counter()

    @precondition(lambda self: self.barrier.has_credit)
    @rule(further=st.booleans())
    def launch(self, *, further: bool) -> None:
        session = max(self.session, *self.sessions[-1:]) + further if self.sessions else self.session
        self.barrier.launch(window(self.cut, session))
        self.sessions.append(session)

    @rule()
    def begin_session(self) -> None:
        self.session += 1

    @property
    def cut(self) -> int:
        return len(self.sessions)

    @precondition(lambda self: self.answered["processor"] < self.cut)
    @rule()
    def derive(self) -> None:
        self.barrier.on_derived(derived(self.answered["processor"]))
        self.answered["processor"] += 1

    @precondition(lambda self: self.answered["quality"] < self.cut)
    @rule()
    def judge(self) -> None:
        self.barrier.on_quality(quality(self.answered["quality"]))
        self.answered["quality"] += 1

    @rule(actor=st.sampled_from(members))
    def acknowledge(self, actor: str) -> None:
        if actor in self.left and self.answered[actor] < self.sealed:
            self.barrier.on_ack(actor, self.answered[actor])
            self.answered[actor] += 1

    @precondition(lambda self: self.left)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from(sorted(self.left)))
        self.barrier.drop(actor)
        self.left.remove(actor)

    @rule()
    def seal(self) -> None:
        complete = min(self.answered["processor"], self.answered["quality"])
        begun = sum(session <= self.session for session in self.sessions)
        sealable = max(self.sealed, min(complete, begun))
        assert sealed(self.barrier, self.session) == list(range(self.sealed, sealable))
        self.sealed = sealable

    @invariant()
    def what_is_complete_and_not_sealed_is_ready(self) -> None:
        complete = min(self.answered["processor"], self.answered["quality"])
        ready = [flight.window.seq for flight in self.barrier.ready_ahead()]
        assert ready == list(range(self.sealed, complete))

    @rule()
    def land(self) -> None:
        done = min([self.sealed, *(self.answered[actor] for actor in self.left)])
        assert landed(self.barrier) == list(range(self.landed, done))
        self.landed = done

    @invariant()
    def credit_is_kept(self) -> None:
        assert self.barrier.in_flight == self.cut - self.landed <= self.credit
        assert self.barrier.has_credit == (self.cut - self.landed < self.credit)
        assert bool(self.barrier.waiting_for()) <= bool(self.barrier.in_flight)

    @invariant()
    def it_knows_whose_windows_are_under_way(self) -> None:
        under_way = self.sessions[self.landed :]
        for session in (self.session, self.session + 1):
            assert self.barrier.has_landed(session) == all(other > session for other in under_way)
            assert self.barrier.is_ahead(session) == any(other > session for other in under_way)


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=60, stateful_step_count=40)


def test_everyone_owes_what_is_in_its_hands() -> None:
    barrier = launched(3)
    barrier.on_derived(derived(0))
    barrier.on_quality(quality(0))
    barrier.on_quality(quality(1))
    assert sealed(barrier) == [0]
    assert barrier.owed() == {"processor": 2, "quality": 1, "a": 1, "b": 1}
    barrier.on_ack("a", 0)
    barrier.drop("b")
    assert barrier.owed() == {"processor": 2, "quality": 1, "a": 0}


def raw_windows(first: int, count: int) -> list[RawWindow]:
    return [window(seq) for seq in range(first, first + count)]


@given(st.integers(0, 9), st.integers(0, 4))
def test_what_an_earlier_life_has_sealed_waits_for_every_member_anew_and_then_goes_on(
    before: int, restored: int
) -> None:
    barrier = Barrier(("a", "b"), credit=8)
    barrier.restore(raw_windows(before, restored), before + restored)
    assert (barrier.in_flight, barrier.next_seq) == (restored, before + restored)
    assert sealed(barrier) == []
    for seq in range(before, before + restored):
        for actor in ("a", "b"):
            assert landed(barrier) == []
            barrier.on_ack(actor, seq)
        assert landed(barrier) == [seq]
    barrier.launch(window(before + restored))
    answer(barrier, before + restored)
    assert sealed(barrier) == [before + restored]


@given(st.integers(0, 6), st.integers(0, 6))
def test_a_new_process_of_a_member_owes_what_its_predecessor_had_not_acknowledged(
    done: int, sealed_count: int
) -> None:
    barrier = launched(6)
    for seq in range(sealed_count):
        answer(barrier, seq)
    sealed(barrier)
    done = min(done, sealed_count)
    for seq in range(done):
        barrier.on_ack("a", seq)
    assert barrier.admit("a") == done
    assert barrier.next_seq == sealed_count
    for seq in range(done, sealed_count):
        barrier.on_ack("a", seq)


@given(st.integers(0, 4))
def test_a_new_member_owes_every_window_from_the_first_that_is_not_sealed(sealed_count: int) -> None:
    barrier = launched(4)
    for seq in range(sealed_count):
        answer(barrier, seq)
    sealed(barrier)
    assert barrier.admit("late") == barrier.next_seq == sealed_count
    for seq in range(sealed_count, 4):
        answer(barrier, seq)
    sealed(barrier)
    for seq in range(4):
        barrier.on_ack("a", seq)
        barrier.on_ack("b", seq)
    assert landed(barrier) == list(range(sealed_count))
    for seq in range(sealed_count, 4):
        barrier.on_ack("late", seq)
        assert landed(barrier) == [seq]


@pytest.mark.parametrize("actor", ["processor", "quality"])
@given(st.integers(0, 4), st.integers(0, 4))
def test_a_new_process_answers_every_window_that_is_not_sealed_again(
    actor: str, both: int, more: int
) -> None:
    barrier = launched(4)
    for seq in range(both):
        answer(barrier, seq)
    sealed(barrier)
    for seq in range(both, max(both, more)):
        barrier.on_derived(derived(seq)) if actor == "processor" else barrier.on_quality(quality(seq))
    assert [raw.seq for raw in barrier.readmit(actor)] == list(range(both, 4))
    for seq in range(both, 4):
        barrier.on_derived(derived(seq)) if actor == "processor" else barrier.on_quality(quality(seq))
    assert sealed(barrier) == []
    for seq in range(both, 4):
        barrier.on_quality(quality(seq)) if actor == "processor" else barrier.on_derived(derived(seq))
        assert sealed(barrier) == [seq]
