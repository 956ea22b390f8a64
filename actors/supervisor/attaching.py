"""Attach a strategy to a run that goes on, or replay one that does not, from a process of its own.

Everything goes below `attached/<name>/` in the run folder, but for the log, which lies beside the others.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from actors.assembly.attached import attached_plan, build_attendance
from actors.assembly.places import actor_roles
from actors.domain.errors import ConfigError, Problem
from actors.domain.exit_codes import ExitCode
from actors.domain.roles import Effect, Log, LogLines, RoleError
from actors.domain.sealing import base_ids
from actors.domain.session_plan import SessionPlan
from actors.domain.strategy import Strategy
from actors.runtime.attached_shell import AttachedShell, JournalPlay, Visit, conclude
from actors.runtime.command_links import CLIENT_PREFIX
from actors.runtime.failures import write_failure
from actors.runtime.framing import Framing
from actors.runtime.journal_files import JournalReader
from actors.runtime.logs import ActorLog, open_log
from actors.runtime.private_files import replace_file
from actors.runtime.shell import Surroundings
from actors.runtime.store import remove_partials
from actors.runtime.strategy_loading import StrategyLoadError, load_strategy
from actors.runtime.transport import Endpoints, Link
from actors.supervisor.control_file import ControlFile, NotSteerable, read_control
from actors.supervisor.interrupts import Interrupts, handling, leave_the_first
from actors.supervisor.planner import portable
from actors.supervisor.running import is_running, read_json
from actors.supervisor.summary import Json, strategy_result
from protocol.topics import ACTOR_NAME

FOLDER: Final = "attached"
STEM_LENGTH: Final = 27
"""Of a name, so that a number has room behind it."""
NEVER: Final = 2**63 - 1
Since = Literal["start", "now"]


@dataclass(frozen=True)
class AttachOrder:
    """What the command line says."""

    folder: Path
    """The run's."""
    target: str
    params: Mapping[str, Any]
    name: str | None = None
    """None is made from the strategy's class."""
    since: Since = "start"
    observe: bool = False
    tell: Callable[[str], object] = print


@dataclass(frozen=True)
class Outcome:
    """How it ended."""

    exit_code: ExitCode
    summary: Json


def attach(order: AttachOrder) -> Outcome:
    """Do all of it, to the end of the run.

    Raises ConfigError and DataError where nothing was begun.
    """
    control = _control(order)
    plan = read_json(order.folder / "plan.json", SessionPlan)
    strategy = _load(order)
    name, folder = _make_folder(order, plan)
    try:
        attachment = _Attachment(order, attached_plan(plan, name, order.target, order.params), folder)
        attachment.build(strategy, member=control is not None and not order.observe)
    except RoleError as error:
        folder.rmdir()
        raise _refusal("--strategy", str(error)) from error
    with Interrupts() as interrupts, handling(leave_the_first):
        return attachment.run(control, interrupts)


def _control(order: AttachOrder) -> ControlFile | None:
    """Find out how to reach the run; None where it is over."""
    if not is_running(order.folder):
        if order.since == "now":
            raise _refusal("--from", "the run is over, so nothing comes from now on: leave --from out")
        return None
    try:
        return read_control(order.folder)
    except NotSteerable as error:
        if not is_running(order.folder):
            return None
        raise _refusal("RUN", f"cannot attach: {error}") from error


def _load(order: AttachOrder) -> Strategy[Any]:
    try:
        return load_strategy(order.target, order.params)
    except StrategyLoadError as error:
        raise _refusal("--strategy", str(error)) from error


def _make_folder(order: AttachOrder, plan: SessionPlan) -> tuple[str, Path]:
    """Make a folder of its own for the name; a number goes behind one that is taken."""
    given = order.name
    taken = set(actor_roles(plan))
    if given is not None and (ACTOR_NAME.fullmatch(given) is None or given.startswith(CLIENT_PREFIX)):
        rule = "write 1 to 32 of a-z 0-9 _ -, the first a letter or digit, and not ctl-"
        raise _refusal("--name", f"{given!r} is no name: {rule}")
    if given in taken:
        raise _refusal("--name", f"{given} is an actor of the run: choose another name")
    stem = given or default_name(order.target)
    try:
        (order.folder / FOLDER).mkdir(exist_ok=True)
        for number in range(1, 10_000):
            name = stem if number == 1 else f"{stem[:STEM_LENGTH]}-{number}"
            if name not in taken:
                with suppress(FileExistsError):
                    (order.folder / FOLDER / name).mkdir()
                    return name, order.folder / FOLDER / name
    except OSError as error:
        raise _refusal("RUN", f"cannot write to {order.folder / FOLDER} ({error.strerror})") from error
    raise _refusal("--name", f"{stem} was used too often in this run: choose another one")


def default_name(target: str) -> str:
    """Make a name from a strategy's class: SmaCrossover is sma-crossover."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", "-", target.rpartition(":")[2]).lower()
    name = re.sub(r"[^a-z0-9-]", "", words).strip("-")[:STEM_LENGTH].strip("-")
    return name if name and not name.startswith(CLIENT_PREFIX) else "strategy"


class _Attachment:
    """One attached strategy, once its folder is there."""

    def __init__(self, order: AttachOrder, plan: SessionPlan, folder: Path) -> None:
        self._order = order
        self._plan = plan
        self._folder = folder
        self._name = plan.strategies[0].name
        self._journal = JournalReader(order.folder / "journal")

    def build(self, strategy: Strategy[Any], *, member: bool) -> None:
        self._role, self._attendance = build_attendance(
            self._plan, strategy, self._folder / "tables", member=member
        )
        self._member = member

    def run(self, control: ControlFile | None, interrupts: Interrupts) -> Outcome:
        visit = Visit(
            attendance=self._attendance,
            play=JournalPlay(self._journal, self._attendance),
            member=self._member,
            is_running=lambda: is_running(self._order.folder),
            interrupts=interrupts,
            tell=lambda text: self._order.tell(f"{self._name}: {text}"),
        )
        if self._order.since == "now":
            self._role.begin_at(NEVER)
            visit.begin_at = self._role.begin_at
        with open_log(self._order.folder / "logs", self._name, self._plan) as log:
            code = _replay(visit, log) if control is None else self._live(visit, control, log)
            outcome = self._conclude(visit, ExitCode.INTERRUPTED if visit.interrupted and not code else code)
            log.write("INFO", f"Ended: {outcome.summary['status']}, exit code {outcome.exit_code.value}")
        return outcome

    def _live(self, visit: Visit, control: ControlFile, log: ActorLog) -> ExitCode:
        plan = self._plan
        endpoints, framing = Endpoints(Path(control.sockets)), Framing(control.run)
        with closing(Link(endpoints, self._name, framing, None)) as link:
            around = Surroundings(
                link=link,
                log=log,
                kind="attached",
                member=self._member,
                heartbeat_s=plan.flow.heartbeat_s,
                journal=self._journal,
                base=base_ids(plan),
            )
            return AttachedShell(visit, around).run()

    def _conclude(self, visit: Visit, code: ExitCode) -> Outcome:
        """Write what it came to."""
        tables = self._folder / "tables"
        self._attendance.signals.finish()
        if code in (ExitCode.ACTOR_FAILED, ExitCode.DATA_MISSING):
            remove_partials(tables)
        summary = self._summary(visit, code)
        replace_file(self._folder / "summary.json", json.dumps(summary, indent=2).encode() + b"\n")
        return Outcome(code, summary)

    def _summary(self, visit: Visit, code: ExitCode) -> Json:
        (spec,) = portable(self._plan).strategies
        words = {ExitCode.DONE: "done", ExitCode.INTERRUPTED: "interrupted"}
        role, attendance = self._role, self._attendance
        verdict = attendance.leave.verdict if attendance.leave else None
        return {
            "version": 1,
            "run": self._order.folder.name,
            "name": self._name,
            "status": words.get(code, "failed"),
            "exit_code": code.value,
            "complete": code is ExitCode.DONE and visit.is_complete,
            "strategy": spec.target,
            "params": dict(spec.params),
            "from": self._order.since,
            "as": self._manner(visit),
            "joined": self._joined(visit),
            "windows": role.windows,
            "bars": role.bars,
            "holes": [list(hole) for hole in visit.holes],
            "signals": attendance.signals.count,
            "signals_digest": attendance.signals.digest,
            "results": strategy_result(verdict, None),
            "reason": visit.reason,
        }

    def _manner(self, visit: Visit) -> str:
        if visit.joined_at is None:
            return "replay"
        return "member" if self._member else "observer"

    def _joined(self, visit: Visit) -> Json | None:
        if visit.joined_at is None:
            return None
        zone = ZoneInfo(self._plan.timezone)
        at = visit.joined_ts
        stamp = None if at is None else datetime.fromtimestamp(at / 1e9, zone).isoformat()
        return {"window": visit.joined_at, "sim_time": stamp}


def _replay(visit: Visit, log: ActorLog) -> ExitCode:
    """Read the journal of a run that does not go on, from its beginning to its end."""

    def perform(effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Log):
                log.write(effect.level, effect.text, effect.sim_ts)
            elif isinstance(effect, LogLines):
                log.write_lines(effect.texts, effect.sim_ts)

    def may_go_on() -> bool:
        visit.interrupted = visit.interrupted or visit.interrupts.take() > 0
        return not visit.interrupted

    try:
        visit.play.read_on(perform, may_go_on)
        _say_what_is_missing(visit, log)
        conclude(visit, perform)
    except Exception as error:  # noqa: BLE001  (the one broad net of a process)
        code, visit.reason = write_failure(log, error)
        return code
    return ExitCode.DONE


def _say_what_is_missing(visit: Visit, log: ActorLog) -> None:
    if visit.attendance.leave is not None or visit.interrupted:
        return
    torn = visit.play.torn_bytes
    tail = f", and {torn} bytes behind it are half a record and were left out" if torn else ""
    visit.reason = f"the run did not come to its end: its journal ends with window {_last(visit)}{tail}"
    log.write("WARNING", visit.reason)
    visit.tell(visit.reason)


def _last(visit: Visit) -> str:
    windows = visit.attendance.role.windows
    return str(windows - 1) if windows else "none"


def _refusal(where: str, message: str) -> ConfigError:
    return ConfigError(None, (Problem(where, message),))
