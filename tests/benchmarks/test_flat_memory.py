"""What a run's actors hold does not grow with the sessions they have seen: bytes are counted, not seconds.

All roles run in this process, on half-hourly bars, and the recorder writes its tables early, so that what it
may hold is reached soon. What is held at the end of a session is then all that is ever held.
"""

import gc
import json
import tracemalloc
from functools import _lru_cache_wrapper
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import pytest

from actors.assembly.places import RunPlaces
from actors.config import load_config
from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.local_time import local_stamp
from actors.domain.session_plan import Session, SessionPlan
from actors.recorder import Limits, Recorder
from actors.runtime.calendars import Calendars
from actors.runtime.journal_files import JournalReader
from actors.runtime.store import Catalog, ParquetTables, write_bars
from actors.supervisor.planner import make_plan
from protocol.messages import Message, SessionReport
from tests.benchmark_scripts import imported
from tests.benchmarks.test_regression_guard import Instructions, Run

FEW: Final = 50
MANY: Final = 5 * FEW
HALF_HOUR: Final = Interval(30, "m")
EARLY: Final = Limits(shelved_bars=100, shelf_bars=50, loose_bars=100, table_rows=100)
SLACK: Final = 100_000
"""Bytes by which two moments may differ, 500 a session: rows for tables, caches that have a bound."""


class Weighed(Run):
    """A run that is weighed whenever a session has been reported."""

    def __init__(self, plan: SessionPlan, places: RunPlaces) -> None:
        super().__init__(plan, places, Instructions())
        journal, tables = JournalReader(places.journal), ParquetTables(places.tables)
        self.roles["recorder"] = Recorder("recorder", plan, journal, tables, EARLY)
        self.held: dict[int, int] = {}
        self.kept: list[str] = []
        """What a leak holds on to, in a test of this test."""
        self.leaks = False

    def _effects(self, role: Any, act: Any) -> Any:  # noqa: ANN401, ARG002
        return list(act())

    def _send(self, topic: str, message: Message) -> None:
        super()._send(topic, message)
        if isinstance(message, SessionReport):
            local_stamp(message.session * 86_400 * 10**9, "America/New_York")  # as its line in the log does
            if self.leaks:
                self.kept.append("x" * 1000 + str(message.session))
            if message.session + 1 in (FEW, MANY):
                gc.collect()
                self.held[message.session + 1] = tracemalloc.get_traced_memory()[0]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, workload = tmp_path_factory.mktemp("flat"), imported("workload")
    sessions = workload.sessions(MANY + 1)
    write_bars(folder, "S0000", str(HALF_HOUR), half_hours(workload, sessions), workload.METADATA)
    document = workload.configuration(workload.Workload(1, MANY), sessions)
    document["session_data_config"] |= {"streams": ["30m", "1h"], "strategies": []}
    path = folder / "session.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def half_hours(workload: ModuleType, sessions: tuple[Session, ...]) -> Any:  # noqa: ANN401
    opens = np.concatenate([expected_opens(session, HALF_HOUR) for session in sessions])
    closes = np.concatenate([expected_closes(session, HALF_HOUR) for session in sessions])
    minutes = workload.minutes(0, sessions)
    return {name: column[: len(opens)] for name, column in minutes.items()} | {
        "open_ts": opens,
        "close_ts": closes,
    }


def empty_caches() -> None:
    """Forget what tests before this one have filled caches with: a full one grows no more."""
    for found in gc.get_objects():
        if isinstance(found, _lru_cache_wrapper) and found.__module__.startswith(("actors.", "protocol.")):
            found.cache_clear()


def weigh(config_path: Path, folder: Path, *, leaks: bool = False) -> int:
    """Give by how many bytes a run's actors hold more after many sessions than after few."""
    config = load_config(config_path)
    plan = make_plan(config, Catalog(config.catalog_path), Calendars(), config_path)
    run = Weighed(plan, RunPlaces(folder, folder, config.catalog_path, 1))
    run.leaks = leaks
    empty_caches()
    tracemalloc.start()
    try:
        run.play()
    finally:
        tracemalloc.stop()
    assert run.roles["recorder"].windows > MANY
    return run.held[MANY] - run.held[FEW]


def test_actors_hold_as_much_after_five_times_as_many_sessions(config: Path, tmp_path: Path) -> None:
    assert weigh(config, tmp_path) < SLACK


def test_a_thousand_bytes_kept_of_every_session_would_be_found(config: Path, tmp_path: Path) -> None:
    assert weigh(config, tmp_path, leaks=True) > SLACK
