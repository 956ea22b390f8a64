"""Runs as another process sees them: whether they go on, and what they say of themselves."""

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from actors.domain.errors import DataError
from actors.runtime.locks import is_held
from actors.supervisor.status import RunStatus
from actors.supervisor.wording import resume_command

ABANDONED: Final = "the run does not go on: its supervisor was killed before it could say how it ended"
Content = TypeVar("Content", bound=msgspec.Struct)
FINAL: Final = frozenset({"done", "failed", "interrupted"})


class PlanHead(msgspec.Struct, frozen=True):
    """What is wanted of a run's plan to show where it is."""

    name: str
    timezone: str
    first_date: str


def is_running(folder: Path) -> bool:
    """Whether a run's supervisor is there."""
    try:
        return is_held(folder / "lock")
    except OSError:
        return False


def running_runs(runs: Path) -> list[Path]:
    """List the folders of the runs that go on, oldest first."""
    folders = [path for path in runs.iterdir() if not path.is_symlink()] if runs.is_dir() else []
    return sorted(filter(is_running, folders), key=_started_ns)


def read_head(folder: Path) -> PlanHead:
    """Read the beginning of a run's plan.

    Raises DataError.
    """
    return read_json(folder / "plan.json", PlanHead)


def read_status(folder: Path) -> RunStatus:
    """Read the last snapshot of a run; one that its supervisor could not complete says so.

    Raises DataError.
    """
    running = is_running(folder)
    status = read_json(folder / "status.json", RunStatus)
    if running or status.state in FINAL:
        return status
    how = f"{ABANDONED}; go on with `{resume_command(folder.name)}`"
    return msgspec.structs.replace(status, message=how)


def read_json(path: Path, kind: type[Content]) -> Content:
    """Read a file of a run's folder.

    Raises DataError.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise DataError(f"{path}: is not there; the run is only starting, or this is no run folder") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    except msgspec.MsgspecError as error:
        raise DataError(
            f"{path}: cannot be read ({error}); it is damaged, or another version of sessionflow wrote it"
        ) from error


def _started_ns(folder: Path) -> int:
    try:
        return (folder / "lock").stat().st_mtime_ns
    except OSError:
        return 0
