import logging
import re
import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from actors.domain.printing import printable
from actors.runtime.log_files import LogCursor, LogFolder, LogLimits, LogRecord
from actors.runtime.logs import STACK_SIGNAL, USUAL_LIMITS, ActorLog, prepare_sink

NEW_YORK = "America/New_York"
STEP = 1_751_463_060_000_000_000
"""2025-07-02 09:31 in New York."""
WALL = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def open_log(folder: Path, actor: str = "coordinator", limits: LogLimits = USUAL_LIMITS) -> ActorLog:
    return ActorLog(folder, actor, "INFO", NEW_YORK, limits)


def text_of(folder: Path, actor: str = "coordinator") -> list[str]:
    return (folder / f"{actor}.log").read_text().splitlines()


def records_of(folder: Path, actor: str = "coordinator") -> list[LogRecord]:
    return list(LogCursor(folder, actor).read())


def messages_of(folder: Path, actor: str = "coordinator") -> list[str]:
    return [record.message for record in records_of(folder, actor)]


def test_a_line_has_wall_time_level_actor_simulated_time_and_message(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.write("INFO", "[SESSION_FLOW] PHASE_5.1: Market hours: 09:30:00 to 16:00:00", STEP)
        log.write("WARNING", "nothing simulated")
    first, second = text_of(tmp_path)
    assert re.fullmatch(
        rf"{WALL} INFO    coordinator    2025-07-02 09:31:00 \[SESSION_FLOW\] PHASE_5\.1: .*00", first
    )
    assert re.fullmatch(rf"{WALL} WARNING coordinator    - {{18}} nothing simulated", second)


def test_the_jsonl_line_has_the_same_fields_with_offsets(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.write("ERROR", "bad", STEP)
    (line,) = (tmp_path / "coordinator.jsonl").read_bytes().splitlines()
    fields = msgspec.json.decode(line)
    written = datetime.fromisoformat(fields.pop("t"))
    assert written.utcoffset() == datetime.now(UTC).utcoffset()
    assert fields == {
        "level": "ERROR",
        "actor": "coordinator",
        "sim": "2025-07-02T09:31:00-04:00",
        "message": "bad",
    }


def test_lines_in_bulk_look_like_others_and_keep_their_place(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.write("INFO", "before", STEP)
        log.write_lines(["one", "two"], [STEP, STEP + 60_000_000_000])
        log.write("INFO", "after", STEP)
    bodies = [line[26:] for line in text_of(tmp_path)]
    assert bodies == [
        " INFO    coordinator    2025-07-02 09:31:00 before",
        " INFO    coordinator    2025-07-02 09:31:00 one",
        " INFO    coordinator    2025-07-02 09:32:00 two",
        " INFO    coordinator    2025-07-02 09:31:00 after",
    ]
    assert messages_of(tmp_path) == ["before", "one", "two", "after"]


def test_gathered_lines_are_written_before_whatever_comes_next(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.gather(["one", "two"], [STEP, STEP])
        log.gather(["three"], [STEP])
        assert text_of(tmp_path) == []
        log.write("WARNING", "four")
        log.gather(["five"], [STEP])
        log.flush()
        assert messages_of(tmp_path) == ["one", "two", "three", "four", "five"]
        log.gather(["six"], [STEP])
    assert messages_of(tmp_path)[-1] == "six"


def test_bulk_lines_with_fewer_instants_than_texts_are_a_mistake(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, pytest.raises(ValueError, match="shorter"):
        log.write_lines(["one", "two"], [STEP])


def test_what_is_below_the_level_is_not_written(tmp_path: Path) -> None:
    with ActorLog(tmp_path, "loader", "WARNING", NEW_YORK) as log:
        log.write("INFO", "no")
        log.write_lines(["no"], [STEP])
        log.write("WARNING", "yes")
    assert messages_of(tmp_path, "loader") == ["yes"]


@pytest.mark.parametrize("text", ["{} {x} %s", "<red>x</red>", "\\n", "ünï — 漢字", ""])
def test_a_message_is_never_taken_for_a_template(tmp_path: Path, text: str) -> None:
    with open_log(tmp_path) as log:
        log.write("INFO", text)
        log.write_lines([text], [STEP])
    assert messages_of(tmp_path) == [text, text]


def test_control_characters_are_escaped_in_both_files(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.write("INFO", "\x1b[31mred\x07\r\x9b2J\udcff\u202e")
        log.write_lines(["\x1b]0;title\x07"], [STEP])
    escaped = ["\\x1b[31mred\\x07\\r\\x9b2J\\udcff\\u202e", "\\x1b]0;title\\x07"]
    assert messages_of(tmp_path) == escaped
    assert [line.endswith(text) for line, text in zip(text_of(tmp_path), escaped, strict=True)] == [
        True,
        True,
    ]


@settings(max_examples=100)
@given(text=st.text())
def test_no_text_can_move_a_terminal(text: str) -> None:
    assert all(character.isprintable() or character in "\n\t" for character in printable(text))


@given(text=st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_further_lines_of_a_message_cannot_pass_for_lines_of_their_own(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.write("INFO", "real\n2026-01-01 00:00:00.000000 ERROR   loader         - forged")
    first, second = text_of(tmp_path)
    assert first.endswith("real")
    assert second.startswith("    2026-01-01")
    assert len(records_of(tmp_path)) == 1


def test_an_exception_is_one_record_with_a_readable_traceback_and_no_values(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        secret = "hunter2"  # noqa: S105
        try:
            {0: 0}[len(secret)]
        except KeyError:
            log.exception("the strategy failed")
    (record,) = records_of(tmp_path)
    assert record.level == "ERROR"
    assert record.message.startswith("the strategy failed\nTraceback (most recent call last):\n")
    assert record.message.endswith("KeyError: 7")
    assert "'hunter2'" not in record.message
    assert text_of(tmp_path)[1] == "    Traceback (most recent call last):"


def test_other_libraries_are_heard_through_loguru_logging_and_warnings(tmp_path: Path) -> None:
    with open_log(tmp_path), warnings.catch_warnings():
        warnings.simplefilter("always")
        logger.success("from loguru")
        logging.getLogger("pyarrow").warning("%d rows", 3)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    records = records_of(tmp_path)
    assert [record.level for record in records] == ["INFO", "WARNING", "WARNING"]
    assert [record.message for record in records[:2]] == ["from loguru", "pyarrow: 3 rows"]
    assert "DeprecationWarning: old thing" in records[2].message


def test_several_logs_in_one_process_do_not_mix(tmp_path: Path) -> None:
    with open_log(tmp_path, "loader") as loader, open_log(tmp_path, "quality") as quality:
        loader.write("INFO", "from the loader")
        quality.write_lines(["from quality"], [STEP])
        quality.write("INFO", "also from quality")
        logger.bind(actor="quality").warning("bound to quality")
        logger.warning("bound to nobody")
    assert messages_of(tmp_path, "loader") == ["from the loader", "bound to nobody"]
    assert messages_of(tmp_path, "quality") == ["from quality", "also from quality", "bound to quality"]


def test_two_runs_in_one_process_have_an_actor_of_the_same_name_each(tmp_path: Path) -> None:
    with open_log(tmp_path / "a") as first, open_log(tmp_path / "b") as second:
        first.write("INFO", "first")
        second.write("INFO", "second")
    assert messages_of(tmp_path / "a") == ["first"]
    assert messages_of(tmp_path / "b") == ["second"]


def test_closing_one_log_leaves_the_others_open_and_twice_is_once(tmp_path: Path) -> None:
    loader, quality = open_log(tmp_path, "loader"), open_log(tmp_path, "quality")
    loader.close()
    loader.close()
    quality.write("INFO", "still here")
    logger.warning("bound to nobody")
    quality.close()
    assert messages_of(tmp_path, "loader") == []
    assert messages_of(tmp_path, "quality") == ["still here", "bound to nobody"]


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(st.lists(st.text(max_size=20), min_size=1, max_size=4), max_size=12),
    limit=st.integers(1, 2000),
)
def test_readers_see_every_line_once_and_in_order_across_rotation(
    batches: list[list[str]], limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    seen: list[str] = []
    with open_log(folder, limits=LogLimits(limit, keep=1000)) as log:
        cursor = LogCursor(folder, "coordinator")
        for batch in batches:
            log.write_lines(batch, [STEP] * len(batch))
            seen += [record.message for record in cursor.read()]
        cursor.close()
    expected = [printable(text) for batch in batches for text in batch]
    assert seen == expected
    assert messages_of(folder) == expected


def test_a_file_at_its_limit_is_numbered_oldest_first_and_none_passes_the_limit(tmp_path: Path) -> None:
    with open_log(tmp_path, limits=LogLimits(500, keep=1000)) as log:
        for number in range(20):
            log.write("INFO", f"line {number}")
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert {"coordinator.1.log", "coordinator.2.log", "coordinator.log"} <= set(sizes)
    assert {"coordinator.1.jsonl", "coordinator.jsonl"} <= set(sizes)
    assert all(size <= 500 for size in sizes.values())
    assert (tmp_path / "coordinator.1.log").read_text().splitlines()[0].endswith("line 0")
    assert text_of(tmp_path)[-1].endswith("line 19")


def test_of_the_full_files_only_the_last_few_are_kept(tmp_path: Path) -> None:
    with open_log(tmp_path, limits=LogLimits(500, keep=2)) as log:
        for number in range(100):
            log.write("INFO", f"line {number}")
        for suffix in ("log", "jsonl"):
            parts = sorted(path.name for path in tmp_path.glob(f"*.{suffix}"))
            assert len(parts) == 3
            assert f"coordinator.{suffix}" in parts
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6 * 500
    cursor = LogCursor(tmp_path, "coordinator")
    messages = [record.message for record in cursor.read()]
    assert messages == [f"line {number}" for number in range(100 - len(messages), 100)]
    assert cursor.missed > 0
    cursor.close()


@settings(max_examples=50, deadline=None)
@given(
    batches=st.lists(st.tuples(st.integers(1, 8), st.booleans()), max_size=20),
    limit=st.integers(1, 1000),
    keep=st.integers(1, 3),
)
def test_who_reads_on_while_files_are_deleted_sees_no_line_twice_and_the_last_ones_always(
    batches: list[tuple[int, bool]], limit: int, keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    seen: list[int] = []
    written = 0
    with open_log(folder, limits=LogLimits(limit, keep)) as log:
        cursor = LogCursor(folder, "coordinator")
        for count, reads in [*batches, (1, True)]:
            for number in range(written, written + count):
                log.write("INFO", str(number))
            written += count
            if reads:
                seen += [int(record.message) for record in cursor.read()]
                assert seen[-1] == written - 1
        cursor.close()
    assert seen == sorted(set(seen))
    assert len(seen) == written or cursor.missed


def test_a_log_opened_again_goes_on_behind_a_torn_line(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.write("INFO", "whole")
    with (tmp_path / "coordinator.jsonl").open("ab") as file:
        file.write(b'{"t": "20')
    cursor = LogCursor(tmp_path, "coordinator")
    assert [record.message for record in cursor.read()] == ["whole"]
    with open_log(tmp_path) as log:
        log.write("INFO", "back")
    assert [record.message for record in cursor.read()] == ["back"]
    assert cursor.damaged == 1
    cursor.close()


def test_a_full_disk_loses_lines_says_how_many_and_kills_nobody(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.write("INFO", "before")
        room = (tmp_path / "coordinator.log").stat().st_size + 20
        with file_size_limit(room):
            log.write("INFO", "lost")
            log.write_lines(["lost", "lost"], [STEP, STEP])
        log.write("INFO", "after")
    notice = "3 log lines before this one could not be written: File too large"
    assert messages_of(tmp_path) == ["before", notice, "after"]
    assert [line[70:] for line in text_of(tmp_path)] == ["before", notice, "after"]
    assert records_of(tmp_path)[1].level == "WARNING"


def test_a_reader_is_not_confused_by_half_a_line_that_was_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "loader.jsonl"
    line = b'{"t":"2026","level":"INFO","actor":"loader","sim":null,"message":"%s"}\n'
    path.write_bytes(line % b"one" + b'{"t":"2026","level":"ERR')
    cursor = LogCursor(tmp_path, "loader")
    assert [record.message for record in cursor.read()] == ["one"]
    path.write_bytes(line % b"one" + line % b"two")
    assert [record.message for record in cursor.read()] == ["two"]
    cursor.close()


def test_a_line_longer_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    text = "x" * 3_000_000
    with open_log(tmp_path) as log:
        log.write_lines([text, "short"], [STEP, STEP])
    assert messages_of(tmp_path) == [text, "short"]


def test_the_lines_of_all_actors_are_merged_by_wall_time(tmp_path: Path) -> None:
    with ExitStack() as stack:
        logs = [stack.enter_context(open_log(tmp_path, actor)) for actor in ("c", "a", "b")]
        for number in range(9):
            logs[number % 3].write("INFO", str(number))
    folder = LogFolder(tmp_path)
    assert folder.actors() == ["a", "b", "c"]
    assert [record.message for record in folder.read()] == [str(number) for number in range(9)]
    assert list(folder.read()) == []
    folder.close()


def test_a_crash_in_native_code_leaves_its_words_in_the_out_file(tmp_path: Path) -> None:
    path = tmp_path / "loader.out"
    code = (
        "import ctypes, os, resource, sys; from pathlib import Path\n"
        "from actors.runtime.logs import CapturedOutput\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "CapturedOutput(Path(sys.argv[1]))\n"
        "print('printed \\udcff')\n"
        "os.write(2, b'raw bytes\\n')\n"
        "ctypes.string_at(0)\n"
    )
    died = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True)
    assert died.returncode < 0
    assert died.stdout == died.stderr == b""
    text = path.read_text()
    assert text.startswith("printed \\udcff\nraw bytes\nFatal Python error: Segmentation fault")


def test_what_a_process_prints_is_kept_short_and_a_stack_still_finds_its_way(tmp_path: Path) -> None:
    path = tmp_path / "loader.out"
    code = (
        "import os, sys; from pathlib import Path\n"
        "from actors.runtime.logs import CapturedOutput\n"
        "output = CapturedOutput(Path(sys.argv[1]), limit_bytes=1000)\n"
        "for number in range(100):\n"
        "    print(number, 'x' * 100)\n"
        "    output.keep_short()\n"
        f"os.kill(os.getpid(), {int(STACK_SIGNAL)})\n"
        "print('and on')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True)
    assert ended.stdout == ended.stderr == b""
    assert sorted(each.name for each in tmp_path.iterdir()) == ["loader.1.out", "loader.out"]
    assert (tmp_path / "loader.1.out").stat().st_size <= 1200
    *_, header, frame, last = path.read_text().splitlines()
    assert header.endswith("(most recent call first):")
    assert frame.endswith("in <module>")
    assert last == "and on"


def test_a_sink_prepared_for_the_usual_level_serves_the_next_log_and_none_of_another_level(
    tmp_path: Path,
) -> None:
    for level, heard in (("INFO", ["said"]), ("WARNING", [])):
        prepare_sink()
        with ActorLog(tmp_path, level.lower(), level, "UTC"):
            logger.info("said")
        assert messages_of(tmp_path, level.lower()) == heard
