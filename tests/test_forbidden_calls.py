"""Nothing that comes from outside is ever run: no pickle, no eval, no shell. Every module is read for it.

One thing is pickled, by the standard library: `multiprocessing` hands an `ActorSpec` to the forkserver's
child through a pipe of its own making. No other process can write to it, so nothing foreign comes by it.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.forbidden_calls import forbidden

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCES: Final = ("actors", "protocol", "scripts")


def test_nothing_that_comes_from_outside_is_ever_run() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for folder in SOURCES
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, what in forbidden(path.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal",
        "from pickle import loads",
        "from yaml import load",
        "import yaml.loader",
        "eval(text)",
        "exec(text, {})",
        "compile(text, name, 'exec')",
        "__import__(name)",
        "socket.send_pyobj(message)",
        "socket.recv_pyobj()",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=trusted)",
        "subprocess.run(command, shell=True)",
        "os.system(command)",
        "os.popen(command)",
        "pd.read_pickle(path)",
    ],
)
def test_what_would_run_it_is_found(source: str) -> None:
    assert [line for line, _ in forbidden(f"import x\n{source}\n")] == [2]


@pytest.mark.parametrize(
    "source",
    [
        "re.compile(pattern)",
        "platform.system()",
        "np.load(path, allow_pickle=False)",
        "subprocess.run([name], shell=False)",
        "import_module(name)",
        "msgspec.json.decode(text)",
    ],
)
def test_what_is_harmless_is_let_pass(source: str) -> None:
    assert list(forbidden(source)) == []
