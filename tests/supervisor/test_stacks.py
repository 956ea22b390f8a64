import faulthandler
import tempfile
import threading

from hypothesis import given
from hypothesis import strategies as st

from actors.supervisor.stacks import FRAMES, last_stack, without_stacks

printed = st.lists(st.sampled_from(["hello", "  File nowhere", "Thread of thought", "  ... and on", "\t"]))


def dumped(depth: int) -> list[str]:
    """Have the stacks of two threads written, the main one this deep."""
    if depth:
        return dumped(depth - 1)
    ready, over = threading.Event(), threading.Event()

    def wait() -> None:
        ready.set()
        over.wait(60)

    thread = threading.Thread(target=wait)
    thread.start()
    with tempfile.TemporaryFile() as file:
        ready.wait(60)
        faulthandler.dump_traceback(file, all_threads=True)
        over.set()
        thread.join(60)
        file.seek(0)
        return file.read().decode().splitlines()


SHALLOW = dumped(0)
DEEP = dumped(FRAMES + 1)


@given(printed, printed)
def test_the_last_stack_is_found_whatever_is_printed_around_it(before: list[str], after: list[str]) -> None:
    found = last_stack([*before, *SHALLOW, *before, *DEEP, *after])
    assert found == last_stack(DEEP)
    assert without_stacks([*before, *DEEP, *after]) == (*before, *after)


def test_a_stack_has_the_innermost_frames_of_each_thread_and_no_more_than_some() -> None:
    found = last_stack(DEEP)
    threads = [number for number, line in enumerate(found) if line.endswith("(most recent call first):")]
    assert len(threads) >= 2  # the runner of the tests may have some of its own
    (place,) = [number for number in threads if found[number].startswith("Current thread")]
    following = [number for number in threads if number > place]
    current = [line for line in found[place + 1 : min(following, default=None)] if line]
    assert len(current) == FRAMES
    assert all(line.endswith("in dumped") for line in current)


@given(printed)
def test_where_no_stack_was_written_none_is_found(lines: list[str]) -> None:
    assert last_stack(lines) == ()
    assert without_stacks(lines) == tuple(lines)
