"""Real runs whose actors are killed and stopped, all at once too, at moments that a seed chooses.

`CHAOS_SEED` is the first seed and `CHAOS_RUNS` how many there are; a failing test has its seed in its name.
`make chaos` runs many.
"""

import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from tests.pipeline.conftest import Configure, Ended, Json, Launcher, Runner

FIRST: Final = int(os.environ.get("CHAOS_SEED", "1"))
SEEDS: Final = range(FIRST, FIRST + int(os.environ.get("CHAOS_RUNS", "2")))
SECOND: Final = {
    "name": "second",
    "strategy": "actors.strategies.sma_crossover:SmaCrossover",
    "params": {"interval": "5m", "fast": 3, "slow": 9, "quantity": 40},
}
FIRST_STRATEGY: Final = SECOND | {
    "name": "sma_crossover",
    "params": {"interval": "5m", "fast": 10, "slow": 20, "quantity": 40},
}
CHAOTIC: Final[Json] = {
    "backtest_config": {"speed_multiplier": 20_000},
    "pipeline": {
        "window_steps": 2,
        "credit": 4,
        "stall_seconds": 2.0,
        "heartbeat_seconds": 0.2,
        "restarts": {"limit": 1000, "backoff_seconds": 0.01},
    },
    "session_data_config": {"strategies": [FIRST_STRATEGY, SECOND]},
}
"""Three seconds of steps: room for what happens."""
KINDS: Final = {"kill": 6, "stop": 2, "all": 2}
"""What happens, and how often it does."""


class Chaos:
    """One run, and what a seed does to it."""

    def __init__(self, seed: int, launch: Launcher, config: Path, journal_bytes: int) -> None:
        """Start the run; moments are chosen by how long its journal is, which `journal_bytes` will be."""
        self._random = random.Random(seed)
        self._launch, self._config = launch, config
        self._bytes = journal_bytes
        self.launched = launch(config)
        self._runs = self.launched.runs

    def play(self) -> Ended:
        """Disturb the run some times, then let it come to its end."""
        for at_bytes in self._moments():
            if self._wait(at_bytes):
                self._disturb()
        return self.launched.finish()

    def _moments(self) -> list[int]:
        return sorted(self._random.randrange(self._bytes) for _ in range(self._random.randint(1, 4)))

    def _wait(self, at_bytes: int) -> bool:
        """Wait for the journal to be so long; say whether the run still goes on then."""

        def is_there() -> bool:
            return self.launched.process.poll() is not None or _journal_bytes(self._runs) >= at_bytes

        self.launched.wait_until(f"journal had {at_bytes} bytes", is_there)
        return self.launched.process.poll() is None

    def _disturb(self) -> None:
        (kind,) = self._random.choices(list(KINDS), list(KINDS.values()))
        actors = (self.launched.status() or {"actors": {}})["actors"]
        actor = self._random.choice(sorted(actors)) if actors else None
        if kind == "all":
            self._kill_all()
        elif actor is not None:
            self._signal(actors[actor]["pid"], signal.SIGKILL if kind == "kill" else signal.SIGSTOP)

    def _signal(self, pid: int | None, number: signal.Signals) -> None:
        """Signal one of the run's own processes, if it is there."""
        for process in self.launched.offspring():
            if process.pid == pid:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)

    def _kill_all(self) -> None:
        """Kill the whole tree, tear the journal as a loss of power would, and resume the run."""
        self.launched.end()
        self.launched.wait_gone()
        folder = self.launched.folder
        assert folder is not None
        if not (folder / "inputs.json").exists():
            self.launched = self._launch(self._config, "--runs", str(self._runs / "again"))
            self._runs = self.launched.runs
            return
        segments = sorted((folder / "journal").glob("*.sfj"))
        if segments:
            size = segments[-1].stat().st_size
            os.truncate(segments[-1], max(0, size - self._random.choice((0, self._random.randrange(4000)))))
        self.launched = self._launch(self._config, "--resume", folder.name, "--runs", str(self._runs))


def _journal_bytes(runs: Path) -> int:
    return sum(path.stat().st_size for path in runs.glob("2*/journal/*.sfj"))


def tables(ended: Ended) -> dict[str, Any]:
    folder = ended.run_folder / "tables"
    return {str(path.relative_to(folder)): pq.ParquetFile(path).read() for path in folder.rglob("*.parquet")}


@pytest.fixture
def undisturbed(run: Runner, configure: Configure, tmp_path: Path) -> Ended:
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    ended = run(configure(CHAOTIC, folder=folder), "--inline", "--speed", "0")
    assert ended.exit_code == 0, ended.stderr
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_whose_actors_die_and_hang_ends_as_one_that_was_left_alone(
    launch: Launcher, configure: Configure, undisturbed: Ended, seed: int
) -> None:
    journal_bytes = sum(path.stat().st_size for path in (undisturbed.run_folder / "journal").iterdir())
    chaos = Chaos(seed, launch, configure(CHAOTIC), journal_bytes)
    ended = chaos.play()
    what = f"CHAOS_SEED={seed} CHAOS_RUNS=1 does it again\n{ended.stdout}\n{ended.stderr}"
    assert ended.exit_code == 0, what
    assert ended.summary["digest"] == undisturbed.summary["digest"], what
    assert ended.summary["results"] == undisturbed.summary["results"], what
    found, expected = tables(ended), tables(undisturbed)
    assert sorted(found) == sorted(expected), what
    assert [name for name in found if found[name] != expected[name]] == [], what
