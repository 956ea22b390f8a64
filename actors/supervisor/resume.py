"""Take up a run that has ended without being done: first everything is checked, then what is half is removed.

1. Whoever resumes holds the run's lock, so nobody else runs it.
2. The configuration that the run folder keeps is planned again; plan, inputs and versions must be the same.
3. A strategy's engine that was given up before stays so: what it has not said cannot be said later.
4. The journal ends with its last whole record. Everything else is made from it anew: tables and summary go,
   logs are appended to.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from actors.config import SessionConfig
from actors.config.loading import parse_config
from actors.domain.errors import ConfigError, DataError, Problem
from actors.domain.session_plan import SessionPlan
from actors.runtime.calendars import Calendars
from actors.runtime.journal_files import JournalWriteError
from actors.runtime.journal_repair import cut_torn, repair_journal, run_of
from actors.runtime.locks import LockHeld, take_lock
from actors.runtime.private_files import replace_file
from actors.runtime.store import Catalog
from actors.supervisor import inputs
from actors.supervisor.comparison import differences
from actors.supervisor.inputs import Inputs
from actors.supervisor.life import Life
from actors.supervisor.planner import make_plan, portable
from actors.supervisor.remote_access import NOT_SERVED
from actors.supervisor.run_folder import ReopenedFolder, RunFolderError, environment
from actors.supervisor.running import read_status
from protocol.errors import JournalCorrupt

RESUMPTIONS: Final = "resumptions.json"
NAMED: Final = 5
"""How many differences an error names."""
_SAME: Final = ("python", "protocol", "packages")
"""What of `environment.json` may decide a result."""
_MADE_ANEW: Final = ("tables", "summary.json", "report.html")


@dataclass(frozen=True)
class Resumed:
    """A run that is ready to go on."""

    config: SessionConfig
    plan: SessionPlan
    folder: ReopenedFolder
    life: Life


def take_up(run: Path, configuration: Path | None, fit: Callable[[SessionPlan], SessionPlan]) -> Resumed:
    """Check a run and make it ready to go on. `configuration` names its file where that has moved.

    `fit` makes its plan what is to run here and now, or refuses. Raises ConfigError where the run goes on, is
    done, or is not what it was, and what `fit` raises; DataError as planning does.
    """
    run = run.resolve()
    with ExitStack() as stack:
        lock = _claim(run)
        stack.callback(os.close, lock)
        _check_unfinished(run)
        before = _read_inputs(run)
        config, plan = _planned_again(run, _found(run, before, configuration))
        _check_same(run, config, plan, before)
        plan = fit(plan)
        life, number = _mend(run, _lost(run, plan))
        try:
            folder = ReopenedFolder(run, lock, config.catalog_path, number)
        except RunFolderError as error:
            raise _refusal(run, (str(error),)) from error
        stack.pop_all()
    return Resumed(config, plan, folder, life)


def _claim(run: Path) -> int:
    """Take the run's lock."""
    if not (run / "config.json").is_file():
        raise _refusal(run, ("is no run folder, or it was killed before it had begun: launch it anew",))
    try:
        return take_lock(run / "lock")
    except LockHeld as error:
        who = "another process" if error.pid is None else f"pid {error.pid}"
        raise _refusal(run, (f"still goes on ({who}): nothing to resume",)) from error
    except OSError as error:
        raise _refusal(run, (f"cannot be locked ({error.strerror})",)) from error


def _check_unfinished(run: Path) -> None:
    word = _came_to_its_end(run)
    if word == "done":
        raise _refusal(run, ("is done; nothing to resume",))
    if word is not None:
        raise _refusal(run, ("came to its end, with failures: mend their cause and launch it anew",))


def _came_to_its_end(run: Path) -> str | None:
    """Give the status of a run that has nothing left to do; None where it has, or cannot say."""
    try:
        summary = json.loads((run / "summary.json").read_bytes())
        return None if summary.get("resume") else str(summary["status"])
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def _read_inputs(run: Path) -> Inputs:
    try:
        return msgspec.json.decode((run / inputs.NAME).read_bytes(), type=Inputs)
    except FileNotFoundError:
        words = f"has no {inputs.NAME}, which is written as soon as actors start: launch it anew"
        raise _refusal(run, (words,)) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise _refusal(run, (f"{inputs.NAME} cannot be read: {error}",)) from error


def _found(run: Path, before: Inputs, configuration: Path | None) -> Path:
    """Find the configuration's file, at whose folder relative paths start."""
    if configuration is None and before.configuration is not None:
        configuration = run / before.configuration
    if configuration is None or not configuration.is_file():
        where = "" if configuration is None else f": {configuration} is not there"
        raise _refusal(run, (f"its configuration cannot be found{where}; name it with --config FILE",))
    return configuration.resolve()


def _planned_again(run: Path, configuration: Path) -> tuple[SessionConfig, SessionPlan]:
    config = parse_config(_document(run, "config.json"), configuration.parent, path=run / "config.json")
    return config, make_plan(config, Catalog(config.catalog_path), Calendars(), run / "config.json")


def _check_same(run: Path, config: SessionConfig, plan: SessionPlan, before: Inputs) -> None:
    """Compare with what the run folder keeps, the files first: they explain the rest."""
    now = inputs.take_inputs(config, plan, before.configuration)
    problems = [
        *inputs.changes(before, now),
        *_differing(
            "environment.json", _versions(_document(run, "environment.json")), _versions(environment())
        ),
        *_differing("plan.json", _settled(_document(run, "plan.json")), _settled(_built(plan))),
    ]
    if problems:
        rest = [f"and {len(problems) - NAMED} more"] if len(problems) > NAMED else []
        advice = "put back what was there, or launch it anew"
        raise _refusal(run, (*problems[:NAMED], *rest, advice))


def _differing(name: str, before: Any, now: Any) -> Iterator[str]:  # noqa: ANN401  JSON
    for where, first, second in differences("", before, now):
        yield f"{name}: {where} was {_short(first)} and would be {_short(second)} now"


def _short(value: Any) -> str:  # noqa: ANN401  JSON
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004


def _versions(document: Any) -> Any:  # noqa: ANN401  JSON
    return {name: document.get(name) for name in _SAME}


def _built(plan: SessionPlan) -> Any:  # noqa: ANN401  JSON
    return json.loads(json.dumps(msgspec.to_builtins(portable(plan))))


def _settled(plan: Any) -> Any:  # noqa: ANN401  JSON
    """Leave out what the command line decides each time."""
    told = [warning for warning in plan["warnings"] if warning != NOT_SERVED]
    return plan | {"flow": plan["flow"] | {"paused": False}, "remote": None, "warnings": told}


def _document(run: Path, name: str) -> Any:  # noqa: ANN401  JSON
    try:
        return json.loads((run / name).read_bytes())
    except (OSError, ValueError) as error:
        raise _refusal(run, (f"{name} cannot be read ({error}); launch it anew",)) from error


def _lost(run: Path, plan: SessionPlan) -> Mapping[str, str]:
    """Find which strategies' engines the run had gone on without; nobody knows where it never got so far."""
    with suppress(DataError):
        lost = read_status(run).lost
        return {spec.actor: lost[spec.actor] for spec in plan.strategies if spec.actor in lost}
    return {}


def _mend(run: Path, lost: Mapping[str, str]) -> tuple[Life, int | None]:
    """Cut the journal back, remove what is made from it, and count this life."""
    try:
        torn = cut_torn(run / "journal")
        repair = repair_journal(run / "journal")
        number = run_of(run / "journal")
        past = _resumptions(run)
        life = Life(len(past) + 1, repair.epoch + 1, torn, repair.cut_bytes, lost)
        _remove(run / name for name in _MADE_ANEW)
        _remove(run.glob(".*.tmp"))
        (run / "tables").mkdir()
        entry = {"torn_bytes": torn.bytes, "torn_segments": torn.segments, "cut_bytes": repair.cut_bytes}
        content = {"resumptions": [*past, entry]}
        replace_file(run / RESUMPTIONS, json.dumps(content, indent=2).encode() + b"\n")
    except JournalCorrupt as error:
        raise _refusal(run, (f"{error}; it is damaged, so launch the run anew",)) from error
    except (JournalWriteError, OSError) as error:
        raise DataError(f"{run}: cannot be made ready to go on: {error}") from error
    return life, number


def _resumptions(run: Path) -> list[Any]:
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        return list(json.loads((run / RESUMPTIONS).read_bytes())["resumptions"])
    return []


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _refusal(run: Path, reasons: tuple[str, ...]) -> ConfigError:
    return ConfigError(run, tuple(Problem("", reason) for reason in reasons))
