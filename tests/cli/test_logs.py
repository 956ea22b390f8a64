import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.cli.logs import follow_records, logs
from actors.cli.options import find_run
from actors.runtime.log_files import LogFolder, LogLimits
from actors.runtime.logs import ActorLog
from actors.supervisor.status import RunState, RunStatus

STEP = 1_751_463_060_000_000_000
MINUTE = 60_000_000_000
SCRIPT = Path(__file__).parents[2] / "scripts" / "logs.py"
WRITER = """
import sys
from pathlib import Path
from actors.runtime.log_files import LogLimits
from actors.runtime.logs import ActorLog
run = Path(sys.argv[1])
with ActorLog(run / "logs", "loader", "INFO", "UTC", LogLimits(400, keep=1000)) as log:
    for number, word in enumerate(sys.stdin):
        log.write("INFO", word.strip())
        print(number, flush=True)
(run / "status.new").write_bytes((run / "status.json").read_bytes().replace(b'"running"', b'"done"'))
(run / "status.new").rename(run / "status.json")
"""


def write_status(run: Path, state: RunState) -> None:
    status = RunStatus(
        run=run.name,
        state=state,
        phase=5,
        session="2025-07-02",
        sessions_done=0,
        sessions_total=1,
        sim_time=None,
        bars=0,
        bars_expected=780,
        elapsed_s=0.1,
        bars_per_s=0.0,
        windows_in_flight=0,
        waiting_for=(),
        actors={},
    )
    (run / "status.json").write_bytes(msgspec.json.encode(status))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give a finished run with two actors and seven lines."""
    folder = tmp_path / "runs" / "20250101-example"
    with (
        ActorLog(folder / "logs", "coordinator", "INFO", "America/New_York") as coordinator,
        ActorLog(folder / "logs", "loader", "INFO", "America/New_York") as loader,
    ):
        coordinator.write("INFO", "[SESSION_FLOW] 3.b.2.PHASE_5: Streaming phase starting")
        coordinator.write_lines(
            [f"[SESSION_FLOW] PHASE_5.3: Processed {n} bars" for n in (1, 2)], [STEP, STEP + MINUTE]
        )
        loader.write("WARNING", "PHASE_3.2: AAPL is slow", STEP)
        loader.write("ERROR", "PHASE_3.2.ERROR: disk\nfailed")
        coordinator.write("INFO", "PHASE_50 is no phase", STEP + 2 * MINUTE)
        coordinator.write("INFO", "the end")
    write_status(folder, "done")
    (tmp_path / "runs" / "latest").symlink_to(folder.name)
    return folder


def show(run: Path, *arguments: str) -> Result:
    return CliRunner().invoke(logs, [str(run), *arguments])


def messages(run: Path, *arguments: str) -> list[str]:
    result = show(run, "--json", *arguments)
    assert result.exit_code == 0, result.output
    return [msgspec.json.decode(line)["message"] for line in result.output.splitlines()]


def test_all_lines_are_merged_in_order_and_look_as_in_the_files(run: Path) -> None:
    result = show(run)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    files = [line for name in ("coordinator", "loader") for line in _lines(run, name)]
    assert sorted(lines) == sorted(files)
    stamps = [line[:26] for line in lines if not line.startswith(" ")]
    assert stamps == sorted(stamps)


def _lines(run: Path, actor: str) -> list[str]:
    return (run / "logs" / f"{actor}.log").read_text().splitlines()


def test_an_actor_may_be_chosen_and_so_may_several(run: Path) -> None:
    assert len(messages(run, "--actor", "loader")) == 2
    assert len(messages(run, "--actor", "loader", "--actor", "coordinator")) == 7


@pytest.mark.parametrize(("level", "count"), [("debug", 7), ("INFO", 7), ("warning", 2), ("ERROR", 1)])
def test_a_level_brings_the_ones_above_it(run: Path, level: str, count: int) -> None:
    assert len(messages(run, "--level", level)) == count


def test_a_regular_expression_selects_by_message(run: Path) -> None:
    assert messages(run, "--grep", r"Processed \d") == [
        "[SESSION_FLOW] PHASE_5.3: Processed 1 bars",
        "[SESSION_FLOW] PHASE_5.3: Processed 2 bars",
    ]


def test_a_phase_is_matched_as_a_number_not_as_its_first_digit(run: Path) -> None:
    assert len(messages(run, "--phase", "5")) == 3
    assert len(messages(run, "--phase", "3")) == 2
    assert messages(run, "--phase", "6") == []


@pytest.mark.parametrize("since", ["2025-07-02T09:32", "2025-07-02 09:32:00", "2025-07-02T13:32+00:00"])
def test_since_takes_local_time_or_an_offset_and_keeps_what_follows(run: Path, since: str) -> None:
    assert messages(run, "--since", since) == [
        "[SESSION_FLOW] PHASE_5.3: Processed 2 bars",
        "PHASE_3.2.ERROR: disk\nfailed",
        "PHASE_50 is no phase",
        "the end",
    ]


def test_filters_hold_together(run: Path) -> None:
    assert messages(run, "--actor", "loader", "--level", "WARNING", "--grep", "AAPL") == [
        "PHASE_3.2: AAPL is slow"
    ]


def test_every_actor_has_a_colour_of_its_own_on_a_terminal(run: Path) -> None:
    result = CliRunner().invoke(logs, [str(run)], color=True)
    colours = {
        actor: set(re.findall(rf"\x1b\[(\d+)m[^\x1b]*INFO +{actor}", result.output))
        for actor in ("coordinator", "loader")
    }
    assert colours["coordinator"] == {"36"}
    assert "\x1b[31m" in result.output
    assert "\x1b" not in show(run).output


def test_a_run_is_found_by_path_by_name_and_as_the_latest(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parents[1])
    assert find_run(str(run), Path("runs")) == run
    assert find_run(run.name, Path("runs")).resolve() == run
    assert CliRunner().invoke(logs, []).exit_code == 0
    assert CliRunner().invoke(logs, ["latest", "--runs", str(run.parent)]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--actor", "nobody"], "no actor 'nobody' in .*; it has: coordinator, loader"),
        (["--grep", "("], "'\\(' is not a regular expression: "),
        (["--since", "noon"], "'noon' is no time: write 2025-07-02T10:30"),
        (["--phase", "7"], "7 is not in the range 1<=x<=6"),
    ],
)
def test_a_wrong_option_is_refused_in_words(run: Path, arguments: list[str], expected: str) -> None:
    result = show(run, *arguments)
    assert result.exit_code == 2
    assert re.search(expected, result.output)


def test_a_run_that_is_not_there_is_named_beside_those_that_are(run: Path) -> None:
    result = CliRunner().invoke(logs, ["other", "--runs", str(run.parent)])
    assert result.exit_code == 2
    assert "there is no run 'other'" in result.output
    assert "20250101-example" in result.output


def test_without_any_run_or_log_the_message_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(logs, ["--runs", str(tmp_path / "runs")])
    assert result.exit_code == 2
    assert "has no runs; start one first" in result.output
    (tmp_path / "empty").mkdir()
    result = show(tmp_path / "empty")
    assert result.exit_code == 2
    assert "holds no logs" in result.output


def test_a_torn_last_line_is_left_out_and_damaged_lines_are_counted(run: Path) -> None:
    with (run / "logs" / "loader.jsonl").open("a") as file:
        file.write('not json\n{"t": "2026')
    result = show(run, "--actor", "loader")
    assert len(result.stdout.splitlines()) == 3
    assert result.stderr == "1 damaged lines were left out.\n"


def test_follow_shows_a_finished_run_whole_and_ends(run: Path) -> None:
    assert messages(run, "--follow") == messages(run)


def test_follow_sees_what_another_process_writes_until_its_run_is_over(tmp_path: Path) -> None:
    write_status(tmp_path, "running")
    words = iter([f"word {n}" for n in range(12)])
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    commands, answers = writer.stdin, writer.stdout

    def let_it_write(_: float) -> None:
        word = next(words, None)
        if word is None:
            writer.communicate(timeout=20)
            return
        commands.write(f"{word}\n")
        commands.flush()
        answers.readline()

    folder = LogFolder(tmp_path / "logs")
    seen = [record.message for record in follow_records(folder, tmp_path, let_it_write)]
    folder.close()
    assert seen == [f"word {n}" for n in range(12)]
    assert (tmp_path / "logs" / "loader.1.jsonl").exists()
    assert writer.returncode == 0


def test_the_script_is_the_same_command(run: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(run), "--level", "ERROR"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PHASE_3.2.ERROR: disk\n    failed\n" in done.stdout


def test_what_was_deleted_before_it_could_be_shown_is_said(run: Path) -> None:
    with ActorLog(run / "logs", "loader", "INFO", "UTC", LogLimits(300, keep=1)) as log:
        for number in range(20):
            log.write("INFO", f"line {number}")
    result = show(run, "--actor", "loader")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith("line 19")
    assert result.stderr.endswith("full files were deleted before (logging.keep).\n")


def test_a_log_that_somebody_wrote_into_cannot_move_the_terminal(run: Path) -> None:
    with (run / "logs" / "loader.jsonl").open("a") as file:
        file.write('{"t":"2026-01-01T00:00:00.000000+00:00","level":"INFO","actor":"\\u001b[2J","sim":null,')
        file.write('"message":"\\u001b]0;mine\\u0007"}\n')
    shown = show(run).stdout
    assert "\\x1b]0;mine\\x07" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)
