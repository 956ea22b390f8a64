"""What a journal tells is what the coordinator knew that wrote it."""

import pytest

from actors.domain.account import Account, SessionCount
from actors.domain.recollection import Recollection
from actors.domain.session_plan import Flow, SessionPlan
from protocol import topics
from protocol.blocks import as_times
from protocol.lifecycle import Phase
from protocol.messages import Message, PhaseEvent, SealedWindow, Signals
from tests.test_restarted_run import Published, cut_back
from tests.test_whole_pipeline import Exchange, Market, Storage

MARKET = Market(("full", "half", "full", "lunch", "half"), ("B", "A"), 1, 2, 5, 0.1, 0.3, (1,))
FLOWS = [
    Flow(window_steps=steps, credit=credit, prefetch_sessions=ahead)
    for steps, credit, ahead in ((4, 1, 1), (3, 8, 2), (256, 2, 3))
]


class RecallingExchange(Exchange):
    """After every message that comes in, recall the run from the journal and compare."""

    def __init__(self, plan: SessionPlan, storage: Storage, seed: int) -> None:
        super().__init__(plan, storage, seed)
        self.plan = plan
        self.compared: set[tuple[Phase, int]] = set()
        self._journal: Published = []

    def _send(self, actor: str, topic: str, message: Message) -> None:
        if topic in topics.JOURNALED:
            self._journal.append((topic, message))
        super()._send(actor, topic, message)

    def _turn(self) -> None:
        super()._turn()
        if not self.coordinator._phases.is_over:
            self._compare()

    def _compare(self) -> None:
        live, kept = self.coordinator, [message for _, message in cut_back(self._journal)]
        account = Account(self.plan)
        found = Recollection(self.plan, account, kept)
        sealed = [message for message in kept if isinstance(message, SealedWindow)]
        assert (found.phase, found.session, found.records) == (
            live._phases.phase,
            live._phases.session.index,
            len(kept),
        )
        assert found.asked == live._supply._asked
        assert found.first_needed == first_unsealed(self.plan, sealed)
        for session in range(-len(self.plan.history), len(self.plan.sessions)):
            assert found.steps_sealed(session) == last_step(sealed, session)
        assert len(found.unhandled) <= self.plan.flow.credit
        assert [raw.seq for raw in found.unhandled] == [
            message.seq for message in sealed[len(sealed) - len(found.unhandled) :]
        ]
        assert account.windows == len(sealed)
        assert found.signalled == {
            message.actor: message.seq for message in kept if isinstance(message, Signals)
        }
        self.compared.add((found.phase or Phase.INITIALIZATION, found.session))


def first_unsealed(plan: SessionPlan, sealed: list[SealedWindow]) -> int:
    whole = {window.session for window in sealed if window.last}
    return next(
        session for session in range(-len(plan.history), len(plan.sessions) + 1) if session not in whole
    )


def last_step(sealed: list[SealedWindow], session: int) -> int | None:
    """Give the last step of a session, where it is the session that was sealed last."""
    if not sealed or sealed[-1].session != session:
        return None
    return int(as_times(sealed[-1].steps)[-1])


@pytest.mark.parametrize("flow", FLOWS, ids=["one by one", "many", "whole sessions"])
def test_at_every_message_the_journal_tells_what_the_coordinator_knows(flow: Flow) -> None:
    plan = MARKET.play(flow, 3)[0]
    exchange = RecallingExchange(plan, MARKET.storage(plan), 3)
    exchange.run()
    assert {session for _, session in exchange.compared} == set(range(len(plan.sessions)))
    assert {Phase.HISTORICAL_MANAGEMENT, Phase.QUEUE_LOADING, Phase.STREAMING} <= {
        phase for phase, _ in exchange.compared
    }


@pytest.mark.parametrize("flow", FLOWS, ids=["one by one", "many", "whole sessions"])
def test_a_whole_journal_tells_all_that_the_run_came_to(flow: Flow) -> None:
    plan, whole = MARKET.play(flow, 3)
    account = Account(plan)
    published = (event.message for event in whole.log if event.sender == "coordinator")
    kept = [m for m in published if isinstance(m, PhaseEvent | SealedWindow | Signals)]
    found = Recollection(plan, account, kept)
    assert whole.finished is not None
    end = account.finished(interrupted=False, lag_ns=0)
    assert (end.data_digest, end.stream_digest, end.signals_digest) == (
        *(whole.finished.data_digest, whole.finished.stream_digest),
        whole.finished.signals_digest,
    )
    assert (end.bars, end.streams, end.signals) == (
        *(whole.finished.bars, whole.finished.streams),
        whole.finished.signals,
    )
    assert found.bars_before + found.count.bars == whole.finished.bars


def test_an_empty_journal_tells_nothing() -> None:
    plan = MARKET.play(FLOWS[0], 3)[0]
    found = Recollection(plan, Account(plan), ())
    assert (found.phase, found.records, found.unhandled, found.signalled) == (None, 0, (), {})
    assert (found.first_needed, found.asked) == (-2, -3)
    assert found.count == SessionCount()
