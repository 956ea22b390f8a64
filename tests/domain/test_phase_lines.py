from collections.abc import Iterable

from actors.domain.account import SessionCount
from actors.domain.phase_lines import PhaseLines
from actors.domain.roles import Effect, Log, LogLines
from actors.domain.session_plan import Stream
from tests.plans import MINUTE, make_plan, make_session

DATES = ("2025-06-30", "2025-07-01", "2025-07-02", "2025-07-03", "2025-07-07")
LENGTHS = (390, 390, 390, 210, 390)


SESSIONS = tuple(make_session(place - 2, LENGTHS[place], DATES[place]) for place in range(5))
STREAMS = (
    Stream(0, "AAPL", "1m", "STREAMED", "stored", None, 2),
    Stream(1, "RIVN", "1m", "STREAMED", "stored"),
    Stream(2, "AAPL", "5m", "GENERATED", "from 1m", 0, 2),
    Stream(3, "RIVN", "1s", "IGNORED", "not stored"),
)
PLAN = make_plan(SESSIONS, STREAMS)
LINES = PhaseLines(PLAN)
LOADED = {-2: {0: 390}, -1: {0: 389}, 0: {0: 388, 1: 387}, 1: {0: 210, 1: 0}, 2: {0: 390, 1: 390}}


def texts(effects: Iterable[Effect]) -> list[str]:
    lines: list[str] = []
    for effect in effects:
        assert isinstance(effect, Log | LogLines)
        lines += [effect.text] if isinstance(effect, Log) else effect.texts
    return [line.removeprefix("[SESSION_FLOW] ") for line in lines]


def test_the_first_session_marks_every_stream_and_the_others_do_not() -> None:
    assert texts(LINES.initialization(SESSIONS[2])) == [
        "PHASE_1.1: First session - marking STREAMED/GENERATED/IGNORED",
        "PHASE_1.2: AAPL 1m STREAMED (stored)",
        "PHASE_1.2: RIVN 1m STREAMED (stored)",
        "PHASE_1.2: AAPL 5m GENERATED (from 1m)",
        "PHASE_1.2: RIVN 1s IGNORED (not stored)",
        "PHASE_1.3: Current session date: 2025-07-02, time: 09:30:00",
        "PHASE_1.4: Session initialization complete",
    ]
    assert texts(LINES.initialization(SESSIONS[3])) == [
        "PHASE_1.3: Current session date: 2025-07-03, time: 09:30:00",
        "PHASE_1.4: Session initialization complete",
    ]


def test_history_names_the_trailing_sessions_of_the_streams_that_keep_any() -> None:
    assert texts(LINES.history(SESSIONS[2], LOADED, 99.874, 0.0451)) == [
        "PHASE_2.1: Loading AAPL 1m bars from 2025-06-30 to 2025-07-01",
        "PHASE_2.1: Loaded 779 bars for AAPL 1m",
        "PHASE_2.1: Complete - 779 bars loaded in 0.045s",
        "PHASE_2.3: Historical quality: 99.9% average across 2 symbol/interval pairs",
    ]


def test_history_slides_with_the_sessions() -> None:
    lines = texts(LINES.history(SESSIONS[4], LOADED, 100.0, 0.0))
    assert lines[:2] == [
        "PHASE_2.1: Loading AAPL 1m bars from 2025-07-02 to 2025-07-03",
        "PHASE_2.1: Loaded 598 bars for AAPL 1m",
    ]


def test_history_never_reaches_before_the_first_session_that_was_read() -> None:
    greedy = Stream(0, "AAPL", "1m", "STREAMED", "", None, 50)
    assert LINES.trailing(SESSIONS[3], greedy) == range(-2, 1)


def test_queue_loading_names_the_prefetch_range_and_counts_by_stream() -> None:
    assert texts(LINES.loading(range(3), LOADED)) == [
        "PHASE_3.2: Prefetch range: 2025-07-02 to 2025-07-07 (3 sessions)",
        "PHASE_3.2: Loading AAPL 1m queue: 2025-07-02 to 2025-07-07",
        "PHASE_3.2: Loaded 988 bars for AAPL 1m",
        "PHASE_3.2: Loading RIVN 1m queue: 2025-07-02 to 2025-07-07",
        "PHASE_3.2: Loaded 777 bars for RIVN 1m",
        "PHASE_3.2: Complete - Loaded 1765 bars across 2 streams",
    ]


def test_streaming_starts_with_the_hours_and_ends_with_the_figures() -> None:
    assert texts(LINES.streaming_starts(SESSIONS[3])) == ["PHASE_5.1: Market hours: 09:30:00 to 13:00:00"]
    last_ts = SESSIONS[3].open_ns + 209 * MINUTE
    count = SessionCount(windows=1, steps=210, iterations=209, bars=400, last_ts=last_ts)
    assert texts(LINES.streaming_ends(SESSIONS[3], count)) == [
        "PHASE_5.2: All queues empty (2/2)",
        "PHASE_5.SUMMARY: 209 iterations, 400 bars, final time = 12:59:00",
    ]


def test_a_session_without_a_bar_ends_where_it_began() -> None:
    summary = texts(LINES.streaming_ends(SESSIONS[3], SessionCount(steps=210)))[-1]
    assert summary == "PHASE_5.SUMMARY: 0 iterations, 0 bars, final time = 09:30:00"
