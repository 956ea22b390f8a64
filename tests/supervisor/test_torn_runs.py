"""A run whose journal was torn anywhere goes on, in one process, to the results of a run left alone."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.assembly.places import RunPlaces
from actors.config import load_config
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.domain.session_plan import SessionPlan
from actors.runtime.calendars import Calendars
from actors.runtime.journal_files import JournalReader, segment_path
from actors.runtime.journal_repair import cut_torn, repair_journal
from actors.runtime.store import Catalog
from actors.supervisor.inline import InlinePipeline
from actors.supervisor.interrupts import Interrupts
from actors.supervisor.life import Life
from actors.supervisor.planner import make_plan
from actors.supervisor.watch import Watch
from protocol.messages import Finished

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "configs" / "example_session.json"
RUN = 5
Tables = dict[str, Any]


@dataclass(frozen=True)
class Past:
    """A run that is over."""

    plan: SessionPlan
    places: RunPlaces
    finished: Finished

    @property
    def digests(self) -> tuple[str, str, str]:
        return self.finished.data_digest, self.finished.stream_digest, self.finished.signals_digest

    @property
    def tables(self) -> Tables:
        folder = self.places.tables
        return {str(path.relative_to(folder)): pq.read_table(path) for path in folder.rglob("*.parquet")}


def places_in(folder: Path) -> RunPlaces:
    for part in ("logs", "tables"):
        (folder / part).mkdir()
    return RunPlaces(folder, folder, ROOT / "data", run=RUN)


def play(plan: SessionPlan, places: RunPlaces, epoch: int = 0) -> Past:
    with Interrupts() as interrupts:
        pipeline = InlinePipeline(plan, places, interrupts, Watch(plan, "x", 0), Life(epoch=epoch))
        verdict = pipeline.run(lambda _: None)
    assert verdict.exit_code is ExitCode.DONE, verdict.trouble
    assert verdict.finished is not None
    return Past(plan, places, verdict.finished)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Past:
    overrides = Overrides(start="2025-07-03", end="2025-07-07", window_steps=40, credit=3)
    config = load_config(EXAMPLE, overrides)
    plan = make_plan(config, Catalog(config.catalog_path), Calendars(tmp_path_factory.mktemp("calendars")))
    return play(msgspec.structs.replace(plan, log_steps=False), places_in(tmp_path_factory.mktemp("whole")))


def tear(journal: Path, offset: int, *, zeros: bool, later: bool) -> None:
    """Tear a journal at a byte of it all; what is behind is zeros or gone, in later segments too or not."""
    for segment in JournalReader(journal).segments():
        path = segment_path(journal, segment)
        size = path.stat().st_size
        if offset < size:
            os.truncate(path, max(0, offset))
            if zeros:
                os.truncate(path, size)
            if later:
                return
        offset = min(offset - size, 0) if offset >= size else -1


@settings(max_examples=8, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), zeros=st.booleans(), later=st.booleans())
def test_a_run_torn_at_any_byte_goes_on_to_the_results_of_one_that_was_left_alone(
    whole: Past, tmp_path_factory: pytest.TempPathFactory, share: float, *, zeros: bool, later: bool
) -> None:
    places = places_in(tmp_path_factory.mktemp("torn"))
    shutil.copytree(whole.places.journal, places.journal)
    size = sum(path.stat().st_size for path in places.journal.iterdir())
    tear(places.journal, int(share * size), zeros=zeros, later=later)
    cut_torn(places.journal)
    resumed = play(whole.plan, places, repair_journal(places.journal).epoch + 1)
    assert resumed.digests == whole.digests
    assert resumed.tables == whole.tables
    assert resumed.finished.verdicts == whole.finished.verdicts
    assert resumed.finished.streams == whole.finished.streams


def test_a_run_may_be_torn_and_resumed_again_and_again(whole: Past, tmp_path: Path) -> None:
    places = places_in(tmp_path)
    shutil.copytree(whole.places.journal, places.journal)
    for share in (0.9, 0.5, 0.7):
        size = sum(path.stat().st_size for path in places.journal.iterdir())
        tear(places.journal, int(share * size), zeros=False, later=True)
        cut_torn(places.journal)
        shutil.rmtree(places.tables)
        resumed = play(whole.plan, places, repair_journal(places.journal).epoch + 1)
        assert (resumed.digests, resumed.tables) == (whole.digests, whole.tables)
