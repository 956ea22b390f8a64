"""The command line's forkserver is a copy of its process, and keeps nothing of it that others wait for."""

import subprocess
import sys

PROGRAM = """
import os
import sys

import psutil

from actors.supervisor.forkserver import start_forkserver

reader, writer = os.pipe()
start_forkserver(as_copy=True)
os.close(writer)
assert os.read(reader, 1) == b"", "the copy still holds the pipe"
copies = [child for child in psutil.Process().children() if child.cmdline() == psutil.Process().cmdline()]
start_forkserver(as_copy=True)
assert copies == [child for child in psutil.Process().children() if child in copies], "there is another one"
print(len(copies))
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_copy_lets_go_of_all_descriptors_but_its_own_and_is_made_once() -> None:
    ended = run(PROGRAM)
    expected = "1" if sys.platform == "linux" else "0"
    assert (ended.returncode, ended.stdout.strip()) == (0, expected), ended.stderr


def test_copies_end_with_the_process_that_made_them() -> None:
    program = (
        "import psutil\n"
        "from actors.supervisor.forkserver import start_forkserver\n"
        "start_forkserver(as_copy=True)\n"
        "print(*(child.pid for child in psutil.Process().children()), flush=True)\n"
        "psutil.Process().kill()\n"
    )
    ended = run(program)  # comes back when the last of them has let go of standard output
    assert ended.returncode < 0, ended.stderr
    assert len(ended.stdout.split()) == 2
