import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from actors.domain.session_plan import SessionPlan
from actors.supervisor.console import Screen, open_console
from actors.supervisor.console.progress import render_status, slowest, status_line
from actors.supervisor.status import RunStatus
from protocol.lifecycle import ActorState

Plans = Callable[..., SessionPlan]
Statuses = Callable[..., RunStatus]
Render = Callable[..., str]
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def pipe() -> Console:
    return Console(file=io.StringIO(), width=80, color_system=None)


def terminal(width: int = 80) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        height=30,
        force_terminal=True,
        color_system=None,
        legacy_windows=False,
    )


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def run_through(screen: Screen, plan: SessionPlan, statuses: Iterator[RunStatus]) -> None:
    screen.start(plan)
    for status in statuses:
        screen.update(status)
    screen.stop()


def test_a_plain_line_says_it_all(make_status: Statuses) -> None:
    assert status_line(make_status()) == (
        "running 2025-07-02 11:31 phase 5, 240/1980 bars (12%), 4.1k bars/s, waiting for analysis-sma"
    )


def test_before_the_first_session_a_plain_line_says_what_there_is(make_status: Statuses) -> None:
    status = make_status(
        state="starting",
        phase=None,
        sim_time=None,
        bars=0,
        bars_expected=0,
        bars_per_s=0.0,
        waiting_for=(),
        actors={},
    )
    assert status_line(status) == "starting, 0/0 bars, 0 bars/s"


def test_a_failed_run_says_why_on_its_plain_line(make_status: Statuses) -> None:
    assert status_line(make_status(state="failed", message="loader\ndied")).endswith(", loader died")


def test_off_a_terminal_a_line_comes_every_five_seconds(make_plan: Plans, make_status: Statuses) -> None:
    console = pipe()
    statuses = (make_status(elapsed_s=tenth / 10, bars=tenth) for tenth in range(121))
    run_through(Screen(console), make_plan(), statuses)
    bars = re.findall(r"(\d+)/1980", written(console))
    assert bars == ["0", "50", "100", "120"]
    assert "\x1b" not in written(console)


def test_off_a_terminal_a_new_state_has_its_line_at_once(make_plan: Plans, make_status: Statuses) -> None:
    console = pipe()
    states = ("starting", "running", "stopping", "done")
    run_through(Screen(console), make_plan(), (make_status(state=state) for state in states))
    assert [line.split()[0] for line in written(console).splitlines()] == list(states)


def test_a_plain_line_is_never_wrapped(make_plan: Plans, make_status: Statuses) -> None:
    console = pipe()
    run_through(Screen(console), make_plan(), iter([make_status(message="x" * 300)]))
    assert len(written(console).splitlines()) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 0.6), min_size=1, max_size=40))
def test_on_a_terminal_no_two_drawings_are_closer_than_a_quarter_second(
    make_plan: Plans, make_status: Statuses, pauses: list[float]
) -> None:
    console, drawn, elapsed = terminal(), [], 0.0
    screen = Screen(console)
    screen.start(make_plan())
    for pause in pauses:
        elapsed += pause
        before = len(written(console))
        screen.update(make_status(elapsed_s=elapsed))
        if len(written(console)) > before:
            drawn.append(elapsed)
    screen.stop()
    assert drawn[0] == pauses[0]
    assert all(after - before >= 0.25 for before, after in pairwise(drawn))


def test_stopping_draws_the_last_snapshot_and_gives_the_cursor_back(
    make_plan: Plans, make_status: Statuses
) -> None:
    console = terminal()
    statuses = [make_status(elapsed_s=1.0), make_status(elapsed_s=1.1, sim_time="2025-07-07T16:00:00-04:00")]
    run_through(Screen(console), make_plan(), iter(statuses))
    assert "2025-07-07 16:00" in written(console)
    assert written(console).count(HIDE_CURSOR) == 1
    assert written(console).rindex(SHOW_CURSOR) > written(console).rindex("loader")


def test_an_interrupt_between_snapshots_leaves_the_terminal_intact(
    make_plan: Plans, make_status: Statuses
) -> None:
    def statuses() -> Iterator[RunStatus]:
        yield make_status()
        raise KeyboardInterrupt

    console, streams = terminal(), (sys.stdout, sys.stderr)
    screen = Screen(console)
    with pytest.raises(KeyboardInterrupt):
        run_through(screen, make_plan(), statuses())
    screen.stop()
    assert written(console).endswith(SHOW_CURSOR)
    assert (sys.stdout, sys.stderr) == streams


def test_stopping_twice_or_before_the_start_does_nothing(make_plan: Plans) -> None:
    console = terminal()
    Screen(console).stop()
    assert written(console) == ""
    screen = Screen(console)
    screen.start(make_plan())
    screen.stop()
    once = written(console)
    screen.stop()
    assert written(console) == once


def test_the_head_and_the_bar_say_where_the_run_is(make_status: Statuses, render: Render) -> None:
    text = render(render_status("Example", make_status(), 80))
    assert "Example  running  session 1 of 3, phase 5 Streaming" in text
    assert "12%  2025-07-02 11:31  4.1k bars/s  ETA 0:00" in text
    assert "3 windows in flight, waiting for analysis-sma" in text


def test_a_paused_run_says_where_it_stands_and_how_it_is_to_go(make_status: Statuses, render: Render) -> None:
    steered = {"credit": 8, "speed": 60.0, "until": "2025-07-03T10:30:00-04:00", "waiting_for": ()}
    text = render(render_status("Example", make_status(state="paused", **steered), 80))
    assert "Example  paused  session 1 of 3, phase 5 Streaming" in text
    assert "3 of 8 windows in flight, speed 60, until 2025-07-03 10:30" in text
    assert "▶" not in text


def test_a_wide_terminal_shows_queues_and_restarts_too(make_status: Statuses, render: Render) -> None:
    actors = {name: actor.__class__(role=name, queue=3) for name, actor in make_status().actors.items()}
    actors["loader"] = actors["loader"].__class__(role="loader", restarts=2)
    text = render(render_status("Example", make_status(actors=actors), 120), 120)
    assert re.search(r"memory +queue +restarts *$", text, re.MULTILINE)
    assert re.search(r"coordinator .* 3 +0 *$", text, re.MULTILINE)
    assert re.search(r"loader .* - +2 *$", text, re.MULTILINE)


def test_every_actor_has_a_line_and_the_one_waited_for_is_marked(
    make_status: Statuses, render: Render
) -> None:
    text = render(render_status("Example", make_status(), 100), 100)
    assert re.search(r"▶ +analysis-sma +running +4711 +4\.1k +12 +33 µs +1\.2 ms +60% +61 MB", text)
    assert re.search(r"^ +coordinator +running", text, re.MULTILINE)
    assert text.count("▶") == 1


def test_where_nobody_is_waited_for_the_busiest_is_the_slowest(make_status: Statuses) -> None:
    assert slowest(make_status()) == "analysis-sma"
    assert slowest(make_status(waiting_for=())) == "coordinator"
    assert slowest(make_status(waiting_for=("stranger",))) == "coordinator"
    assert slowest(make_status(waiting_for=(), actors={})) is None


def test_a_run_without_an_analysis_actor_is_drawn(make_status: Statuses, render: Render) -> None:
    actors = {name: actor for name, actor in make_status().actors.items() if name != "analysis-sma"}
    text = render(render_status("Example", make_status(actors=actors, waiting_for=()), 80))
    assert "analysis" not in text
    assert re.search(r"▶ +coordinator", text)


def test_a_finished_run_has_a_full_bar_though_bars_were_missing(
    make_status: Statuses, render: Render
) -> None:
    status = make_status(state="done", bars=1972, sessions_done=3, elapsed_s=75.0, waiting_for=())
    text = render(render_status("Example", status, 80))
    assert "3 of 3 sessions done" in text
    assert "done  2025-07-02 11:31  4.1k bars/s  after 1:15" in text
    assert "▶" not in text


def test_more_bars_than_expected_are_a_hundred_per_cent_and_no_more(
    make_status: Statuses, render: Render
) -> None:
    text = render(render_status("Example", make_status(bars=5000), 80))
    assert "100%  " in text
    assert "ETA 0:00" in text


def test_nothing_known_yet_is_drawn_with_dashes(make_status: Statuses, render: Render) -> None:
    actors = {"loader": make_status().actors["loader"].__class__(role="loader")}
    status = make_status(
        state="running",
        phase=None,
        session=None,
        sim_time=None,
        bars=0,
        bars_expected=0,
        bars_per_s=0.0,
        actors=actors,
        waiting_for=(),
    )
    text = render(render_status("Example", status, 80))
    assert "0%  0 bars/s  ETA -" in text
    assert re.search(r"loader +spawned +- +0 +- +- +0% +0 MB", text)


def test_the_reason_of_a_failure_stands_below_the_actors(make_status: Statuses, render: Render) -> None:
    text = render(render_status("Example", make_status(state="failed", message="[b]loader\x1b[0m died"), 80))
    assert text.index("loader ") < text.index("[b]loader died")


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_no_line_is_wider_than_the_console(make_status: Statuses, render: Render, width: int) -> None:
    name = "analysis-with-a-name-of-32-chars"
    slow = (
        make_status()
        .actors["analysis-sma"]
        .__class__(role="analysis", pid=4_194_304, state=ActorState.STOPPING, windows=10**9, bars_per_s=2.5e6)
    )
    status = make_status(actors={**make_status().actors, name: slow}, waiting_for=(name,))
    lines = render(render_status("A session with a rather long name", status, width), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) == 9


def test_colours_forced_on_a_pipe_do_not_make_it_a_terminal(
    make_plan: Plans,
    make_status: Statuses,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    run_through(Screen(open_console()), make_plan(), iter([make_status()]))
    assert HIDE_CURSOR not in capsys.readouterr().out


def test_the_program_goes_on_when_the_reader_of_its_output_has_left() -> None:
    code = (
        "import sys\n"
        "from actors.supervisor.console import open_console\n"
        "console = open_console()\n"
        "for _ in range(3):\n"
        "    console.print('line')\n"
        "sys.stderr.write('went on')\n"
    )
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write_end, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"went on")


def test_a_character_that_the_encoding_lacks_is_a_question_mark() -> None:
    code = "from actors.supervisor.console import open_console\nopen_console().print('✔ done')\n"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=60, env=environment
    )
    assert done.stdout == b"? done\n"
