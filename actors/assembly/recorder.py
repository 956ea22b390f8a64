"""Build the recorder, with the journal's files and the Parquet tables."""

from actors.assembly.places import ActorSpec
from actors.domain.session_plan import SessionPlan
from actors.recorder import Recorder
from actors.runtime.journal_files import JournalReader
from actors.runtime.store import ParquetTables


def build(spec: ActorSpec, plan: SessionPlan) -> Recorder:
    """Make the state machine."""
    journal, tables = JournalReader(spec.places.journal), ParquetTables(spec.places.tables)
    return Recorder(spec.name, plan, journal, tables)
