from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from actors.domain.exit_codes import ExitCode
from actors.supervisor.decisions import STOP_S, begin, decide
from actors.supervisor.events import (
    Action,
    Complained,
    Concluded,
    Dump,
    Event,
    Examined,
    Exited,
    Greeted,
    Interrupted,
    Joined,
    Kill,
    Note,
    Seen,
    Tell,
    Ticked,
)
from actors.supervisor.restarts import JOIN_S
from actors.supervisor.run_state import Stage, State, Trouble, alive
from actors.supervisor.silence import ABSENT_S, BUSY_FACTOR, DUMP_S
from actors.supervisor.steering import DRAIN_S
from actors.supervisor.trouble import KILL_S
from protocol.lifecycle import ActorState
from protocol.messages import Connect, Drop, Stop, Verdict
from tests.plans import make_finished
from tests.supervisor.decided import after

ACTORS = ("coordinator", "loader", "analysis-a")
STALL_S = 30.0
START_NS = 1_000_000_000_000
FINISHED = make_finished(bars=1)
CUT_SHORT = make_finished(bars=1, interrupted=True)
STARTED = begin({name: name.partition("-")[0] for name in ACTORS}, START_NS, STALL_S)
GREETINGS = [Greeted(name, pid) for pid, name in enumerate(ACTORS, start=100)]
JOINS = [Joined(name) for name in ACTORS]


def ticks(state: State, seconds: float, cpu_of: str | None = None, seen: Iterable[str] = ()) -> list[Event]:
    """Let time pass as the supervisor does, in steps; some actors are seen, one uses its processor."""
    events: list[Event] = []
    for passed in range(1, round(seconds) + 1):
        events += [Seen(name) for name in seen]
        cpu = {} if cpu_of is None else {cpu_of: passed}
        events.append(Ticked(state.now_ns + passed * 1_000_000_000, cpu))
    return events


RUNNING = after(STARTED, [*GREETINGS, *JOINS])[0]
DRAINING = after(RUNNING, [Interrupted()])[0]
STOPPING = after(RUNNING, [Concluded(FINISHED)])[0]
KILLING = after(RUNNING, [Complained("loader", 4, "no file")])[0]
OVER = after(STOPPING, [Exited(name, 0) for name in ACTORS])[0]
STAGES = {
    Stage.STARTING: STARTED,
    Stage.RUNNING: RUNNING,
    Stage.DRAINING: DRAINING,
    Stage.STOPPING: STOPPING,
    Stage.KILLING: KILLING,
    Stage.OVER: OVER,
}
TABLE: list[tuple[Event, dict[Stage, Stage]]] = [
    (Greeted("loader", 7), {}),
    (Joined("loader"), {}),
    (Seen("loader"), {}),
    (
        Concluded(FINISHED),
        {
            Stage.STARTING: Stage.STOPPING,
            Stage.RUNNING: Stage.STOPPING,
            Stage.DRAINING: Stage.STOPPING,
        },
    ),
    (
        Complained("loader", 4, "no file"),
        {
            Stage.STARTING: Stage.KILLING,
            Stage.RUNNING: Stage.KILLING,
            Stage.DRAINING: Stage.KILLING,
            Stage.STOPPING: Stage.KILLING,
        },
    ),
    (
        Exited("loader", 0),
        {
            Stage.STARTING: Stage.KILLING,
            Stage.RUNNING: Stage.KILLING,
            Stage.DRAINING: Stage.KILLING,
        },
    ),
    (
        Exited("loader", -9),
        {
            Stage.STARTING: Stage.KILLING,
            Stage.RUNNING: Stage.KILLING,
            Stage.DRAINING: Stage.KILLING,
        },
    ),
    (
        Interrupted(),
        {
            Stage.STARTING: Stage.KILLING,
            Stage.RUNNING: Stage.DRAINING,
            Stage.DRAINING: Stage.KILLING,
        },
    ),
]


@pytest.mark.parametrize("stage", STAGES, ids=str)
@pytest.mark.parametrize(("event", "leads"), TABLE, ids=[type(event).__name__ for event, _ in TABLE])
def test_every_event_in_every_stage_leads_where_the_table_says(
    stage: Stage, event: Event, leads: dict[Stage, Stage]
) -> None:
    before = STAGES[stage]
    assert before.stage is stage
    assert decide(before, event)[0].stage is leads.get(stage, stage)


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_a_tick_within_all_deadlines_changes_nothing_but_the_time(stage: Stage) -> None:
    state, actions = decide(STAGES[stage], Ticked(START_NS + 1, {}))
    assert (state.stage, actions) == (stage, [])
    assert state.now_ns == START_NS + 1


def test_nobody_connects_before_the_coordinator_has_greeted() -> None:
    coordinator, loader, analysis = GREETINGS
    state, actions = decide(STARTED, loader)
    assert actions == []
    state, actions = decide(state, coordinator)
    assert actions == [Tell("loader", Connect())]
    state, actions = decide(state, analysis)
    assert actions == [Tell("analysis-a", Connect())]
    assert {actor.state for actor in state.actors.values()} == {ActorState.GREETED}


@given(st.permutations(GREETINGS))
def test_in_whatever_order_actors_greet_each_other_one_is_told_to_connect_once(order: list[Event]) -> None:
    actions = after(STARTED, order)[1]
    assert sorted(actions) == [Tell("analysis-a", Connect()), Tell("loader", Connect())]


def test_the_run_is_running_once_the_last_has_joined() -> None:
    states = [after(STARTED, [*GREETINGS, *JOINS[:count]])[0].stage for count in range(len(JOINS) + 1)]
    assert states == [Stage.STARTING] * len(JOINS) + [Stage.RUNNING]


def test_after_the_verdict_all_are_told_to_stop_and_exit_0_ends_the_run_as_done() -> None:
    state, actions = decide(RUNNING, Concluded(FINISHED))
    assert actions == [Tell(name, Stop("the run is over")) for name in ACTORS]
    state, actions = after(state, [Exited(name, 0) for name in ACTORS])
    assert (state.stage, state.exit_code, state.trouble, actions) == (Stage.OVER, ExitCode.DONE, None, [])
    assert {actor.state for actor in state.actors.values()} == {ActorState.EXITED}


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize("code", [-9, 3])
def test_a_death_after_the_verdict_matters_to_nobody(name: str, code: int) -> None:
    state, actions = decide(STOPPING, Exited(name, code))
    assert (state.stage, state.trouble, actions) == (Stage.STOPPING, None, [])
    state, _ = after(state, [Exited(other, 0) for other in ACTORS if other != name])
    assert (state.stage, state.exit_code) == (Stage.OVER, ExitCode.DONE)


@pytest.mark.parametrize("name", ACTORS)
def test_exit_0_before_the_verdict_is_a_failure(name: str) -> None:
    state, actions = decide(RUNNING, Exited(name, 0))
    assert state.trouble == Trouble(name, ExitCode.ACTOR_FAILED, f"{name} exited before it was asked to")
    assert [action.actor for action in actions if isinstance(action, Kill)] == [
        other for other in ACTORS if other != name
    ]


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [
        (3, ExitCode.ACTOR_FAILED, "exited with code 3"),
        (4, ExitCode.DATA_MISSING, "exited with code 4"),
        (-9, ExitCode.ACTOR_FAILED, "was killed by signal 9"),
    ],
)
def test_a_death_names_the_actor_and_how_it_died(code: int, exit_code: ExitCode, words: str) -> None:
    state, _ = decide(RUNNING, Exited("loader", code))
    assert state.trouble == Trouble("loader", exit_code, f"loader {words}")
    assert state.exit_code == exit_code


def test_the_first_trouble_is_the_runs_and_later_ones_are_its_consequences() -> None:
    deaths = [Exited("coordinator", -9), Exited("analysis-a", 3), Exited("loader", 4)]
    state, _ = after(
        RUNNING, [Complained("loader", 4, "no file"), Complained("analysis-a", 3, "late"), *deaths]
    )
    assert state.trouble == Trouble("loader", ExitCode.DATA_MISSING, "no file")
    assert (state.stage, state.exit_code) == (Stage.OVER, ExitCode.DATA_MISSING)
    assert state.actors["loader"].state is ActorState.FAILED
    assert state.actors["coordinator"].state is ActorState.EXITED


def test_an_actors_own_words_explain_its_exit_even_where_they_are_heard_later() -> None:
    state, _ = after(RUNNING, [Exited("loader", 3), Complained("loader", 4, "no file")])
    assert state.trouble == Trouble("loader", ExitCode.DATA_MISSING, "no file")
    state, _ = decide(state, Complained("coordinator", 3, "a consequence"))
    assert state.trouble == Trouble("loader", ExitCode.DATA_MISSING, "no file")


def test_an_interrupt_drains_by_the_coordinator_alone_and_a_second_one_kills() -> None:
    state, actions = decide(RUNNING, Interrupted())
    assert [action for action in actions if isinstance(action, Tell)] == [
        Tell("coordinator", Stop("interrupted"))
    ]
    drained, _ = after(state, [Concluded(CUT_SHORT), *(Exited(name, 0) for name in ACTORS)])
    assert (drained.stage, drained.exit_code, drained.trouble) == (Stage.OVER, ExitCode.INTERRUPTED, None)
    killed, actions = decide(state, Interrupted())
    assert actions == [Kill(name) for name in ACTORS]
    killed, _ = after(killed, [Exited(name, -9) for name in ACTORS])
    assert (killed.stage, killed.exit_code, killed.trouble) == (Stage.OVER, ExitCode.INTERRUPTED, None)


def test_an_interrupt_that_comes_after_the_verdict_does_not_unmake_a_finished_run() -> None:
    state, actions = decide(STOPPING, Interrupted())
    assert actions == []
    state, _ = after(state, [Exited(name, 0) for name in ACTORS])
    assert (state.stage, state.exit_code) == (Stage.OVER, ExitCode.DONE)


def test_an_interrupt_before_all_have_joined_kills_and_is_no_failure() -> None:
    state, actions = decide(STARTED, Interrupted())
    assert actions == [Kill(name) for name in ACTORS]
    state, _ = after(state, [Exited(name, -9) for name in ACTORS])
    assert (state.stage, state.exit_code, state.trouble) == (Stage.OVER, ExitCode.INTERRUPTED, None)


def late(state: State, limit_s: float, seen: Iterable[str] = ACTORS) -> State:
    just, actions = after(state, ticks(state, limit_s, seen=seen))
    assert just.stage is state.stage
    assert all(isinstance(action, Dump) for action in actions)
    return after(just, ticks(just, 1, seen=seen))[0]


def test_who_does_not_join_in_time_is_named() -> None:
    state = late(after(STARTED, [*GREETINGS, *JOINS[:1]])[0], JOIN_S)
    reason = f"loader, analysis-a did not join within {JOIN_S:g} s"
    assert state.trouble == Trouble("loader", ExitCode.ACTOR_FAILED, reason)
    assert state.stage is Stage.KILLING


def test_who_does_not_stop_in_time_is_killed_and_a_run_that_is_done_stays_done() -> None:
    state = late(after(STOPPING, [Exited("loader", 0)])[0], STOP_S)
    assert (state.stage, state.trouble) == (Stage.KILLING, None)
    state = after(state, [Exited("coordinator", -9), Exited("analysis-a", -9)])[0]
    assert (state.stage, state.exit_code) == (Stage.OVER, ExitCode.DONE)


def test_a_drain_that_takes_too_long_ends_as_interrupted() -> None:
    state = late(DRAINING, DRAIN_S)
    assert (state.stage, state.exit_code) == (Stage.KILLING, ExitCode.INTERRUPTED)


def test_an_idle_actor_that_is_not_heard_of_has_stalled() -> None:
    state = late(RUNNING, STALL_S, seen=("coordinator", "analysis-a"))
    reason = "loader is stalled: no heartbeat for 31.0 s"
    assert state.trouble == Trouble("loader", ExitCode.ACTOR_FAILED, reason)
    assert state.actors["loader"].state is ActorState.FAILED


def test_a_busy_actor_may_be_silent_for_longer_but_not_for_ever() -> None:
    others = ("coordinator", "analysis-a")
    limit_s = BUSY_FACTOR * STALL_S
    just, actions = after(RUNNING, ticks(RUNNING, limit_s, cpu_of="loader", seen=others))
    assert (just.stage, actions) == (Stage.RUNNING, [Dump("loader")])
    after_it = Ticked(just.now_ns + 1_000_000_000, {"loader": 1 << 40})
    state, _ = after(just, [*(Seen(name) for name in others), after_it])
    assert state.trouble is not None
    assert state.trouble.reason == "loader is busy with one window: no heartbeat for 301.0 s"


@pytest.mark.parametrize("state", [STARTED, RUNNING, DRAINING, STOPPING], ids=lambda state: str(state.stage))
def test_time_in_which_the_supervisor_did_not_run_counts_for_nobody(state: State) -> None:
    back, actions = decide(state, Ticked(state.now_ns + 3600 * 1_000_000_000, {}))
    assert (back.stage, actions) == (state.stage, [])
    within = round(ABSENT_S)
    assert after(back, ticks(back, within, seen=ACTORS))[0].stage is state.stage
    if state.stage is not Stage.RUNNING:
        late_by = {Stage.STARTING: JOIN_S, Stage.DRAINING: DRAIN_S, Stage.STOPPING: STOP_S}[state.stage] + 1
        assert after(back, ticks(back, late_by, seen=ACTORS))[0].stage is Stage.KILLING


def test_who_is_about_to_be_blamed_is_asked_for_its_stack_once_and_before_that() -> None:
    others = ("coordinator", "analysis-a")
    asked, actions = after(RUNNING, ticks(RUNNING, STALL_S, seen=others))
    assert actions == [Dump("loader")]
    assert asked.actors["loader"].dumped_ns > RUNNING.now_ns + (STALL_S - DUMP_S) * 1e9
    again, actions = after(asked, [Seen("loader")])
    assert after(again, ticks(again, STALL_S, seen=others))[1] == [Dump("loader")]


def test_a_deadline_that_has_passed_unseen_still_waits_for_the_stack() -> None:
    late_ns = RUNNING.now_ns + round((STALL_S - ABSENT_S + 1) * 1e9)
    nearly, _ = after(RUNNING, ticks(RUNNING, STALL_S - ABSENT_S + 1))
    overdue = Ticked(late_ns + round(ABSENT_S * 1e9), {})
    assert overdue.now_ns - RUNNING.now_ns > STALL_S * 1e9
    asked, actions = decide(nearly, overdue)
    assert (asked.stage, actions) == (Stage.RUNNING, [Dump(name) for name in ACTORS])
    assert decide(asked, Ticked(overdue.now_ns + 1, {}))[0].stage is Stage.KILLING


def test_what_the_process_was_doing_is_said_with_the_stall_and_forgotten_once_it_is_heard_of() -> None:
    others = ("coordinator", "analysis-a")
    asked, _ = after(RUNNING, ticks(RUNNING, STALL_S, seen=others))
    found, _ = decide(asked, Examined("loader", "its process is stopped (state T)"))
    state, _ = after(found, [*(Seen(name) for name in others), Ticked(found.now_ns + 10**9, {})])
    assert state.trouble is not None
    assert state.trouble.reason == (
        "loader is stalled: no heartbeat for 31.0 s; its process is stopped (state T)"
    )
    assert decide(found, Seen("loader"))[0].actors["loader"].finding == ""


@pytest.mark.parametrize(
    ("before", "exit_code", "first"),
    [(KILLING, 4, "no file; "), (after(DRAINING, [Interrupted()])[0], 130, "")],
    ids=["after trouble", "after two interrupts"],
)
def test_who_cannot_even_be_killed_is_named_and_left_behind(
    before: State, exit_code: int, first: str
) -> None:
    left, _ = decide(before, Exited("analysis-a", -9))
    just, actions = after(left, ticks(left, KILL_S))
    assert (just.stage, actions) == (Stage.KILLING, [])
    state, _ = after(just, ticks(just, 1))
    assert (state.stage, state.exit_code) == (Stage.OVER, exit_code)
    assert state.trouble is not None
    assert state.trouble.reason == (
        f"{first}coordinator (pid 100), loader (pid 101) did not end within {KILL_S:g} s of being killed: "
        "the kernel holds them"
    )


CREW = ("coordinator", "loader", "analysis-a", "analysis-b", "analysis-c")
CREW_STARTED = begin({name: name.partition("-")[0] for name in CREW}, START_NS, STALL_S)
CREW_GREETED = after(CREW_STARTED, [Greeted(name, 1) for name in CREW])[0]
CREW_RUNNING = after(CREW_GREETED, [Joined(name) for name in CREW])[0]
VERDICT = Verdict(0, {}, 0, 0, 1.0, 1.0, 0.0, 0.0, 0, "")
LOSSES: dict[str, tuple[list[Event], str, bool]] = {
    "killed": ([Exited("analysis-b", -9)], "analysis-b was killed by signal 9", False),
    "left": ([Exited("analysis-b", 0)], "analysis-b exited before it was asked to", False),
    "complains": ([Complained("analysis-b", 3, "no window 7")], "no window 7", True),
    "hangs": (
        [
            *ticks(CREW_RUNNING, STALL_S, seen=[name for name in CREW if name != "analysis-b"]),
            Ticked(CREW_RUNNING.now_ns + round((STALL_S + 1) * 1e9), {}),
        ],
        "analysis-b is stalled: no heartbeat for 31.0 s",
        True,
    ),
}


@pytest.mark.parametrize("how", LOSSES)
@pytest.mark.parametrize("interrupted", [False, True])
def test_an_engine_that_is_lost_beside_others_is_killed_and_dropped_and_the_run_goes_on(
    how: str, *, interrupted: bool
) -> None:
    before = after(CREW_RUNNING, [Interrupted()])[0] if interrupted else CREW_RUNNING
    events, why, kills = LOSSES[how]
    if interrupted and how == "hangs":
        before = replace(before, deadline_ns=before.deadline_ns + 100_000_000_000)
    state, actions = after(before, events)
    assert [action for action in actions if not isinstance(action, Dump)] == [
        Note("ERROR", f"{why}; the run goes on without it"),
        *([Kill("analysis-b")] if kills else []),
        Tell("coordinator", Drop("analysis-b", why)),
    ]
    assert (state.stage, state.trouble, state.lost) == (before.stage, None, {"analysis-b": why})
    assert state.actors["analysis-b"].state is ActorState.FAILED
    left = [name for name in CREW if name not in state.gone]
    state, actions = decide(state, Concluded(FINISHED))
    assert actions == [Tell(name, Stop("the run is over")) for name in left if name != "analysis-b"]
    state, actions = after(state, [Exited(name, -9 if name == "analysis-b" else 0) for name in left])
    assert (state.stage, state.exit_code, state.trouble) == (Stage.OVER, ExitCode.ACTOR_FAILED, None)
    assert actions == []


@given(st.permutations(["analysis-a", "analysis-b", "analysis-c"]))
def test_the_last_engine_that_dies_takes_the_run_with_it(order: list[str]) -> None:
    state, actions = after(CREW_RUNNING, [Exited(name, -9) for name in order[:2]])
    assert state.stage is Stage.RUNNING
    assert not [action for action in actions if isinstance(action, Kill)]
    state, actions = decide(state, Exited(order[2], -9))
    reason = f"{order[2]} was killed by signal 9"
    assert state.trouble == Trouble(order[2], ExitCode.ACTOR_FAILED, reason)
    assert actions == [Note("ERROR", reason), Kill("coordinator"), Kill("loader")]
    assert list(state.lost) == order[:2]


@pytest.mark.parametrize("name", ["coordinator", "loader"])
def test_the_death_of_anybody_else_still_ends_a_run_of_several_strategies(name: str) -> None:
    state, _ = decide(CREW_RUNNING, Exited(name, -9))
    assert (state.stage, state.trouble is not None, state.lost) == (Stage.KILLING, True, {})


def test_an_engine_that_dies_before_it_has_joined_ends_the_run() -> None:
    state, _ = after(CREW_GREETED, [Joined("analysis-a"), Exited("analysis-b", 3)])
    assert state.stage is Stage.KILLING
    assert state.trouble is not None
    assert state.trouble.actor == "analysis-b"


def test_an_engine_that_dies_while_others_join_is_dropped_once_all_of_them_have_joined() -> None:
    state, actions = after(CREW_GREETED, [Joined("analysis-b"), Exited("analysis-b", -9)])
    assert actions == [Note("ERROR", "analysis-b was killed by signal 9; the run goes on without it")]
    state, actions = after(state, [Joined(name) for name in CREW if name != "analysis-b"])
    assert state.stage is Stage.RUNNING
    assert actions == [
        Note("INFO", "All actors have joined"),
        Tell("coordinator", Drop("analysis-b", "analysis-b was killed by signal 9")),
    ]


def test_the_words_of_a_lost_engine_explain_its_exit_even_where_they_are_heard_later() -> None:
    said = Complained("analysis-b", 3, "no window 7")
    state, actions = after(CREW_RUNNING, [Exited("analysis-b", 3), said])
    assert state.lost == {"analysis-b": "no window 7"}
    assert actions[-1] == Note("ERROR", "no window 7")
    hung, _ = after(CREW_RUNNING, LOSSES["hangs"][0])
    assert decide(hung, said) == (hung, [])


def test_a_strategy_that_was_stopped_makes_the_run_fail_but_not_an_interrupted_one() -> None:
    failed = structs.replace(FINISHED, verdicts={"analysis-a": structs.replace(VERDICT, failure="raised")})
    assert decide(CREW_RUNNING, Concluded(failed))[0].exit_code == ExitCode.ACTOR_FAILED
    fine = structs.replace(FINISHED, verdicts={"analysis-a": VERDICT})
    assert decide(CREW_RUNNING, Concluded(fine))[0].exit_code == ExitCode.DONE
    cut = structs.replace(failed, interrupted=True)
    assert after(CREW_RUNNING, [Interrupted(), Concluded(cut)])[0].exit_code == ExitCode.INTERRUPTED


names = st.sampled_from(ACTORS)
passing = st.floats(0.0, 40.0)
makers: st.SearchStrategy[Callable[[State], Event]] = st.one_of(
    st.builds(lambda name: lambda _: Greeted(name, 1), names),
    st.builds(lambda name: lambda _: Joined(name), names),
    st.builds(lambda name: lambda _: Seen(name), names),
    st.builds(lambda done: lambda _: Concluded(done), st.sampled_from([FINISHED, CUT_SHORT])),
    st.builds(lambda name, code: lambda _: Complained(name, code, "x"), names, st.sampled_from([3, 4])),
    st.just(lambda _: Interrupted()),
    st.builds(
        lambda s, cpu: lambda state: Ticked(state.now_ns + round(s * 1e9), cpu),
        passing,
        st.dictionaries(names, st.integers(0, 100)),
    ),
)
deaths = st.builds(lambda name, code: lambda _: Exited(name, code), names, st.sampled_from([0, 3, 4, -9]))


def play(state: State, made: Iterable[Callable[[State], Event]]) -> list[tuple[State, list[Action]]]:
    """Feed events; nobody's process ends twice."""
    history = [(state, list[Action]())]
    for make in made:
        event = make(history[-1][0])
        if not (isinstance(event, Exited) and event.actor in history[-1][0].gone):
            history.append(decide(history[-1][0], event))
    return history


@settings(max_examples=300)
@given(st.sampled_from(list(STAGES.values())), st.lists(makers | deaths, max_size=40))
def test_whatever_happens_a_run_never_goes_back_and_nobody_who_is_gone_is_spoken_to(
    state: State, made: list[Callable[[State], Event]]
) -> None:
    history = play(state, made)
    order = list(Stage)
    for (before, _), (now, actions) in pairwise(history):
        assert order.index(before.stage) <= order.index(now.stage)
        assert before.gone <= now.gone
        for action in actions:
            if isinstance(action, Tell | Kill | Dump):
                assert action.actor not in now.gone
            if isinstance(action, Kill):
                assert now.stage in (Stage.KILLING, Stage.OVER)
            if isinstance(action, Note):
                assert action.text
        if before.trouble is not None:
            assert now.trouble is not None
            assert now.trouble.actor == before.trouble.actor
        assert now.stage is Stage.OVER or now.gone != frozenset(ACTORS)
        if now.gone != frozenset(ACTORS) and now.stage is Stage.OVER:
            assert before.stage in (Stage.KILLING, Stage.OVER)
            assert now.trouble is not None


@settings(max_examples=200)
@given(st.lists(makers | deaths, max_size=30), st.permutations(ACTORS), st.sampled_from([0, 3, -9]))
def test_once_all_have_exited_the_run_is_over_and_says_why(
    made: list[Callable[[State], Event]], order: list[str], code: int
) -> None:
    state = play(STARTED, made)[-1][0]
    last = play(state, [lambda _, name=name: Exited(name, code) for name in order])[-1][0]
    assert last.stage is Stage.OVER
    assert list(alive(last)) == []
    assert {actor.state for actor in last.actors.values()} <= {ActorState.EXITED, ActorState.FAILED}
    if last.exit_code == ExitCode.DONE:
        assert last.finished is not None
    else:
        assert last.trouble is not None or last.interrupts


@settings(max_examples=200)
@given(st.lists(makers, max_size=30))
def test_a_kill_goes_to_everyone_who_is_left(made: list[Callable[[State], Event]]) -> None:
    for (before, _), (_, actions) in pairwise(play(RUNNING, made)):
        killed = [action.actor for action in actions if isinstance(action, Kill)]
        assert killed in ([], list(alive(before)))


crew = st.sampled_from(CREW)
troubles: st.SearchStrategy[Callable[[State], Event]] = st.one_of(
    st.builds(lambda name, code: lambda _: Exited(name, code), crew, st.sampled_from([0, 3, -9])),
    st.builds(lambda name: lambda _: Complained(name, 3, "x"), crew),
    st.builds(lambda name: lambda _: Joined(name), crew),
    st.builds(lambda s: lambda state: Ticked(state.now_ns + round(s * 1e9), {}), st.floats(0.0, 4.9)),
    st.just(lambda _: Interrupted()),
    st.just(lambda _: Concluded(FINISHED)),
)


@settings(max_examples=200)
@given(st.sampled_from([CREW_GREETED, CREW_RUNNING]), st.lists(troubles, max_size=30))
def test_whatever_happens_every_lost_engine_is_dropped_once_and_one_is_always_left(
    state: State, made: list[Callable[[State], Event]]
) -> None:
    history = play(state, made)
    last = history[-1][0]
    tells = [action for _, actions in history for action in actions if isinstance(action, Tell)]
    dropped = [tell.message.actor for tell in tells if isinstance(tell.message, Drop)]
    assert sorted(dropped) == sorted(set(dropped))
    assert set(dropped) <= set(last.lost) < set(CREW[2:])
    if last.stage in (Stage.RUNNING, Stage.DRAINING):
        assert set(dropped) == set(last.lost)
        assert last.gone <= set(last.lost)
    for (before, _), (now, actions) in pairwise(history):
        assert set(before.lost) <= set(now.lost)
        assert not [tell for tell in actions if isinstance(tell, Tell) and tell.actor in now.gone]
