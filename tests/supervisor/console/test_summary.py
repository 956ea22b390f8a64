import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from actors.domain.session_plan import SessionPlan
from actors.supervisor.console import print_summary, render_summary
from actors.supervisor.summary import Failure, Outcome, build_summary
from protocol.messages import Finished, StreamTotal, Verdict

Plans = Callable[..., SessionPlan]
Render = Callable[..., str]
RUN = Path("runs/20251122-063107-example-3f9c")


def finished(plan: SessionPlan, **changes: object) -> Finished:
    totals = tuple(
        StreamTotal(
            stream=stream.id,
            bars=983 if stream.interval == "1m" else 197,
            expected=990,
            received=983,
            missing=7,
            duplicates=2,
            rejected=1,
            gaps=3,
        )
        for stream in plan.served
    )
    fields: dict[str, Any] = {
        "interrupted": False,
        "bars": 1966,
        "data_digest": "9f" * 32,
        "stream_digest": "ab" * 32,
        "signals_digest": "01" * 32,
        "signals": {"analysis-sma": 42},
        "phase_wall_ns": {"Streaming": 480_000_000, "Initialization": 1_000},
        "streams": totals,
        "suppressed": 0,
        "lag_ns": 0,
    }
    return Finished(**fields | changes)


def outcome(**changes: object) -> Outcome:
    fields: dict[str, Any] = {
        "run": RUN.name,
        "status": "done",
        "exit_code": 0,
        "wall_s": 1.04,
        "sessions_done": 3,
        "peak_rss_bytes": {"coordinator": 61_000_000, "loader": 112_000_000},
    }
    return Outcome(**fields | changes)


@pytest.fixture
def done(make_plan: Plans) -> dict[str, Any]:
    plan = make_plan()
    return build_summary(plan, finished(plan), outcome())


def test_the_verdict_is_the_first_line(done: dict[str, Any], render: Render) -> None:
    text = render(render_summary(done, RUN))
    assert text.strip().splitlines()[0] == f"✔ done  {RUN.name}  exit code 0, 1.04 s"


@pytest.mark.parametrize(
    ("status", "colour"), [("done", "\x1b[1;32m✔"), ("failed", "\x1b[1;31m✘"), ("interrupted", "\x1b[1;33m■")]
)
def test_the_verdict_has_its_colour(done: dict[str, Any], status: str, colour: str) -> None:
    console = Console(width=80, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        print_summary(console, {**done, "status": status}, RUN)
    assert colour in captured.get()


def test_the_figures_are_those_of_the_summary(done: dict[str, Any], render: Render) -> None:
    text = render(render_summary(done, RUN))
    assert "Sessions  3 of 3 finished, 990 steps" in text
    assert "2025-07-03  Thu  half  09:30-13:00  210 steps" in text
    assert re.search(r"AAPL +990 +983 +7 +2 +1 +99\.29% +3$", text, re.MULTILINE)
    assert re.search(r"total +1,980 +1,966 +14 +4 +2 +6$", text, re.MULTILINE)
    assert re.search(r"5m bars +394 \(197 each\)", text)
    assert re.search(r"signals +42 \(crossover 42\)", text)
    assert re.search(r"wall time +1\.04 s: streaming 0\.48 s *$", text, re.MULTILINE)
    assert re.search(r"speed +1\.9k bars/s", text)
    assert re.search(r"peak memory +coordinator 61 MB, loader 112 MB", text)
    assert re.search(r"restarts +0 *$", text, re.MULTILINE)
    assert "ab" * 32 in text
    assert "Failure" not in text
    assert "Warnings" not in text


@pytest.mark.parametrize(("counts", "told"), [((1, 0), "1 missing bar,"), ((4, 3), "7 missing bars,")])
def test_rebuilt_bars_are_told(make_plan: Plans, render: Render, counts: tuple[int, int], told: str) -> None:
    plan = make_plan()
    totals = finished(plan).streams
    filled = [msgspec.structs.replace(total, filled=n) for total, n in zip(totals, counts, strict=False)]
    found = finished(plan, streams=(*filled, *totals[2:]))
    text = render(render_summary(build_summary(plan, found, outcome()), RUN))
    assert re.search(rf"filled +{told} rebuilt from finer ones and delivered", text)


def test_where_no_bar_is_rebuilt_nothing_is_said_of_it(done: dict[str, Any], render: Render) -> None:
    assert "filled" not in render(render_summary(done, RUN))


def test_derived_counts_that_differ_are_shown_as_a_span(done: dict[str, Any], render: Render) -> None:
    text = render(render_summary({**done, "derived": {"5m": {"AAPL": 197, "RIVN": 198}}}, RUN))
    assert "395 (197 to 198 each)" in text


def test_suppressed_bars_are_told(done: dict[str, Any], render: Render) -> None:
    text = render(render_summary({**done, "suppressed_derived": 1}, RUN))
    assert "1 derived bar below derived.min_coverage" in text


def test_a_failure_names_actor_step_reason_advice_and_last_log_lines(
    make_plan: Plans, render: Render
) -> None:
    failure = Failure(
        actor="analysis-sma",
        reason="ZeroDivisionError in on_bar",
        log_tail=(*(f"line {n}" for n in range(40)), "  File [bold]x.py\x1b[0m"),
        step="2025-07-02T10:05:00-04:00",
        advice="correct the strategy",
    )
    over = outcome(status="failed", exit_code=3, sessions_done=0, failure=failure)
    text = render(render_summary(build_summary(make_plan(), None, over), RUN))
    assert "✘ failed" in text
    assert "exit code 3" in text
    assert re.search(r"actor +analysis-sma", text)
    assert re.search(r"step +2025-07-02 10:05 *$", text, re.MULTILINE)
    assert re.search(r"reason +ZeroDivisionError in on_bar", text)
    assert re.search(r"what to do +correct the strategy", text)
    assert "│   File [bold]x.py" in text
    assert "line 39" in text
    assert "line 10\n" not in text
    assert text.index("Failure") < text.index("Sessions")
    assert "0 of 3 finished" in text
    assert text.count("not finished") == 3


def test_a_strategy_that_failed_is_told_with_what_it_came_to_and_one_that_died_without(
    make_plan: Plans, render: Render
) -> None:
    plan = make_plan()
    verdict = Verdict(1, {}, 1, 1, 100.0, 110.0, 9.0, 1.0, 0, "d", failure="raised")
    done = finished(plan, verdicts={plan.strategies[0].actor: verdict})
    failed = outcome(status="failed", exit_code=3)
    shown = render(render_summary(build_summary(plan, done, failed), RUN))
    name = plan.strategies[0].name
    assert re.search(rf"{name} +failed; 1 approved, 1 fills, equity 110.00 \(\+10.00%\)", shown)
    failed = outcome(status="failed", exit_code=3, lost={plan.strategies[0].actor: "killed"})
    shown = render(render_summary(build_summary(plan, finished(plan), failed), RUN))
    assert re.search(rf"{name} +failed, without results", shown)


def test_a_failure_that_is_nobodys_has_no_actor(make_plan: Plans, render: Render) -> None:
    over = outcome(status="failed", exit_code=4, failure=Failure(actor=None, reason="too little data"))
    text = render(render_summary(build_summary(make_plan(), None, over), RUN))
    assert "too little data" in text
    assert not re.search(r"^  actor", text, re.MULTILINE)
    assert "last log lines" not in text


def test_what_is_null_is_a_dash(make_plan: Plans, render: Render) -> None:
    over = outcome(status="interrupted", exit_code=130, sessions_done=1, peak_rss_bytes={})
    text = render(render_summary(build_summary(make_plan(), None, over), RUN))
    assert "■ interrupted" in text
    assert "1 of 3 finished, 390 steps" in text
    assert re.search(r"AAPL +- +- +- +- +- +- +-$", text, re.MULTILINE)
    assert re.search(r"signals +- \(crossover -\)", text)
    assert re.search(r"stream +- *$", text, re.MULTILINE)
    assert "None" not in text


def test_an_unchecked_run_says_that_its_quality_is_assumed(make_plan: Plans, render: Render) -> None:
    plan = make_plan()
    counts = {"expected": None, "delivered": 983, "missing": None, "duplicates": None, "rejected": None}
    summary = {**build_summary(plan, None, outcome()), "bars": {"AAPL": counts}, "quality": {"AAPL": 100.0}}
    text = render(render_summary(summary, RUN))
    assert re.search(r"AAPL +- +983 +- +- +- +assumed", text)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_of_its_values_may_be_null_or_absent(
    make_plan: Plans, render: Render, data: st.DataObject
) -> None:
    plan = make_plan()
    summary = build_summary(plan, finished(plan), outcome())
    keys = sorted(summary)
    nulls = data.draw(st.sets(st.sampled_from(keys)))
    absent = data.draw(st.sets(st.sampled_from(keys)))
    holed = {key: None if key in nulls else value for key, value in summary.items() if key not in absent}
    assert "Files" in render(render_summary(holed, RUN))


def test_an_empty_summary_is_drawn(render: Render) -> None:
    text = render(render_summary({}, RUN))
    assert "✘ failed" in text
    assert "exit code -" in text


def test_of_five_hundred_symbols_the_worst_are_shown_and_the_rest_summed(
    make_plan: Plans, render: Render
) -> None:
    plan = make_plan([f"SYM{n:03}" for n in range(500)])
    summary = build_summary(plan, finished(plan), outcome())
    summary["quality"] |= {"SYM250": 12.5}
    text = render(render_summary(summary, RUN))
    assert re.search(r"SYM250 .* 12\.50%", text)
    assert re.search(r"480 others +475,200 +471,840 +3,360 +960 +480 +1,440", text)
    assert re.search(r"total +495,000 +491,500", text)
    assert len(text.splitlines()) < 60
    assert max(map(len, text.splitlines())) <= 80


def test_of_many_sessions_the_ends_are_shown(done: dict[str, Any], render: Render) -> None:
    sessions = [{**done["sessions"][0], "steps": 390} for _ in range(100)]
    text = render(render_summary({**done, "sessions": sessions}, RUN))
    assert "100 of 100 finished, 39,000 steps" in text
    assert "92 more" in text
    assert text.count("2025-07-02") == 8


def test_hostile_names_do_no_harm(done: dict[str, Any], render: Render) -> None:
    counts = done["bars"]["AAPL"]
    hostile = {**done, "bars": {"[red]X\x1b[2J": counts}, "warnings": ["[/]\x07 bell"], "run": "[b]\nrun"}
    text = render(render_summary(hostile, RUN))
    assert "[red]X " in text
    assert "! [/] bell" in text
    assert "[b] run" in text
    assert "\x1b" not in text


def test_files_below_the_working_folder_are_named_from_there(
    done: dict[str, Any], render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    below = render(render_summary(done, tmp_path / "runs" / "a-run"))
    assert re.search(r"run folder +runs/a-run/ *$", below, re.MULTILINE)
    beside = render(render_summary(done, tmp_path.parent / "elsewhere"), 200)
    assert f"{tmp_path.parent}/elsewhere/" in beside
