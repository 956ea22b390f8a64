import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.local_time import clock_text
from actors.domain.roles import Log
from actors.domain.session_flow import NAMED_SYMBOLS, StepLines, flow, phase_line
from actors.domain.session_plan import Flow, Hours, Rules, Session, SessionPlan, Stream, Trading
from actors.domain.session_tape import make_tape
from protocol.blocks import BAR_DTYPE
from protocol.lifecycle import Phase

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000
HOURS = Hours(OPEN, OPEN + 390 * MINUTE)
SESSION = Session(0, "2025-07-02", "full", HOURS.open_ns, HOURS.close_ns, (HOURS,), 0)
EXTRA = tuple(f"S{number}" for number in range(NAMED_SYMBOLS + 1))


def plan_of(symbols: tuple[str, ...]) -> SessionPlan:
    streams = tuple(Stream(at, symbol, "1m", "STREAMED", "") for at, symbol in enumerate(symbols))
    return SessionPlan(
        *(1, "test", "XNYS", "America/New_York", "2025-07-02", "2025-07-02", "/catalog", symbols),
        *((SESSION,), (), (), streams, (), (), (), (), Flow(), Rules(), Trading(1.0, 1.0, 1.0, 1)),
    )


def lines_of(
    minutes: list[set[int]], sizes: list[int], symbols: tuple[str, ...] = ("AAPL", "RIVN")
) -> tuple[list[str], list[int]]:
    """Write the lines of a session in which each symbol has bars in these minutes, cut into windows."""
    plan = plan_of(symbols)
    places = [(stream, minute) for stream, has in enumerate(minutes) for minute in sorted(has)]
    bars = np.zeros(len(places), BAR_DTYPE)
    bars["stream"] = [stream for stream, _ in places]
    bars["close_ts"] = [OPEN + minute * MINUTE for _, minute in places]
    tape = make_tape(SESSION, plan.base_streams, [bars], [])
    steps = StepLines(plan)
    steps.start_session(tape)
    texts: list[str] = []
    instants: list[int] = []
    start, turn = 0, 0
    while start < len(tape.steps):
        stop = min(start + sizes[turn % len(sizes)], len(tape.steps))
        found = steps.lines(tape.cut(turn, start, stop))
        texts, instants = [*texts, *found.texts], [*instants, *found.sim_ts]
        start, turn = stop, turn + 1
    return texts, instants


def test_the_words_are_those_that_people_grep_for() -> None:
    texts, instants = lines_of([{1, 2}, {1, 390}], [7])
    assert texts == [
        "[SESSION_FLOW] PHASE_5.2: Next timestamp: 09:31:00 (2/2 queues active)",
        "[SESSION_FLOW] PHASE_5.3: Processed 2 bars (AAPL: 1, RIVN: 1)",
        "[SESSION_FLOW] PHASE_5.2: Next timestamp: 09:32:00 (2/2 queues active)",
        "[SESSION_FLOW] PHASE_5.3: Processed 1 bars (AAPL: 1)",
        "[SESSION_FLOW] PHASE_5.2: Next timestamp: 16:00:00 (1/2 queues active)",
        "[SESSION_FLOW] PHASE_5.3: Processed 1 bars (RIVN: 1)",
    ]
    assert instants == [OPEN + minute * MINUTE for minute in (1, 1, 2, 2, 390, 390)]


minutes = st.sets(st.integers(1, 390), max_size=30)


@given(st.lists(minutes, min_size=2, max_size=2), st.lists(st.integers(1, 400), min_size=1, max_size=3))
def test_every_step_with_a_bar_has_its_two_lines_however_the_session_is_cut(
    has: list[set[int]], sizes: list[int]
) -> None:
    texts, instants = lines_of(has, sizes)
    assert (texts, instants) == lines_of(has, [390])
    assert instants[::2] == [OPEN + minute * MINUTE for minute in sorted(has[0] | has[1])]
    assert all("PHASE_5.2" in text for text in texts[::2])
    assert sum(int(text.split()[3]) for text in texts[1::2]) == len(has[0]) + len(has[1])


def test_a_line_about_very_many_symbols_names_the_first_and_counts_the_rest() -> None:
    texts, _ = lines_of([{1} for _ in EXTRA], [1], EXTRA)
    assert texts[1].startswith("[SESSION_FLOW] PHASE_5.3: Processed 21 bars (S0: 1, S1: 1, ")
    assert texts[1].endswith("S19: 1, 1 more)")


def test_a_session_without_a_bar_has_no_lines() -> None:
    assert lines_of([set(), set()], [100]) == ([], [])


def test_phases_are_said_to_start_and_to_be_complete() -> None:
    assert phase_line(Phase.INITIALIZATION, started=True) == Log(
        "INFO", "[SESSION_FLOW] 3.b.2.PHASE_1: Initialization phase starting"
    )
    assert phase_line(Phase.END_OF_SESSION, started=True).text.endswith("End-of-Session phase starting")
    assert phase_line(Phase.STREAMING, started=False).text == "[SESSION_FLOW] 3.b.2.PHASE_5: Complete"


def test_instants_are_written_in_the_exchanges_time_in_summer_and_winter() -> None:
    assert clock_text(OPEN, "America/New_York") == "09:30:00"
    assert clock_text(OPEN + 184 * 1440 * MINUTE + 60 * MINUTE, "America/New_York") == "09:30:00"
    assert flow("x", OPEN) == Log("INFO", "[SESSION_FLOW] x", OPEN)
