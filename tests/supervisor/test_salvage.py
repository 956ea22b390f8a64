"""What is made of a journal after a failure, against what the recorder would have made."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.assembly.places import RunPlaces
from actors.config import load_config
from actors.domain.exit_codes import ExitCode
from actors.domain.session_plan import SessionPlan
from actors.runtime.calendars import Calendars
from actors.runtime.journal_files import JournalReader, segment_path
from actors.runtime.store import Catalog
from actors.runtime.store.writing import partial_path
from actors.supervisor.inline import InlinePipeline
from actors.supervisor.interrupts import Interrupts
from actors.supervisor.planner import make_plan
from actors.supervisor.post_mortem import TAIL_LINES, examine, last_lines
from actors.supervisor.run_state import Trouble
from actors.supervisor.salvage import salvage_tables
from actors.supervisor.verdict import Verdict
from actors.supervisor.watch import Watch
from protocol.errors import JournalCorrupt
from protocol.messages import SealedWindow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "configs" / "example_session.json"
FAILING = """
from actors.domain.strategy import Strategy, StrategyParams


class Failing(Strategy[StrategyParams]):
    def on_session_start(self, ctx):
        if ctx.session.index == 2:
            raise ValueError("enough")
"""
Tables = dict[str, Any]


@dataclass(frozen=True)
class Past:
    """A run that is over."""

    plan: SessionPlan
    places: RunPlaces
    verdict: Verdict


def places_in(folder: Path) -> RunPlaces:
    for part in ("logs", "journal", "tables"):
        (folder / part).mkdir(parents=True)
    return RunPlaces(folder, folder, ROOT / "data", run=5)


def play(plan: SessionPlan, folder: Path) -> Past:
    places, watch = places_in(folder), Watch(plan, "x", 0)
    with Interrupts() as interrupts:
        verdict = InlinePipeline(plan, places, interrupts, watch).run(lambda _: None)
    return Past(plan, places, verdict)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> SessionPlan:
    config = load_config(EXAMPLE)
    return make_plan(config, Catalog(config.catalog_path), Calendars(tmp_path_factory.mktemp("calendars")))


@pytest.fixture(scope="module")
def whole(plan: SessionPlan, tmp_path_factory: pytest.TempPathFactory) -> Past:
    past = play(plan, tmp_path_factory.mktemp("whole"))
    assert past.verdict.exit_code is ExitCode.DONE
    return past


@pytest.fixture(scope="module")
def failed(plan: SessionPlan, tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("failed")
    script = folder / "failing.py"
    script.write_text(FAILING)
    spec = replace_spec(plan, f"{script}:Failing")
    past = play(spec, folder)
    assert past.verdict.exit_code is ExitCode.ACTOR_FAILED
    return past


def replace_spec(plan: SessionPlan, target: str) -> SessionPlan:
    (spec,) = plan.strategies
    changed = type(spec)(spec.name, spec.actor, target, {})
    return type(plan)(
        **{name: getattr(plan, name) for name in plan.__struct_fields__} | {"strategies": (changed,)}
    )


OWN = ("indicators", "trading")
"""What engines write themselves."""


def tables_of(places: RunPlaces) -> Tables:
    """Read what a recorder makes: all tables but those that engines write."""
    paths = sorted(path for path in places.tables.rglob("*") if path.is_file())
    assert all(path.suffix == ".parquet" for path in paths)
    named = {path.relative_to(places.tables): path for path in paths}
    return {str(name): pq.read_table(path) for name, path in named.items() if name.parts[0] not in OWN}


def with_journal_of(past: Past, folder: Path, spoil: Callable[[Path], None] = lambda _: None) -> RunPlaces:
    """Make a run folder that holds nothing but the journal of another."""
    places = places_in(folder)
    shutil.copytree(past.places.journal, places.journal, dirs_exist_ok=True)
    spoil(places.journal)
    return places


def test_the_tables_of_a_whole_journal_are_those_that_the_recorder_made(whole: Past, tmp_path: Path) -> None:
    places = with_journal_of(whole, tmp_path)
    salvage_tables(whole.plan, places)
    assert tables_of(places) == tables_of(whole.places)


def test_what_a_dead_recorder_left_is_made_anew(whole: Past, tmp_path: Path) -> None:
    places = with_journal_of(whole, tmp_path)
    shutil.copytree(whole.places.tables, places.tables, dirs_exist_ok=True)
    for path in list(places.tables.rglob("*.parquet")):
        path.write_bytes(b"half")
    salvage_tables(whole.plan, places)
    assert tables_of(places) == tables_of(whole.places)


def test_what_an_engine_had_begun_to_write_is_removed_and_what_was_whole_stays(
    whole: Past, tmp_path: Path
) -> None:
    places = with_journal_of(whole, tmp_path)
    shutil.copytree(whole.places.tables, places.tables, dirs_exist_ok=True)
    table = places.tables / "indicators" / "sma_crossover" / "5m.parquet"
    half = partial_path(table.with_name("1m.parquet"))
    half.write_bytes(b"half")
    salvage_tables(whole.plan, places)
    assert not half.exists()
    assert table.read_bytes() == (whole.places.tables / table.relative_to(places.tables)).read_bytes()


def test_a_run_that_failed_has_the_tables_of_what_was_published(failed: Past) -> None:
    salvage_tables(failed.plan, failed.places)
    made = tables_of(failed.places)
    journal = JournalReader(failed.places.journal)
    windows = [
        message
        for segment in journal.segments()
        for message in journal.messages(segment)
        if isinstance(message, SealedWindow) and message.session >= 0
    ]
    bars = sum(table.num_rows for name, table in made.items() if name.startswith("bars/"))
    assert bars == sum(window.block.n for window in windows)
    steps = made["steps.parquet"].column("session").to_pylist()
    assert len(steps) == sum(window.steps.n for window in windows)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.floats(0.0, 1.0))
def test_a_journal_that_was_torn_anywhere_gives_the_tables_of_its_whole_records(
    whole: Past, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    def tear(journal: Path) -> None:
        last = segment_path(journal, 2)
        with last.open("rb+") as file:
            file.truncate(round(share * last.stat().st_size))

    places = with_journal_of(whole, tmp_path_factory.mktemp("torn"), tear)
    salvage_tables(whole.plan, places)
    made, everything = tables_of(places), tables_of(whole.places)
    assert set(made) == set(everything)
    for name, table in made.items():
        if name == "steps.parquet" or name.startswith("bars/"):
            assert everything[name].slice(0, table.num_rows) == table


def test_a_journal_that_is_damaged_is_an_error(whole: Past, tmp_path: Path) -> None:
    def damage(journal: Path) -> None:
        path = segment_path(journal, 0)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    with pytest.raises(JournalCorrupt, match=r"000000\.sfj at byte"):
        salvage_tables(whole.plan, with_journal_of(whole, tmp_path, damage))


def test_a_run_that_failed_before_its_first_window_has_empty_tables(
    plan: SessionPlan, tmp_path: Path
) -> None:
    places = places_in(tmp_path)
    salvage_tables(plan, places)
    assert {name: table.num_rows for name, table in tables_of(places).items() if table.num_rows} == {}


def test_the_failed_actor_the_step_and_its_last_words_are_described(failed: Past) -> None:
    trouble = failed.verdict.trouble
    assert trouble is not None
    failure = examine(failed.places, trouble, "2025-07-07T09:30:00-04:00")
    assert failure.actor == "analysis-sma_crossover"
    assert "ValueError: enough" in failure.reason
    assert "ValueError: enough" in failure.log_tail[-1]
    assert "logs/analysis-sma_crossover.log" in failure.advice
    assert failure.step == "2025-07-07T09:30:00-04:00"


def test_a_failure_of_nobody_points_at_all_logs(failed: Past) -> None:
    failure = examine(failed.places, Trouble(None, 130, "too slow"), None)
    assert (failure.actor, failure.log_tail, failure.step) == (None, (), None)
    assert "See logs/ in" in failure.advice


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=30), max_size=30))
def test_the_last_lines_of_a_file_are_its_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("logs") / "a.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    assert last_lines(path) == tuple(lines[-TAIL_LINES:])


def test_a_file_that_is_not_there_has_no_lines_and_a_large_one_is_read_from_its_end(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none.log") == ()
    path = tmp_path / "large.log"
    path.write_text("x" * 200_000 + "\nlast \N{SNOWMAN}\n")
    assert last_lines(path)[-1] == "last \N{SNOWMAN}"
    assert sum(map(len, last_lines(path))) < 70_000
