import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from rich.console import Console

from actors.domain.grid import event_times
from actors.domain.intervals import Interval
from actors.domain.session_plan import ActionFile, Adjustment, Hours, Session, SessionPlan, Stream, Warmup
from actors.supervisor.console import print_plan, render_plan
from actors.supervisor.console.plan import session_hours, session_steps
from actors.supervisor.console.text import DASH

Plans = Callable[..., SessionPlan]
Render = Callable[..., str]
Sessions = Callable[..., Session]
HOUR_NS = 3_600_000_000_000


def test_each_session_is_a_line_with_its_hours_and_steps(make_plan: Plans, render: Render) -> None:
    text = render(render_plan(make_plan()))
    assert "Sessions  3, 990 steps, 1,980 bars expected" in text
    assert "2025-07-02  Wed  full  09:30-16:00  390 steps" in text
    assert "2025-07-03  Thu  half  09:30-13:00  210 steps" in text
    assert "no session  2025-07-04 Fri" in text


def test_of_many_sessions_the_first_and_last_are_shown_and_the_rest_counted(
    make_plan: Plans, make_session: Sessions, render: Render
) -> None:
    days = [(date(2025, 1, 1) + timedelta(n)).isoformat() for n in range(100)]
    sessions = tuple(make_session(n, day, "half" if n == 50 else "full") for n, day in enumerate(days))
    text = render(render_plan(make_plan(sessions=sessions)))
    assert "Sessions  100, 38,820 steps" in text
    assert len(re.findall(r"\d{4}-\d\d-\d\d  \w{3}  ", text)) == 8
    assert days[0] in text
    assert days[-1] in text
    assert "91 full, 1 half" in text


@settings(max_examples=30, deadline=None)
@given(starts=st.lists(st.integers(0, 10**6), min_size=1, max_size=5), length_h=st.integers(1, 7))
def test_steps_are_the_event_times_of_the_base_streams(
    make_plan: Plans, starts: list[int], length_h: int
) -> None:
    opens = [start * HOUR_NS for start in starts]
    sessions = tuple(
        Session(n, "2025-07-02", "full", o, o + length_h * HOUR_NS, (Hours(o, o + length_h * HOUR_NS),), 0)
        for n, o in enumerate(opens)
    )
    plan = make_plan(sessions=sessions)
    expected = tuple(len(event_times(session, (Interval.parse("1m"),))) for session in sessions)
    assert session_steps(plan) == expected


def hours(*stamps: str) -> tuple[Hours, ...]:
    """Make parts of UTC stamps, two by two."""
    seconds = [int(datetime.fromisoformat(f"{stamp}+00:00").timestamp()) for stamp in stamps]
    pairs = zip(seconds[::2], seconds[1::2], strict=True)
    return tuple(Hours(opens * 10**9, closes * 10**9) for opens, closes in pairs)


def session_of(*stamps: str) -> Session:
    parts = hours(*stamps)
    return Session(0, "2025-07-02", "full", parts[0].open_ns, parts[-1].close_ns, parts, 0)


def test_hours_name_every_part_of_a_session() -> None:
    lunch = session_of("2025-07-02T01:30", "2025-07-02T04:00", "2025-07-02T05:00", "2025-07-02T08:00")
    assert session_hours(lunch, "Asia/Hong_Kong") == f"09:30{DASH}12:00, 13:00{DASH}16:00"


def test_extended_hours_are_named() -> None:
    stamps = ("2025-07-02T08:00", "2025-07-02T13:30", "2025-07-02T20:00", "2025-07-03T00:00")
    parts = tuple(
        structs.replace(part, kind=kind)
        for span, kind in zip(pairwise(stamps), ("pre", "regular", "post"), strict=True)
        for part in hours(*span)
    )
    session = Session(0, "2025-07-02", "full", parts[0].open_ns, parts[-1].close_ns, parts, 0)
    assert session_hours(session, "America/New_York") == (f"09:30{DASH}16:00, extended 04:00{DASH}20:00")


def test_steps_of_bars_on_the_clock_are_counted_from_midnight(make_plan: Plans) -> None:
    (part,) = hours("2025-07-02T13:30", "2025-07-02T20:00")
    part = structs.replace(part, anchor_ns=part.open_ns - 19 * HOUR_NS // 2)
    session = Session(0, "2025-07-02", "full", part.open_ns, part.close_ns, (part,), 0)
    stored = Stream(0, "AAPL", "2h", "STREAMED", "stored")
    assert session_steps(make_plan(sessions=(session,), streams=(stored,))) == (4,)


def test_hours_on_the_day_before_or_after_are_marked() -> None:
    overnight = session_of("2025-07-01T22:00", "2025-07-02T21:00")
    assert session_hours(overnight, "America/Chicago") == f"17:00(-1){DASH}16:00"
    around_the_clock = session_of("2025-07-02T00:00", "2025-07-03T00:00")
    assert session_hours(around_the_clock, "UTC") == f"00:00{DASH}00:00(+1)"


def test_intervals_with_one_label_and_reason_share_a_line(make_plan: Plans, render: Render) -> None:
    text = render(render_plan(make_plan()))
    assert "Streams  2 STREAMED, 4 GENERATED, 1 IGNORED" in text
    assert re.search(r"^  1s +IGNORED +AAPL +not stored", text, re.MULTILINE)
    assert re.search(r"^  1m +STREAMED +AAPL, RIVN +requested", text, re.MULTILINE)
    assert re.search(r"^  5m 1h +GENERATED +AAPL, RIVN +from 1m", text, re.MULTILINE)


def test_storage_says_rows_bars_on_grid_and_their_share(make_plan: Plans, render: Render) -> None:
    text = render(render_plan(make_plan()))
    assert re.search(r"AAPL 1m +993 +990/990 +100\.00% +782 +780/780 +100\.00%", text)
    assert re.search(r"RIVN 1m +993 +986/990 +99\.60% +782 +780/780 +100\.00%", text)


def test_corporate_actions_are_listed_with_what_they_do_and_where_they_are_from(
    make_plan: Plans, render: Render
) -> None:
    file = ActionFile("actions.csv", "0123456789abcdef" * 4)
    steps = (
        Adjustment("AAPL", "2020-08-07", 1.0, 0.82, 0.998, 1.0),
        Adjustment("AAPL", "2020-08-31", 4.0, 0.0, 0.25, 4.0),
    )
    text = render(render_plan(make_plan(corporate_actions=file, adjustments=steps)))
    assert "Corporate actions  actions.csv, SHA-256 0123456789ab…, 2 actions of 1 symbol" in text
    assert re.search(r"AAPL +2020-08-07 +dividend 0\.82 +prices before are multiplied by 0\.998", text)
    assert re.search(r"AAPL +2020-08-31 +split 4 +prices before are multiplied by 0\.25", text)


def test_many_corporate_actions_are_counted(make_plan: Plans, render: Render) -> None:
    file = ActionFile("actions.csv", "0123456789abcdef" * 4)
    steps = tuple(Adjustment("AAPL", f"20{n:02}-08-31", 4.0, 0.5, 0.24, 4.0) for n in range(30))
    text = render(render_plan(make_plan(corporate_actions=file, adjustments=steps)))
    assert text.count("split 4, dividend 0.5") == 10
    assert "20 more in plan.json" in text


def test_a_file_that_changes_nothing_says_so_and_without_one_there_is_no_section(
    make_plan: Plans, render: Render
) -> None:
    file = ActionFile("actions.csv", "0123456789abcdef" * 4)
    text = " ".join(render(render_plan(make_plan(corporate_actions=file))).split())
    assert "none of it concerns these symbols and dates" in text
    assert "Corporate actions" not in render(render_plan(make_plan()))


def test_without_history_there_are_no_history_columns(make_plan: Plans, render: Render) -> None:
    plan = make_plan()
    stored = tuple(part for part in plan.stored if part.session >= 0)
    text = render(render_plan(make_plan(history=(), stored=stored)))
    assert "Storage  no history" in text
    assert re.search(r"RIVN 1m +993 +986/990 +99\.60%$", text, re.MULTILINE)


def test_five_hundred_symbols_fit_a_screen_and_the_weakest_is_shown(make_plan: Plans, render: Render) -> None:
    text = render(render_plan(make_plan([f"SYM{n:03}" for n in range(500)])))
    assert "SYM499 1m" in text
    assert "490 others" in text
    assert "(500 in all)" in text
    assert len(text.splitlines()) < 50
    assert max(map(len, text.splitlines())) <= 80


def test_an_indicator_short_of_history_names_its_symbols(make_plan: Plans, render: Render) -> None:
    warmups = (Warmup("sma_20_5m", "AAPL", 20, 156), Warmup("sma_20_5m", "RIVN", 20, 7))
    text = render(render_plan(make_plan(warmups=warmups)))
    assert re.search(r"sma_20_5m +20 bars +7-156 bars +not warm at first: RIVN", text)
    assert re.search(r"sma_20_5m +20 bars +156 bars +warm$", render(render_plan(make_plan())), re.MULTILINE)


def test_a_figure_of_whole_sessions_is_short_of_sessions(make_plan: Plans, render: Render) -> None:
    warmups = (
        Warmup("pivot_points_5m", "AAPL", 1, 1, "sessions"),
        Warmup("avg_volume_20_5m", "AAPL", 20, 1, "sessions"),
    )
    text = render(render_plan(make_plan(warmups=warmups)))
    assert re.search(r"pivot_points_5m +1 session +1 session +warm *$", text, re.MULTILINE)
    assert re.search(r"avg_volume_20_5m +20 sessions +1 session +not warm at first: AAPL", text)


def test_a_run_without_strategies_says_so(make_plan: Plans, render: Render) -> None:
    text = render(render_plan(make_plan(strategies=(), warmups=())))
    assert "Strategies  none" in text
    assert "Warm-up" not in text
    assert "crossover  shop:Crossover, in analysis-sma, fast=10" in render(render_plan(make_plan()))


def test_warnings_come_last_and_without_them_there_is_no_heading(make_plan: Plans, render: Render) -> None:
    text = render(render_plan(make_plan(warnings=("gap_filler: not acted on yet",))))
    assert text.index("Strategies") < text.index("Warnings") < text.index("! gap_filler: not acted on yet")
    assert "Warnings" not in render(render_plan(make_plan()))


def test_hostile_text_is_shown_as_it_is_without_its_controls(make_plan: Plans, render: Render) -> None:
    streams = (Stream(0, "[red]A[/red]\x1b[2J", "1m", "STREAMED", "[/] \x1b]0;x\x07why"),)
    text = render(render_plan(make_plan(["A"], streams=streams, warnings=("[blink]\r\nboo[/]",))))
    assert "[red]A[/red]" in text
    assert "[/] why" in text
    assert "! [blink] boo[/]" in text
    assert "\x1b" not in text


def test_a_plan_without_any_stored_stream_is_drawn(make_plan: Plans, render: Render) -> None:
    streams = (Stream(0, "AAPL", "1m", "IGNORED", "not stored"),)
    text = render(render_plan(make_plan(["AAPL"], streams=streams, stored=(), warmups=())))
    assert "0 steps, 0 bars expected" in text
    assert "Storage" not in text


def test_printing_goes_to_the_console(make_plan: Plans) -> None:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        print_plan(console, make_plan())
    assert "Example  XNYS (America/New_York)  2025-07-02 … 2025-07-07" in captured.get()
