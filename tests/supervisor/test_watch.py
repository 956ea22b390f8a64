import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.session_plan import (
    Flow,
    Hours,
    Rules,
    Session,
    SessionPlan,
    Stored,
    Stream,
    Trading,
)
from actors.supervisor.status import ActorStatus, RunStatus
from actors.supervisor.watch import ActorLine, Watch
from protocol.lifecycle import ActorState, Phase
from protocol.messages import Heartbeat, Progress

MINUTE = 60_000_000_000
SECOND = 1_000_000_000
OPEN = 1_751_463_000_000_000_000
DATES = ("2025-07-02", "2025-07-03", "2025-07-07")


def session_of(index: int) -> Session:
    hours = Hours(OPEN + index * 1440 * MINUTE, OPEN + (index * 1440 + 390) * MINUTE)
    return Session(index, DATES[index], "full", hours.open_ns, hours.close_ns, (hours,), 0)


STORED = (Stored(0, -1, 390, 390, 390), Stored(0, 0, 390, 388, 388), Stored(0, 1, 210, 210, 210))
PLAN = SessionPlan(
    *(1, "test", "XNYS", "America/New_York", "2025-07-02", "2025-07-07", "/catalog", ("A",)),
    *(tuple(session_of(index) for index in range(3)), (), (), (Stream(0, "A", "1m", "STREAMED", ""),)),
    *(STORED, (), (), (), Flow(), Rules(), Trading(1.0, 1.0, 1.0, 1)),
)
LOADER = {"loader": ActorLine("loader", 12, ActorState.RUNNING)}


def watch() -> Watch:
    return Watch(PLAN, "run-1", began_ns=SECOND)


def beat(bars: int, cpu_ns: int = 0) -> Heartbeat:
    return Heartbeat("loader", 3, 4, bars, 100, 200 + bars, cpu_ns, 1500, 2500)


def progress(session: int, phase: Phase, bars: int = 0, at_ns: int = OPEN + MINUTE) -> Progress:
    return Progress(session, phase.value, at_ns, bars, 2, ("loader",))


def at(seen: Watch, now_ns: int) -> RunStatus:
    return seen.snapshot(LOADER, "running", now_ns, None)


def test_before_anything_is_heard_a_snapshot_says_so() -> None:
    status = at(watch(), SECOND)
    assert (status.phase, status.session, status.sim_time, status.sessions_done) == (None, None, None, 0)
    assert (status.bars, status.bars_expected, status.elapsed_s, status.bars_per_s) == (0, 600, 0.0, 0.0)
    assert status.actors == {"loader": ActorStatus(role="loader", pid=12, state=ActorState.RUNNING)}
    assert watch().peak_rss_bytes() == {}


def test_progress_is_shown_in_the_exchanges_time() -> None:
    seen = watch()
    seen.on_progress(progress(1, Phase.STREAMING, bars=500))
    status = at(seen, 3 * SECOND)
    assert (status.session, status.phase, status.sessions_done) == ("2025-07-03", 5, 1)
    assert status.sim_time == "2025-07-02T09:31:00-04:00"
    assert (status.bars, status.bars_per_s, status.sessions_total) == (500, 250.0, 3)
    assert (status.windows_in_flight, status.waiting_for) == (2, ("loader",))


@given(st.integers(0, 2), st.sampled_from(list(Phase)))
def test_a_session_is_done_once_its_last_phase_has_begun(session: int, phase: Phase) -> None:
    seen = watch()
    seen.on_progress(progress(session, phase))
    assert seen.sessions_done == session + (phase is Phase.END_OF_SESSION)
    assert seen.phase == phase


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(0, 10**6)), min_size=2, max_size=6))
def test_rates_are_those_between_the_last_two_heartbeats(beats: list[tuple[int, int]]) -> None:
    seen, now_s, bars = watch(), 0, 0
    for waited_s, grown in beats:
        now_s, bars = now_s + waited_s, bars + grown
        seen.on_heartbeat(beat(bars, cpu_ns=bars * 100), now_s * SECOND)
    loader = at(seen, now_s * SECOND).actors["loader"]
    waited_s, grown = beats[-1]
    assert loader.bars_per_s == grown / waited_s
    assert abs(loader.cpu_percent - 100 * grown * 100 / 1e9 / waited_s) < 1e-9
    assert (loader.bars, loader.windows, loader.messages) == (bars, 3, 4)
    assert (loader.handle_p50_us, loader.handle_p99_us) == (1.5, 2.5)
    assert seen.peak_rss_bytes() == {"loader": 200 + bars}


def test_one_heartbeat_or_two_at_the_same_instant_give_no_rate() -> None:
    seen = watch()
    for _ in range(2):
        seen.on_heartbeat(beat(5), SECOND)
        assert at(seen, SECOND).actors["loader"].bars_per_s == 0.0


def test_a_snapshot_can_be_written_as_json() -> None:
    seen = watch()
    seen.on_progress(progress(0, Phase.STREAMING))
    seen.on_heartbeat(beat(5), SECOND)
    status = seen.snapshot(LOADER, "stopping", 2 * SECOND, "loader died")
    again = msgspec.json.decode(msgspec.json.encode(status), type=RunStatus)
    assert again == status
    assert (again.state, again.message) == ("stopping", "loader died")


def test_a_paused_clock_is_a_paused_run_unless_it_is_stopping() -> None:
    seen = watch()
    moved = msgspec.structs.replace(
        progress(0, Phase.STREAMING), paused=True, speed=60.0, credit=8, until_ts=OPEN, owed={"loader": 3}
    )
    seen.on_progress(moved)
    status = at(seen, SECOND)
    assert (status.state, status.speed, status.credit) == ("paused", 60.0, 8)
    assert status.until == "2025-07-02T09:30:00-04:00"
    assert (status.actors["loader"].queue, status.actors["loader"].restarts) == (3, 0)
    assert seen.snapshot(LOADER, "stopping", SECOND, None).state == "stopping"
    seen.on_progress(progress(0, Phase.STREAMING))
    assert (at(seen, SECOND).state, at(seen, SECOND).until) == ("running", None)
