"""Find out what a failed actor last said."""

from pathlib import Path
from typing import Final

from actors.assembly.places import RunPlaces
from actors.domain.printing import printable
from actors.supervisor.open_files import EXHAUSTED
from actors.supervisor.run_state import Trouble
from actors.supervisor.stacks import last_stack, without_stacks
from actors.supervisor.summary import Failure

TAIL_BYTES: Final = 65_536
TAIL_LINES: Final = 12
STACK_LINES: Final = 1000
TOO_MANY_FILES: Final = (
    "It had too many files open: close what a strategy opens, or allow more with ulimit -n. "
)


def last_lines(path: Path, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """Read the last lines of a text file; none where there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(printable(line) for line in text.splitlines()[-lines:])


def log_tail(places: RunPlaces, actor: str) -> tuple[str, ...]:
    """Read the last lines of what an actor logged, then of what it printed, but for its stack."""
    printed = last_lines(places.logs / f"{actor}.out", STACK_LINES)
    return last_lines(places.logs / f"{actor}.log") + without_stacks(printed)[-TAIL_LINES:]


def stack_of(places: RunPlaces, actor: str) -> tuple[str, ...]:
    """Read where an actor was when it was last asked; empty where it was not, or could not answer."""
    return last_stack(last_lines(places.logs / f"{actor}.out", STACK_LINES))


def examine(places: RunPlaces, trouble: Trouble, sim_time: str | None, *, has_tables: bool = True) -> Failure:
    """Describe a failure: the actor, the step, its last lines, and what to do."""
    tail = () if trouble.actor is None else log_tail(places, trouble.actor)
    exhausted = any(EXHAUSTED in line for line in (trouble.reason, *tail))
    return Failure(
        actor=trouble.actor,
        reason=trouble.reason,
        log_tail=tail,
        stack=() if trouble.actor is None else stack_of(places, trouble.actor),
        step=sim_time,
        advice=(TOO_MANY_FILES if exhausted else "") + _advice(trouble.actor, has_tables=has_tables),
    )


def _advice(actor: str | None, *, has_tables: bool) -> str:
    held = "the tables hold" if has_tables else "the journal holds"
    log = f"logs/{actor}.log" if actor else "logs/"
    return (
        f"See {log} in the run folder; {held} everything up to the failure. Mend the cause, then resume the "
        "run where it ended, or launch it anew where configuration, data or strategy had to be changed."
    )
