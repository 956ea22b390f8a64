"""All roles joined in memory, killed by chance and started again from the journal: results stay the same."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.analysis import Analysis
from actors.coordinator import Coordinator
from actors.domain.lobby import Guest
from actors.domain.replay import Replay
from actors.domain.roles import Role
from actors.domain.sealing import base_ids
from actors.domain.session_plan import Flow, SessionPlan
from actors.loader import Loader
from actors.processor import Processor
from actors.quality import QualityManager
from protocol import topics
from protocol.messages import Message, PhaseEvent, SealedWindow, Welcome
from tests.test_whole_pipeline import Diary, Exchange, Market, Sink, Storage, flows, markets, outcome, seeds

Published = list[tuple[str, Message]]
ACTORS = ("coordinator", "loader", "processor", "quality", "recorder", "analysis-0", "analysis-1")


def cut_back(journal: Published) -> Published:
    """Leave out what only says that something is complete, as the repair of a journal does."""
    kept = 0
    for place, (topic, message) in enumerate(journal):
        is_entry = isinstance(message, PhaseEvent) and message.state == "started"
        if is_entry or (kept == place and topic not in (topics.SESSION, topics.CONTROL)):
            kept = place + 1
    return journal[:kept]


class Died(Exception):
    """The coordinator was killed between two of its effects."""


class RestartedExchange(Exchange):
    """Kill actors at given turns, and the coordinator also right after given records of the journal."""

    def __init__(
        self, plan: SessionPlan, storage: Storage, seed: int, deaths: dict[int, str], records: Iterable[int]
    ) -> None:
        super().__init__(plan, storage, seed)
        self.restarts = 0
        self._plan, self._storage = plan, storage
        self._base = base_ids(plan)
        self._journal: Published = []
        self._deaths = deaths
        self._turns = self._recorded = 0
        self._fatal = set(records)

    def _begin(self) -> None:
        try:
            super()._begin()
        except Died:
            self._start_all()

    def _turn(self) -> None:
        self._turns += 1
        try:
            super()._turn()
        except Died:
            self._start_all()
        dies = self._deaths.get(self._turns)
        if dies == "coordinator":
            self._start_all()
        elif dies in self.roles and not self._done:
            self._start(dies)

    def _send(self, actor: str, topic: str, message: Message) -> None:
        if topic in topics.JOURNALED:
            self._journal.append((topic, message))
            self._recorded += 1
            if self._recorded in self._fatal:
                raise Died
        super()._send(actor, topic, message)

    def _start_all(self) -> None:
        """Start everyone again, as it is done where the coordinator has died."""
        if self._done:
            return
        self._channels.clear()
        self._wake_ns = None
        self._journal = cut_back(self._journal)
        self.coordinator = Coordinator("coordinator", self._plan)
        self.coordinator.recall(message for _, message in self._journal)
        for name in sorted(self.roles, key=lambda _: self._random.random()):
            self._let_in(name)
        self._begin()

    def _start(self, name: str) -> None:
        """Start one actor again; what it said last may still arrive, or may not."""
        for message in list(self._channels.pop((name, "coordinator"), ())):
            if self._random.random() < 0.2:
                break
            try:
                self._perform("coordinator", self.coordinator.on_message(message))
            except Died:
                self._start_all()
                return
        if not self._done:
            self._let_in(name)

    def _let_in(self, name: str) -> None:
        self.restarts += 1
        self._channels.pop(("coordinator", name), None)
        self.roles[name] = self._make(name)
        guest = Guest(name, member=name.startswith("analysis"), epoch=self.restarts, nonce=1)
        self._perform("coordinator", self.coordinator.admit(guest))

    def _make(self, name: str) -> Role:
        if name.startswith("analysis"):
            number = int(name.partition("-")[2])
            self.diaries[number] = Diary()
            return Analysis(name, self._plan, self.diaries[number], self._plan.strategies[number])
        if name == "loader":
            return Loader(name, self._plan, self._storage, lambda: 0)
        if name == "recorder":
            return Sink()
        return Processor(name, self._plan) if name == "processor" else QualityManager(name, self._plan)

    def _deliver(self, receiver: str, message: Message) -> None:
        if not isinstance(message, Welcome):
            super()._deliver(receiver, message)
            return
        replay = Replay(self.roles[receiver], message, self._base)
        for effects in replay.effects(self._journal[: message.records]):
            self._perform(receiver, effects)


turns = st.dictionaries(st.integers(1, 400), st.sampled_from(ACTORS), max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(markets, flows, seeds, turns, st.sets(st.integers(1, 150), max_size=4))
def test_whoever_dies_whenever_the_run_ends_as_if_nothing_had_been(
    market: Market, flow: Flow, seed: int, deaths: dict[int, str], records: set[int]
) -> None:
    plan, whole = market.play(flow, seed)
    restarted = RestartedExchange(plan, market.storage(plan), seed, deaths, records).run()
    assert outcome(restarted) == outcome(whole)


@pytest.mark.parametrize("credit", [1, 3])
@pytest.mark.parametrize("prefetch", [1, 2])
def test_a_coordinator_may_die_after_any_record_of_its_journal(credit: int, prefetch: int) -> None:
    market = Market(("full", "half", "full", "half"), ("A",), 1, 1, 5, 0.1, 0.3, ())
    flow = Flow(window_steps=4, credit=credit, prefetch_sessions=prefetch)
    plan, whole = market.play(flow, 7)
    count = sum(isinstance(event.message, PhaseEvent | SealedWindow) for event in whole.log)
    for record in range(1, count + 1):
        restarted = RestartedExchange(plan, market.storage(plan), record, {}, [record]).run()
        assert restarted.restarts == len(restarted.roles)
        assert outcome(restarted) == outcome(whole)
