"""A client in another language, written from docs/protocol.md alone, hears what the run has recorded."""

import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import psutil
import pytest

from actors.runtime.journal_files import JournalReader
from protocol.blocks import as_bars
from protocol.messages import SealedWindow
from tests.pipeline.conftest import ROOT, SLOW, Configure, Ended, Json, Launch, Launcher, read_bars

SOURCES: Final = Path(__file__).parent / "node_observer"
INSTALL_S: Final = 60
LISTEN_S: Final = 60
NODE: Final = shutil.which("node") or ""
NPM: Final = shutil.which("npm") or ""
COMMAND: Final = (
    *(NPM, "install", "--ignore-scripts", "--no-audit", "--no-fund"),
    *("--no-package-lock", "--fetch-retries=1", "--fetch-timeout=20000"),
)
BRISK: Final = {"backtest_config": {"speed_multiplier": 20_000}}


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client with its packages; they need the network once."""
    if not NODE or not NPM:
        pytest.skip(f"there is no {'npm' if NODE else 'node'}")
    folder = tmp_path_factory.mktemp("node_observer")
    for name in ("package.json", "observer.js"):
        shutil.copy(SOURCES / name, folder)
    try:
        done = subprocess.run(
            COMMAND, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not come by the packages within {INSTALL_S} s")
    if done.returncode:
        pytest.skip(f"npm cannot come by the packages: {done.stderr[-300:]}")
    loads = "require('zeromq'); require('@msgpack/msgpack'); require('node:zlib').crc32('')"
    probe = subprocess.run([NODE, "-e", loads], cwd=folder, capture_output=True, timeout=20, check=False)
    if probe.returncode:
        pytest.skip(f"this node does not run the packages: {probe.stderr[-300:]!r}")
    return folder


class Listener:
    """The client at work."""

    def __init__(self, client: Path, run: Path, scratch: Path) -> None:
        self._out, self._err = scratch / "observer.out", scratch / "observer.err"
        command = [NODE, str(client / "observer.js"), str(run)]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = psutil.Popen(command, stdout=out, stderr=err, cwd=client)

    @property
    def listens(self) -> bool:
        assert self.process.poll() in (None, 0), self._err.read_text()
        return "listening" in self._err.read_text()

    def result(self) -> Json:
        assert self.process.wait(LISTEN_S) == 0, self._err.read_text()
        found: Json = json.loads(self._out.read_text())
        return found


@pytest.fixture
def listeners() -> Iterator[list[Listener]]:
    started: list[Listener] = []
    yield started
    for listener in started:
        if listener.process.poll() is None:
            listener.process.kill()
            listener.process.wait(LISTEN_S)


def listen(launched: Launch, client: Path, listeners: list[Listener]) -> Listener:
    """Start the client and wait until it listens."""
    folder = launched.wait_until("run was steerable", lambda: run_folder(launched))
    listeners.append(Listener(client, folder, launched.scratch))
    launched.wait_until("client listened", lambda: listeners[-1].listens)
    return listeners[-1]


def run_folder(launched: Launch) -> Path | None:
    folder = launched.folder
    there = folder is not None and (folder / "control.json").exists() and (folder / "plan.json").exists()
    return folder if there else None


def assert_heard_everything(found: Json, ended: Ended) -> None:
    """Compare what was heard with the run's journal, and with its tables."""
    digests = ended.summary["digest"]
    assert (found["end"]["data"], found["end"]["stream"]) == (digests["data"], digests["stream"])
    messages = (envelope.message for envelope in JournalReader(ended.run_folder / "journal").all_envelopes())
    windows = [message for message in messages if isinstance(message, SealedWindow)]
    assert found["windows"] == found["end"]["windows"] == len(windows)
    everything = np.concatenate([as_bars(window.block) for window in windows if window.session >= 0])
    streams = {stream["id"]: stream for stream in ended.json("plan.json")["streams"]}
    for number in np.unique(everything["stream"]).tolist():
        stream = streams[number]
        heard = found["streams"].pop(f"{stream['symbol']}/{stream['interval']}")
        records = everything[everything["stream"] == number]
        assert heard["sha256"] == hashlib.sha256(records.tobytes()).hexdigest()
        rows = read_bars(ended.run_folder, stream["interval"], stream["symbol"])
        assert heard["bars"] == len(rows)
        assert math.isclose(heard["closes"], sum(row["close"] for row in rows), rel_tol=1e-12)
        assert math.isclose(heard["volume"], sum(row["volume"] for row in rows), rel_tol=1e-12)
    assert found["streams"] == {}


def resume(launched: Launch) -> None:
    folder = launched.folder
    assert folder is not None
    command = [sys.executable, str(ROOT / "scripts" / "control.py"), "resume", str(folder)]
    subprocess.run(command, check=True, timeout=30, capture_output=True)


def test_a_client_that_is_there_from_the_start_hears_every_window_once(
    client: Path, launch: Launcher, configure: Configure, listeners: list[Listener]
) -> None:
    launched = launch(configure(BRISK), "--paused")
    launched.wait_state("paused")
    listener = listen(launched, client, listeners)
    resume(launched)
    found = listener.result()
    assert_heard_everything(found, launched.finish())
    assert found["live"] > 0
    assert found["epochs"] == [0]


def test_a_client_that_comes_late_reads_what_it_missed_and_survives_the_coordinator(
    client: Path, launch: Launcher, configure: Configure, listeners: list[Listener]
) -> None:
    launched = launch(configure(SLOW, {"backtest_config": {"speed_multiplier": 4_000}}))
    launched.wait_streaming()
    listener = listen(launched, client, listeners)
    os.kill(launched.pid("coordinator"), signal.SIGKILL)
    found = listener.result()
    ended = launched.finish()
    assert ended.exit_code == 0
    assert_heard_everything(found, ended)
    assert 0 < found["live"] < found["windows"]
    assert found["epochs"][0] == 0
    assert len(found["epochs"]) > 1
