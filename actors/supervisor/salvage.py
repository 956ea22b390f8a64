"""Make the tables of a run that failed: everything that was published is in its journal."""

from collections.abc import Iterable

from actors.assembly import build_role
from actors.assembly.places import ActorSpec, RunPlaces
from actors.domain.roles import Effect
from actors.domain.session_plan import SessionPlan
from actors.runtime.journal_files import JournalReader
from actors.runtime.store import remove_partials
from protocol.messages import SessionReport, StreamClosed


def salvage_tables(plan: SessionPlan, places: RunPlaces) -> None:
    """Record what the journal holds, up to its last whole record, over what a recorder may have left.

    What indicators gave is in no journal: the tables of it that were not finished are removed.

    Raises JournalCorrupt where the journal is damaged.
    """
    remove_partials(places.tables)
    recorder = build_role(ActorSpec("recorder", "recorder", places), plan)
    journal = JournalReader(places.journal)
    for segment in journal.segments():
        for message in journal.messages(segment):
            if isinstance(message, SessionReport):
                _run_through(recorder.on_message(message))
    _run_through(recorder.on_message(StreamClosed()))


def _run_through(effects: Iterable[Effect]) -> None:
    """Let a role do its work; nobody is there to receive what it sends."""
    for _ in effects:
        pass
