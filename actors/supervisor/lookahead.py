"""Check whether strategies know what they cannot know yet.

1. Stored bars of the configuration's symbols are copied; no run of the check reads the catalog itself.
2. Two runs of the same bars must be equal, or no comparison says anything.
3. For every cut, all that becomes known after it is turned upside down in another copy. What the strategies
   did before must be what they did in the first run.
4. Every run is a process of its own, and whatever opens a file of stored bars in it, but the run, is noted.
   Files of the catalog that are opened otherwise, as by libraries that Python knows nothing of, are noticed
   by the system; they count where both of the equal runs opened them.
"""

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from actors.config import SessionConfig, load_config
from actors.domain.errors import ConfigError, Problem
from actors.domain.lookahead import Cut, choose_cuts
from actors.domain.overrides import Overrides
from actors.domain.session_plan import SessionPlan
from actors.results import Run
from actors.results.columns import columns_of
from actors.runtime.calendars import Calendars
from actors.runtime.file_openings import FileOpenings
from actors.runtime.store import Catalog, alter_streams, copy_streams
from actors.supervisor.planner import make_plan
from actors.supervisor.prefix_comparison import StrategyParting, strategy_partings
from actors.supervisor.read_watch import Reading, read_report
from actors.supervisor.watched_run import WatchedRun, start

DEFAULT_CUTS: Final = 3
Outcome = Literal["clean", "looks_ahead", "not_repeatable", "reads_stored_data", "stored_data_opened"]


@dataclass(frozen=True)
class CutResult:
    """What came of altering all that is known after a cut."""

    cut: Cut
    partings: tuple[StrategyParting, ...]


@dataclass(frozen=True)
class LookaheadCheck:
    """All that was found."""

    strategies: tuple[str, ...]
    timezone: str
    readings: tuple[Reading, ...]
    """Files of stored bars that strategies, or for some of them other programs, opened."""
    unrepeatable: tuple[StrategyParting, ...]
    """Where two runs of the same bars part; nothing was cut then."""
    cuts: tuple[CutResult, ...] = field(default=())

    @property
    def outcome(self) -> Outcome:
        """What weighs most."""
        if any(result.partings for result in self.cuts):
            return "looks_ahead"
        if any(reading.traced for reading in self.readings):
            return "reads_stored_data"
        if self.unrepeatable:
            return "not_repeatable"
        return "stored_data_opened" if self.readings else "clean"


def check_lookahead(config_path: Path, overrides: Overrides, cuts: int = DEFAULT_CUTS) -> LookaheadCheck:
    """Run a configuration several times, on bars that part after a cut.

    Raises ConfigError, DataError, and RunFailed where a run does not come to its end.
    """
    config = load_config(config_path, overrides)
    plan = make_plan(config, Catalog(config.catalog_path), Calendars(), config_path)
    if not plan.strategies:
        nobody = "names no strategy: there is nobody who could look ahead"
        raise ConfigError(config_path, (Problem("session_data_config.strategies", nobody),))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookahead-")))
        openings = stack.enter_context(FileOpenings(_folders(config.catalog_path)))
        return _Check(config_path.resolve(), overrides, config, plan, scratch, openings).run(cuts)


def _folders(catalog: Path) -> list[Path]:
    return [path for path in (catalog / "bars").rglob("*") if path.is_dir()]


class _Check:
    """The runs of one check, in a folder of its own."""

    def __init__(
        self,
        config_path: Path,
        overrides: Overrides,
        config: SessionConfig,
        plan: SessionPlan,
        scratch: Path,
        openings: FileOpenings,
    ) -> None:
        self._config_path = config_path
        self._overrides = overrides
        self._catalog = config.catalog_path
        self._symbols = plan.symbols
        self._strategies = {spec.target: spec.name for spec in plan.strategies}
        self._names = tuple(spec.name for spec in plan.strategies)
        self._timezone = plan.timezone
        self._scratch = scratch
        self._openings = openings
        self._readings: dict[Reading, None] = {}
        self._runs = 0

    def run(self, cuts: int) -> LookaheadCheck:
        same = self._scratch / "same"
        copy_streams(self._catalog, self._symbols, same)
        self._openings.take()
        first, opened = self._run_on(same), self._openings.take()
        again, opened_again = self._run_on(same), self._openings.take()
        self._note_unseen(opened & opened_again)
        unrepeatable = strategy_partings(first, again, self._names)
        results = () if unrepeatable else [self._try(cut, first, same) for cut in _cuts_of(first, cuts)]
        return LookaheadCheck(
            self._names, self._timezone, tuple(self._readings), unrepeatable, tuple(results)
        )

    def _try(self, cut: Cut, first: Run, same: Path) -> CutResult:
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="cut-") as folder:
            alter_streams(same, self._symbols, Path(folder), cut.at_ns)
            run = self._run_on(Path(folder))
        return CutResult(cut, strategy_partings(first, run, self._names, before_ns=cut.next_ns))

    def _run_on(self, copy: Path) -> Run:
        self._runs += 1
        report = self._scratch / f"readings-{self._runs}"
        given = self._overrides
        order = WatchedRun(
            config=str(self._config_path),
            runs=str(self._scratch / f"runs-{self._runs}"),
            catalog=str(self._catalog),
            copy=str(copy),
            report=str(report),
            start=given.start,
            end=given.end,
            window_steps=given.window_steps,
            credit=given.credit,
        )
        run = start(order)
        for reading in read_report(report):
            self._readings[self._named(reading)] = None
        return run

    def _named(self, reading: Reading) -> Reading:
        """Give a strategy that is being loaded its name."""
        strategy = reading.strategy and self._strategies.get(reading.strategy, reading.strategy)
        return Reading(reading.file, strategy, reading.place)

    def _note_unseen(self, opened: Iterable[Path]) -> None:
        """Add the files that were opened without a word to Python."""
        seen = {reading.file for reading in self._readings}
        for path in sorted(opened):
            file = path.relative_to(self._catalog).as_posix()
            if file not in seen:
                self._readings[Reading(file, traced=False)] = None


def _cuts_of(run: Run, count: int) -> tuple[Cut, ...]:
    steps = columns_of(run.table("steps"))
    signals = columns_of(run.table("signals"))["event_ts"]
    return choose_cuts(steps["session"], steps["event_ts"], np.unique(signals), count)
