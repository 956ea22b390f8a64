"""No role does more Python work for a bar than it did: bytecode instructions are counted, no clock is read.

All roles run in this process, as in an inline run, on the benchmark's workload. What a run costs whatever its
size falls out, for the limits are on the difference between two runs, for each bar or step that one has more.
Coordinator, processor and quality manager work on whole windows, so that their share of a bar is next to
nothing (the coordinator's is lines per symbol); a loop over bars costs 7 instructions a bar at least. Limits
are about 1.5 times what was measured under Python 3.11, or more where that is next to nothing.
"""

import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType, ModuleType
from typing import Any, Final, NamedTuple

import pytest

from actors.assembly import build_role
from actors.assembly.places import ActorSpec, RunPlaces, actor_roles
from actors.config import load_config
from actors.coordinator import Coordinator
from actors.domain.feed import Feed
from actors.domain.roles import Effect, Role, Send
from actors.domain.session_plan import SessionPlan
from actors.domain.session_tape import Tape
from actors.domain.stage_one import StageOne
from actors.processor import Processor
from actors.quality import QualityManager
from actors.runtime.calendars import Calendars
from actors.runtime.framing import Framing, keep
from actors.runtime.journal_files import JournalWriter
from actors.runtime.store import Catalog
from actors.supervisor.planner import make_plan
from protocol import topics
from protocol.blocks import Bars, as_bars
from protocol.messages import Finished, Message, RawWindow
from tests.benchmark_scripts import imported

FEW: Final = 4
MANY: Final = 14
DAYS: Final = 2
MINUTES: Final = 390
COORDINATOR: Final = "coordinator"


class Cost(NamedTuple):
    """Bytecode instructions of one role."""

    bar: float
    """For each base bar more at the same steps."""
    step: float
    """For each step more, with the bars of `FEW` symbols in it."""


LIMITS: Final = {
    COORDINATOR: Cost(10, 200),
    "loader": Cost(26, 35),
    "processor": Cost(2, 30),
    "quality": Cost(2, 20),
    "recorder": Cost(22, 40),
    "analysis": Cost(80, 520),
}


class Instructions:
    """Counts the bytecode instructions that are carried out on behalf of each role."""

    def __init__(self) -> None:
        self.by_role: Counter[str] = Counter()
        self._role = ""

    @contextmanager
    def of(self, role: str) -> Iterator[None]:
        self._role = role
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.by_role[self._role] += 1
        return self._trace


class Run:
    """All roles of a plan, joined in memory."""

    def __init__(self, plan: SessionPlan, places: RunPlaces, instructions: Instructions) -> None:
        self._instructions = instructions
        self._kinds = actor_roles(plan)
        self.roles: dict[str, Role] = {
            name: build_role(ActorSpec(name, kind, places), plan) for name, kind in self._kinds.items()
        }
        self._queue: deque[tuple[Role, Message]] = deque()
        self._finished = False
        self._framing = Framing(places.run)
        self._journal = JournalWriter(places.journal, places.run)

    def play(self) -> None:
        coordinator = self.roles[COORDINATOR]
        assert isinstance(coordinator, Coordinator)
        with self._journal:
            self._carry_out(self._effects(coordinator, coordinator.begin))
            while not self._finished:
                role, message = self._queue.popleft()
                self._carry_out(self._effects(role, partial(role.on_message, message)))

    def _effects(self, role: Role, act: Callable[[], Iterable[Effect]]) -> list[Effect]:
        with self._instructions.of(self._kinds[role.name]):
            return list(act())

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._send(effect.topic, effect.message)

    def _send(self, topic: str, message: Message) -> None:
        self._finished = self._finished or isinstance(message, Finished)
        if topic in topics.JOURNALED:
            keep(self._journal, topic, message, self._framing.encode(topic, message))
        if topic.startswith(("report/", "ingest/")):
            self._queue.append((self.roles[COORDINATOR], message))
        for name, role in self.roles.items():
            if topic in (*role.subscriptions, topics.to(name)):
                self._queue.append((role, message))


class Bench:
    """The workload, in runs of a few symbols, of many symbols, and of many days."""

    def __init__(self, folder: Path, workload: ModuleType) -> None:
        self._folder = folder
        self._workload = workload

    def costs(self) -> dict[str, Cost]:
        """Compare runs, so that what a run costs whatever its size falls out."""
        small, wide, long = self.count(FEW, 1), self.count(MANY, 1), self.count(FEW, DAYS)
        bars, steps = (MANY - FEW) * MINUTES, (DAYS - 1) * MINUTES
        return {
            role: Cost((wide[role] - small[role]) / bars, (long[role] - small[role]) / steps)
            for role in small
        }

    def count(self, symbols: int, days: int) -> Counter[str]:
        instructions = Instructions()
        run = self._run(self._prepared(symbols, days), instructions)
        run.play()
        assert run.roles["processor"].bars == symbols * days * MINUTES
        return instructions.by_role

    def _prepared(self, symbols: int, days: int) -> Path:
        folder = self._folder / f"{symbols}x{days}"
        if not folder.exists():
            self._workload.prepare(folder, self._workload.Workload(symbols, days))
        return folder / "session.json"

    def _run(self, path: Path, instructions: Instructions) -> Run:
        config = load_config(path)
        plan = make_plan(config, Catalog(config.catalog_path), Calendars(), path)
        folder = Path(mkdtemp(dir=self._folder))
        return Run(plan, RunPlaces(folder, folder, config.catalog_path, 1), instructions)


def over(costs: Mapping[str, Cost]) -> list[str]:
    """Name the roles that are over their limits, and by how much."""
    return [
        f"{role}: {spent:.2f} instructions per {what}, {spent / allowed:.1f} times its limit of {allowed:g}"
        for role, cost in costs.items()
        for what, spent, allowed in zip(Cost._fields, cost, LIMITS[role], strict=True)
        if spent > allowed
    ]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("guard"), imported("workload"))
    made.count(FEW, 1)
    return made


def work_through(bars: Bars) -> float:
    """Do what a role must not: look at bars one by one."""
    total = 0.0
    for close in bars["close"].tolist():
        total += close
    return total


def spoil_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Feed._load

    def slow(self: Feed, tape: Tape, now_ns: int) -> None:
        work_through(tape.bars)
        load(self, tape, now_ns)

    monkeypatch.setattr(Feed, "_load", slow)


def spoil_stage_one(role: type[StageOne], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = role._answer

    def slow(self: StageOne, window: RawWindow) -> Iterator[Effect]:
        work_through(as_bars(window.block))
        yield from answer(self, window)

    monkeypatch.setattr(role, "_answer", slow)


def test_no_role_does_more_work_for_a_bar_or_a_step_than_its_limit_allows(bench: Bench) -> None:
    costs = bench.costs()
    assert costs.keys() == LIMITS.keys()
    assert not over(costs)


@pytest.mark.parametrize(
    ("role", "spoil"),
    [
        (COORDINATOR, spoil_coordinator),
        ("processor", partial(spoil_stage_one, Processor)),
        ("quality", partial(spoil_stage_one, QualityManager)),
    ],
)
def test_a_loop_over_bars_is_found_and_told_with_its_role_and_its_share(
    role: str, spoil: Callable[[pytest.MonkeyPatch], None], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch)
    found = over(bench.costs())
    assert re.fullmatch(rf"{role}: [\d.]+ instructions per bar, [\d.]+ times its limit of \d+", found[0])
    assert all(line.startswith(f"{role}: ") for line in found)
