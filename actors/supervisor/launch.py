"""From a configuration to a finished run: plan, run folder, actors, summary, exit code."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import msgspec

from actors.assembly.places import actor_roles
from actors.config import SessionConfig, load_config
from actors.domain.errors import ConfigError, Problem
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.domain.session_flow import TAG
from actors.domain.session_plan import SessionPlan
from actors.runtime import clock
from actors.runtime.calendars import Calendars
from actors.runtime.freed_memory import give_back
from actors.runtime.logs import ActorLog, open_log
from actors.runtime.private_files import NotPrivate, require_private_folder
from actors.runtime.store import Catalog, remove_partials
from actors.runtime.transport import Endpoints, SocketPathTooLong
from actors.supervisor.control_file import control_file
from actors.supervisor.inline import InlinePipeline
from actors.supervisor.inputs import NAME as INPUTS
from actors.supervisor.inputs import take_inputs, way_to
from actors.supervisor.interrupts import Interrupts
from actors.supervisor.life import FIRST_LIFE, Life
from actors.supervisor.open_files import require_open_files
from actors.supervisor.output import Output, open_output
from actors.supervisor.pipeline import Pipeline
from actors.supervisor.planner import for_actors, make_plan, portable
from actors.supervisor.post_mortem import examine
from actors.supervisor.remote_access import require_remote, without_remote
from actors.supervisor.resume import take_up
from actors.supervisor.run_folder import RunFolder, RunFolderError, environment, remove_stale_sockets
from actors.supervisor.salvage import salvage_tables
from actors.supervisor.split_findings import SuspectedSplit, suspected_splits
from actors.supervisor.status import RunStatus
from actors.supervisor.strategy_failures import describe, failed_strategies
from actors.supervisor.summary import Failure, Json, Outcome, build_summary
from actors.supervisor.verdict import Verdict
from actors.supervisor.watch import Show, Watch
from protocol.errors import ProtocolError

STATUS_S: Final = 0.2
"""How old `status.json` may be, while the states of run and actors stay the same."""


@dataclass(frozen=True)
class LaunchOptions:
    """What the command line adds to a configuration."""

    runs: Path
    inline: bool
    as_json: bool
    digests: Mapping[str, str] = field(default_factory=dict)
    """What digests must begin with, by kind: `data`, `stream`, `signals`."""
    paused: bool = False
    """Whether the clock waits, before the first step, to be told to go."""
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    """Where the summary goes as JSON; what a strategy prints in this process then goes to standard error."""


def launch(config_path: Path, overrides: Overrides, options: LaunchOptions) -> ExitCode:
    """Do a whole run.

    Raises ConfigError and DataError before anything is started.
    """
    began_ns = clock.monotonic_ns()
    _check_steerable(options)
    with redirect_stdout(sys.stderr) if options.as_json else nullcontext():
        config = load_config(config_path, overrides)
        plan = _fit(make_plan(config, Catalog(config.catalog_path), Calendars(), config_path), options)
        with Interrupts() as interrupts:
            folder = _make_folder(options, config)
            try:
                made_from = _MadeFrom(config, config_path)
                return _Launch(plan, folder, options, began_ns).run(interrupts, made_from)
            except RunFolderError as error:
                raise ConfigError(None, (Problem("run folder", str(error)),)) from error
            finally:
                folder.close()


def resume(run: Path, configuration: Path | None, options: LaunchOptions) -> ExitCode:
    """Go on with a run that has ended without being done, to its end.

    `configuration` names its file where that cannot be found from the run folder any more. Raises ConfigError
    and DataError before anything is started.
    """
    began_ns = clock.monotonic_ns()
    _check_steerable(options)
    with redirect_stdout(sys.stderr) if options.as_json else nullcontext(), Interrupts() as interrupts:
        remove_stale_sockets()
        resumed = take_up(run, configuration, partial(_fit, options=options))
        try:
            if not options.inline:
                _check_sockets(resumed.folder)
            launched = _Launch(resumed.plan, resumed.folder, options, began_ns, resumed.life)
            return launched.run(interrupts)
        except RunFolderError as error:
            raise ConfigError(None, (Problem("run folder", str(error)),)) from error
        finally:
            resumed.folder.close()


def _check_steerable(options: LaunchOptions) -> None:
    if options.paused and options.inline:
        problem = "a run in one process cannot be steered; leave --inline out"
        raise ConfigError(None, (Problem("--paused", problem),))


def _fit(plan: SessionPlan, options: LaunchOptions) -> SessionPlan:
    """Make a plan what is to run here and now.

    Raises ConfigError where it cannot run here.
    """
    flow = msgspec.structs.replace(plan.flow, paused=options.paused)
    plan = msgspec.structs.replace(plan, flow=flow)
    require_open_files(len(actor_roles(plan)))
    if options.inline:
        plan = without_remote(plan)
    require_remote(plan)
    return plan


def _check_sockets(folder: RunFolder) -> None:
    try:
        Endpoints(folder.places.sockets).check()
        require_private_folder(folder.places.sockets)
    except (SocketPathTooLong, NotPrivate) as error:
        raise ConfigError(None, (Problem("TMPDIR", str(error)),)) from error


def _make_folder(options: LaunchOptions, config: SessionConfig) -> RunFolder:
    remove_stale_sockets()
    try:
        folder = RunFolder(options.runs, config.session_name, config.catalog_path)
    except RunFolderError as error:
        raise ConfigError(None, (Problem("--runs", str(error)),)) from error
    try:
        if not options.inline:
            _check_sockets(folder)
        folder.become_latest()
    except ConfigError:
        folder.remove()
        raise
    except RunFolderError as error:
        folder.remove()
        raise ConfigError(None, (Problem("--runs", str(error)),)) from error
    return folder


class _MadeFrom(NamedTuple):
    config: SessionConfig
    file: Path


class _Launch:
    """One run, once its folder is there."""

    def __init__(
        self,
        plan: SessionPlan,
        folder: RunFolder,
        options: LaunchOptions,
        began_ns: int,
        life: Life = FIRST_LIFE,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._places = folder.places
        self._options = options
        self._began_ns = began_ns
        self._life = life
        self._watch = Watch(plan, folder.name, began_ns)
        self._status_key: object = None
        self._status_s = 0.0

    def run(self, interrupts: Interrupts, made_from: "_MadeFrom | None" = None) -> ExitCode:
        """Run to the end; of a run in its first life, keep what it is `made_from`."""
        with open_log(self._places.logs, "supervisor", self._plan) as log, ExitStack() as stack:
            self._log_start(log)
            run = self._start(interrupts, log, stack)
            if made_from is not None:
                self._write_down(made_from)
            output = self._open_output()
            give_back()  # planning is over
            try:
                verdict = run(partial(self._show, output))
            finally:
                output.stop()
            summary = self._conclude(verdict, log)
        output.end(summary, self._places.folder)
        return self._compared(summary)

    def _open_output(self) -> Output:
        output = open_output(self._options.stdout if self._options.as_json else None)
        for note in self._life.notes():
            output.note(note)
        output.start(self._plan)
        return output

    def _compared(self, summary: Json) -> ExitCode:
        """Say how the run ended; a whole one must have the digests that were expected."""
        code = ExitCode(summary["exit_code"])
        others = {
            kind: found
            for kind, expected in self._options.digests.items()
            if not (found := str(summary["digest"][kind])).startswith(expected)
        }
        if code is not ExitCode.DONE or not others:
            return code
        for kind, found in others.items():
            sys.stderr.write(f"digest {kind} is {found}, not {self._options.digests[kind]}\n")
        return ExitCode.DIGEST_DIFFERS

    def _write_down(self, made_from: "_MadeFrom") -> None:
        """Keep what the run is made from, while the actors start."""
        config = made_from.config
        self._folder.write_json("config.json", json.loads(config.as_json()))
        self._folder.write_json("plan.json", msgspec.to_builtins(portable(self._plan)))
        self._folder.write_json("environment.json", environment())
        way = way_to(made_from.file, self._places.folder)
        inputs = take_inputs(config, self._plan, way)
        self._folder.write_json(INPUTS, msgspec.to_builtins(inputs))

    def _log_start(self, log: ActorLog) -> None:
        first, last = self._plan.sessions[0].date, self._plan.sessions[-1].date
        for line in (
            "2.a: SystemManager - Loading configuration",
            f"2.a: Complete - Config loaded: {self._plan.name}",
            "2.b: SystemManager - Initializing managers",
            f"2.c: Complete - Backtest window set: {first} to {last}",
            "2.d: Complete - SessionData created",
        ):
            log.write("INFO", TAG + line)
        for note in self._life.notes():
            log.write("WARNING", note)
        for warning in self._plan.warnings:
            log.write("WARNING", warning)

    def _start(self, interrupts: Interrupts, log: ActorLog, stack: ExitStack) -> Callable[[Show], Verdict]:
        """Start the actors; what is given back runs them to the end, and `stack` sees to it that they end."""
        self._folder.write_plan(msgspec.json.encode(for_actors(self._plan)))
        if self._options.inline:
            return InlinePipeline(self._plan, self._places, interrupts, self._watch, self._life).run
        pipeline = Pipeline(self._plan, self._places, interrupts, log, self._watch, self._life)
        stack.callback(pipeline.close)
        pipeline.start()
        for line in (
            "2.e: Complete - Actor processes created",
            "2.f: Complete - Actors wired",
            "2.g: Complete - SessionCoordinator started",
            "2.h: SystemManager - State set to RUNNING",
            "2: Complete - SystemManager.start() finished",
        ):
            log.write("INFO", TAG + line)
        return partial(self._run_steerable, pipeline)

    def _run_steerable(self, pipeline: Pipeline, show: Show) -> Verdict:
        with control_file(self._places, pipeline.coordinator_epoch) as keep_epoch:

            def show_and_keep(status: RunStatus) -> None:
                keep_epoch(pipeline.coordinator_epoch)
                show(status)

            return pipeline.run(show_and_keep)

    def _show(self, output: Output, status: RunStatus) -> None:
        output.update(status)
        stands_at = status.sim_time if status.state == "paused" else None
        key = (status.state, stands_at, tuple(actor.state for actor in status.actors.values()))
        if key != self._status_key or status.elapsed_s - self._status_s >= STATUS_S:
            self._status_key, self._status_s = key, status.elapsed_s
            self._write_status(status)

    def _write_status(self, status: RunStatus) -> None:
        """Write the snapshot; where there is no room for it, the summary will say so."""
        with suppress(RunFolderError):
            self._folder.write_json("status.json", msgspec.to_builtins(status))

    def _conclude(self, verdict: Verdict, log: ActorLog) -> Json:
        """Write what the run came to, after a failure from the journal."""
        has_tables = self._complete_tables(verdict, log)
        for output in self._places.logs.glob("*.out"):
            if not output.stat().st_size:
                output.unlink()
        done = len(self._plan.sessions) if verdict.is_complete else self._watch.sessions_done
        outcome = Outcome(
            run=self._folder.name,
            status=verdict.word,
            exit_code=verdict.exit_code,
            wall_s=(clock.monotonic_ns() - self._began_ns) / 1e9,
            sessions_done=done,
            peak_rss_bytes=self._watch.peak_rss_bytes(),
            cpu_ns=self._watch.cpu_ns(),
            failure=self._failure(verdict, has_tables=has_tables),
            lost=verdict.lost,
            restarts=verdict.restarts,
            suspected_splits=self._suspected_splits(log) if has_tables else None,
            resumed=self._life.resumed,
            resumable=not verdict.is_complete,
        )
        summary = self._keep_summary(verdict, outcome, log)
        self._write_status(self._last_status(verdict.last, summary))
        log.write("INFO", f"The run ended: {summary['status']}, exit code {summary['exit_code']}")
        return summary

    def _last_status(self, last: RunStatus, summary: Json) -> RunStatus:
        """Say how the run ended, and how to go on with it where that can be done."""
        how = summary["resume"]
        told = [last.message, f"go on with `{how}`" if how else None]
        message = "; ".join(filter(None, told)) or None
        return msgspec.structs.replace(last, state=summary["status"], message=message)

    def _failure(self, verdict: Verdict, *, has_tables: bool) -> Failure | None:
        """Describe what ended the run, or the strategies that it went on without."""
        if verdict.trouble is not None:
            return examine(self._places, verdict.trouble, self._watch.sim_time, has_tables=has_tables)
        failed = failed_strategies(self._plan, verdict.finished, verdict.lost, self._life.lost)
        return describe(self._plan, self._places, failed) if failed else None

    def _complete_tables(self, verdict: Verdict, log: ActorLog) -> bool:
        """Make the tables of a run that did not end by itself; remove what a lost engine left undone."""
        if verdict.finished is None:
            return self._salvage(log)
        if verdict.lost:
            with suppress(OSError):
                remove_partials(self._places.tables)
        return True

    def _keep_summary(self, verdict: Verdict, outcome: Outcome, log: ActorLog) -> Json:
        """Write the summary; a run whose summary cannot be written has failed."""
        summary = build_summary(self._plan, verdict.finished, outcome)
        try:
            self._folder.write_json("summary.json", summary)
        except RunFolderError as error:
            log.write("ERROR", str(error))
            failure = outcome.failure or Failure(actor=None, reason=str(error))
            code = outcome.exit_code or ExitCode.ACTOR_FAILED
            outcome = replace(outcome, status="failed", exit_code=code, failure=failure)
            return build_summary(self._plan, verdict.finished, outcome)
        return summary

    def _suspected_splits(self, log: ActorLog) -> tuple[SuspectedSplit, ...] | None:
        try:
            return suspected_splits(self._places.tables)
        except OSError as error:
            log.write("ERROR", f"The tables of defects could not be read: {error}")
            return None

    def _salvage(self, log: ActorLog) -> bool:
        """Make the tables of a run that did not end by itself, and say whether that worked."""
        try:
            salvage_tables(self._plan, self._places)
        except (ProtocolError, OSError) as error:
            log.write("ERROR", f"The tables could not be made from the journal: {error}")
            return False
        return True
