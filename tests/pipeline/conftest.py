"""Launches the real script, as a user would, far from the checkout, and sees to it that nothing is left."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
SCRIPT: Final = ROOT / "scripts" / "launch.py"
EXAMPLE: Final = ROOT / "configs" / "example_session.json"
CATALOG: Final = ROOT / "data"
MARK: Final = "SESSIONFLOW_TEST_LAUNCH"
"""Names the launch in the environment of every process that comes of it."""
DEADLINE_S: Final = 60.0
POLL_S: Final = 0.02
SLOW: Final = {"backtest_config": {"speed_multiplier": 600}, "pipeline": {"heartbeat_seconds": 0.1}}
"""The example would take 99 s."""
NO_RESTARTS: Final = {"pipeline": {"restarts": {"limit": 0}}}

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Ended:
    """A launch that is over."""

    exit_code: int
    stdout: str
    stderr: str
    folder: Path | None
    """The run's folder; None where it came to none."""

    @property
    def run_folder(self) -> Path:
        assert self.folder is not None, self.stderr
        return self.folder

    @property
    def summary(self) -> Json:
        return self.json("summary.json")

    def json(self, name: str) -> Json:
        content: Json = json.loads((self.run_folder / name).read_bytes())
        return content

    def messages(self, actor: str) -> list[str]:
        lines = (self.run_folder / "logs" / f"{actor}.jsonl").read_text().splitlines()
        return [json.loads(line)["message"] for line in lines]


class Launch:
    """The script at work."""

    def __init__(self, command: list[str], scratch: Path, cwd: Path, environment: Mapping[str, str]) -> None:
        self.scratch = scratch
        self.runs = Path(command[command.index("--runs") + 1])
        self.sockets = Path(environment["TMPDIR"])
        self._mark = environment[MARK]
        with self._output("stdout").open("wb") as stdout, self._output("stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def folder(self) -> Path | None:
        """The run's folder, once it is there."""
        folders = [path for path in self.runs.glob("2*") if path.is_dir()] if self.runs.is_dir() else []
        return folders[0] if folders else None

    def status(self) -> Json | None:
        if self.folder is None or not (self.folder / "status.json").exists():
            return None
        content: Json = json.loads((self.folder / "status.json").read_bytes())
        return content

    def pid(self, actor: str) -> int:
        status = self.status()
        assert status is not None, "no status yet"
        return int(status["actors"][actor]["pid"])

    def wait_until(self, what: str, find: Callable[[], T | None]) -> T:
        """Give what `find` finds; it must be found before the deadline, and before the launch ends."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            over = self.process.poll() is not None
            found = find()
            if found:
                return found
            assert not over, f"the launch ended before {what}: {self.read('stdout')}{self.read('stderr')}"
            assert time.monotonic() < deadline, f"no {what} within {DEADLINE_S:g} s: {self.status()}"
            time.sleep(POLL_S)

    def wait_state(self, state: str) -> None:
        """Wait until the run says that it is in this state."""

        def is_in_state() -> bool:
            status = self.status()
            return status is not None and status["state"] == state

        self.wait_until(f"run was {state}", is_in_state)

    def wait_reader(self, fifo: Path) -> None:
        """Wait until one of the run's processes hangs in opening a FIFO to read from it."""

        def has_reader() -> bool:
            try:
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                return False
            return True

        self.wait_until("reader came", has_reader)

    def wait_streaming(self) -> None:
        """Wait until bars of the first session were delivered."""

        def streams() -> bool:
            status = self.status()
            return status is not None and status["phase"] == 5 and status["bars"] > 0

        self.wait_until("bar was delivered", streams)

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def finish(self, deadline_s: float = DEADLINE_S) -> Ended:
        """Wait for the end; no process may be left after it."""
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {deadline_s:g} s: {self.status()} {self.read('stderr')}")
        self.wait_gone()
        return Ended(code, self.read("stdout"), self.read("stderr"), self.folder)

    def wait_gone(self, deadline_s: float = 10.0) -> None:
        """Wait until every process that came of the launch is gone."""
        deadline = time.monotonic() + deadline_s
        while left := self.offspring():
            assert time.monotonic() < deadline, f"left behind: {[process.cmdline() for process in left]}"
            time.sleep(POLL_S)

    def offspring(self) -> list[psutil.Process]:
        """List the processes that carry the launch's mark, the launch itself included."""
        return [process for process in psutil.process_iter() if _mark_of(process) == self._mark]

    def read(self, stream: str) -> str:
        return self._output(stream).read_text(errors="replace")

    def end(self) -> None:
        """Kill whatever a failed test has left."""
        for process in self.offspring():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def _output(self, stream: str) -> Path:
        return self.scratch / f"{stream}.txt"


class Launcher(Protocol):
    """Starts the script with a configuration and options."""

    def __call__(
        self, config: Path, *options: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Launch: ...


class Runner(Protocol):
    """Does the same and waits for the end."""

    def __call__(
        self, config: Path, *options: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Ended: ...


class Configure(Protocol):
    """Writes the example's configuration with changes, section by section."""

    def __call__(self, *changes: Json, folder: Path | None = None) -> Path: ...


class WriteStrategy(Protocol):
    """Writes a strategy file beside the configuration and gives its entry in `strategies`."""

    def __call__(self, name: str, body: str, **settings: Any) -> Json: ...  # noqa: ANN401


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled calendars that all workers share."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """A folder whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="sf-") as folder:
        yield Path(folder)


def start(scratch: Path, arguments: list[str], environment: Mapping[str, str], cwd: Path | None) -> Launch:
    elsewhere = scratch / "elsewhere"
    elsewhere.mkdir(parents=True, exist_ok=True)
    if "--runs" not in arguments:
        arguments = [*arguments, "--runs", str(scratch / "runs")]
    return Launch([sys.executable, str(SCRIPT), *arguments], scratch, cwd or elsewhere, environment)


def _environment(cache: Path, sockets: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SESSIONFLOW_CACHE_DIR": str(cache),
        "TMPDIR": str(sockets),
        "COLUMNS": "200",
        MARK: uuid4().hex,
    }


@pytest.fixture
def launch(tmp_path: Path, cache: Path, short_tmp: Path) -> Iterator[Launcher]:
    started: list[Launch] = []

    def begin(
        config: Path, *options: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Launch:
        sockets = Path(tempfile.mkdtemp(dir=short_tmp, prefix=""))
        environment = {**_environment(cache, sockets), **(env or {})}
        scratch = tmp_path / f"launch-{len(started)}"
        started.append(start(scratch, [str(config), *options], environment, cwd))
        return started[-1]

    yield begin
    for launched in started:
        launched.end()


@pytest.fixture
def run(launch: Launcher) -> Runner:
    def begin_and_wait(
        config: Path, *options: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Ended:
        return launch(config, *options, env=env, cwd=cwd).finish()

    return begin_and_wait


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory, cache: Path, short_tmp: Path) -> Ended:
    """The shipped example, replayed once for all the tests that examine it."""
    scratch = tmp_path_factory.mktemp("example")
    sockets = Path(tempfile.mkdtemp(dir=short_tmp, prefix=""))
    launched = start(scratch, [str(EXAMPLE)], _environment(cache, sockets), None)
    try:
        return launched.finish()
    finally:
        launched.end()


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    def write(*changes: Json, folder: Path | None = None) -> Path:
        document: Json = json.loads(EXAMPLE.read_bytes())
        document["catalog"]["path"] = str(CATALOG)
        for change in changes:
            _merge(document, change)
        path = (folder or tmp_path) / "session.json"
        path.write_text(json.dumps(document))
        return path

    return write


def _merge(document: Json, change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(document.get(key), dict):
            _merge(document[key], value)
        else:
            document[key] = value


@pytest.fixture
def write_strategy(tmp_path: Path) -> WriteStrategy:
    def write(name: str, body: str, **settings: Any) -> Json:  # noqa: ANN401
        (tmp_path / f"{name}.py").write_text(_PREAMBLE + body)
        return {"name": name, "strategy": f"{name}.py:Subject", **settings}

    return write


_PREAMBLE: Final = """
import multiprocessing
import os
import sys

from actors.domain.strategy import Needs, Strategy

IS_ACTOR = multiprocessing.parent_process() is not None

"""


def _mark_of(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARK, "")
    except psutil.Error:
        return ""


def read_rows(path: Path) -> list[Json]:
    """Read a Parquet table; instants as ns."""
    table = pq.ParquetFile(path).read()
    instants = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    for name in instants:
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.int64()))
    rows: list[Json] = table.to_pylist()
    return rows


def read_bars(folder: Path, interval: str, symbol: str) -> list[Json]:
    """Read what a run delivered of one stream."""
    parts = (folder / "tables" / "bars" / f"interval={interval}" / f"symbol={symbol}").glob("*.parquet")
    return [row for part in sorted(parts) for row in read_rows(part)]


def assert_whole_steps(ended: Ended, example: Ended) -> int:
    """Make sure that the tables hold the beginning of what the example's hold; give the last step."""
    steps = read_rows(ended.run_folder / "tables" / "steps.parquet")
    everything = read_rows(example.run_folder / "tables" / "steps.parquet")
    assert 0 < len(steps) < len(everything)
    assert steps == everything[: len(steps)]
    last = int(steps[-1]["event_ts"])
    for interval in ("1m", "5m", "15m", "1h", "1d"):
        for symbol in ("AAPL", "RIVN"):
            bars = read_bars(example.run_folder, interval, symbol)
            found = read_bars(ended.run_folder, interval, symbol)
            assert found == [bar for bar in bars if bar["close_ts"] <= last]
    return last
