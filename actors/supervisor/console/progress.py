"""The screen during a run: drawn in place on a terminal, one plain line now and then elsewhere.

Nothing here reads a clock or starts a thread: the supervisor's loop passes snapshots in, and their
`elapsed_s` decides when to draw.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from actors.supervisor.console.layout import Cell, table
from actors.supervisor.console.text import (
    DASH,
    clean,
    clock,
    listing,
    memory,
    micros,
    plural,
    short,
    simulated_time,
)
from actors.supervisor.status import ActorStatus, RunStatus
from protocol.lifecycle import ActorState, Phase

REFRESH_S: Final = 0.25
"""Least time between two drawings on a terminal."""
LINE_S: Final = 5.0
"""Time between two plain lines while the state stays the same."""
STATE_STYLES: Final = {
    "running": "green",
    "paused": "yellow",
    "done": "green",
    "failed": "red",
    "interrupted": "yellow",
}
GOING: Final = frozenset({"running", "paused"})
"""States in which sessions are under way."""
ACTOR_STYLES: Final = {
    ActorState.RUNNING: "green",
    ActorState.STOPPING: "yellow",
    ActorState.EXITED: "dim",
    ActorState.FAILED: "bold red",
}
MARK: Final = "▶"


class Column(NamedTuple):
    """One column of the table of actors."""

    header: str
    cell: Callable[[ActorStatus], Cell]
    from_width: int = 0
    """The console must be as wide as this."""


COLUMNS: Final = (
    Column("state", lambda actor: Text(actor.state, style=ACTOR_STYLES.get(actor.state, ""))),
    Column(">pid", lambda actor: DASH if actor.pid is None else str(actor.pid), 76),
    Column(">bars/s", lambda actor: short(actor.bars_per_s)),
    Column(">windows", lambda actor: short(actor.windows), 90),
    Column(">p50", lambda actor: micros(actor.handle_p50_us), 68),
    Column(">p99", lambda actor: micros(actor.handle_p99_us), 60),
    Column(">cpu", lambda actor: f"{actor.cpu_percent:.0f}%"),
    Column(">memory", lambda actor: memory(actor.rss_bytes)),
    Column(">queue", lambda actor: DASH if actor.queue is None else str(actor.queue), 102),
    Column(">restarts", lambda actor: str(actor.restarts), 114),
)


class Named(Protocol):
    """A plan, as far as the screen wants to know."""

    @property
    def name(self) -> str:
        """What is replayed."""
        ...


class View(Protocol):
    """One way of showing progress."""

    def open(self, plan: Named) -> None:
        """Begin."""
        ...

    def is_due(self, shown: RunStatus, status: RunStatus) -> bool:
        """Tell whether to show a snapshot, given the one shown last."""
        ...

    def show(self, status: RunStatus) -> None:
        """Show a snapshot."""
        ...

    def close(self) -> None:
        """End, and leave the terminal as it was."""
        ...


class Screen:
    """Show a run's progress.

    `stop` draws the last snapshot, gives the cursor back, and may be called at any time and more than once.
    """

    def __init__(self, console: Console) -> None:
        """Choose the way of showing that the console allows."""
        self._view: View = _Drawing(console) if console.is_interactive else _Lines(console)
        self._latest: RunStatus | None = None
        self._shown: RunStatus | None = None

    def start(self, plan: Named) -> None:
        """Begin to show progress."""
        self._view.open(plan)

    def update(self, status: RunStatus) -> None:
        """Take a snapshot, and show it if it is time."""
        self._latest = status
        if self._shown is None or self._view.is_due(self._shown, status):
            self._show(status)

    def stop(self) -> None:
        """Show the last snapshot and end."""
        try:
            if self._latest is not None and self._latest is not self._shown:
                self._show(self._latest)
        finally:
            self._view.close()

    def _show(self, status: RunStatus) -> None:
        self._shown = status
        self._view.show(status)


class _Drawing:
    """A block at the bottom of the terminal that is drawn over; its last state stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name = ""
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)

    def open(self, plan: Named) -> None:
        self._name = plan.name
        self._live.update(Text.assemble((clean(plan.name), "bold"), "  starting"))
        self._live.start(refresh=True)

    def is_due(self, shown: RunStatus, status: RunStatus) -> bool:
        return status.elapsed_s - shown.elapsed_s >= REFRESH_S

    def show(self, status: RunStatus) -> None:
        self._live.update(render_status(self._name, status, self._console.width), refresh=True)

    def close(self) -> None:
        self._live.stop()


class _Lines:
    """A line when the state changes, and every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def open(self, plan: Named) -> None:
        pass

    def is_due(self, shown: RunStatus, status: RunStatus) -> bool:
        return status.state != shown.state or status.elapsed_s - shown.elapsed_s >= LINE_S

    def show(self, status: RunStatus) -> None:
        self._console.print(Text(status_line(status)), soft_wrap=True)

    def close(self) -> None:
        pass


def render_status(name: str, status: RunStatus, width: int) -> RenderableType:
    """Draw the head, the bar, the actors and what they wait for, for a console of a width."""
    parts: list[RenderableType] = [_head(name, status), _bar(status), Text(), _actors(status, width)]
    if status.state in GOING:
        parts.append(_flight(status))
    if status.message:
        parts.append(Text(clean(status.message), style="red"))
    return Group(*parts)


def status_line(status: RunStatus) -> str:
    """Write a snapshot as one line."""
    where = " ".join(word for word in (status.state, simulated_time(status.sim_time)) if word)
    if status.phase is not None:
        where += f" phase {status.phase}"
    bars = f"{status.bars}/{status.bars_expected} bars"
    if status.bars_expected:
        bars += f" ({_percent_done(status)}%)"
    facts = [where, bars, f"{short(status.bars_per_s)} bars/s"]
    if status.waiting_for:
        facts.append(f"waiting for {listing(status.waiting_for)}")
    if status.message:
        facts.append(clean(status.message))
    return ", ".join(facts)


def slowest(status: RunStatus) -> str | None:
    """Name the actor that holds the run up: the busiest of those waited for, else the busiest of all."""
    waited = [name for name in status.waiting_for if name in status.actors]
    if not waited and not any(actor.cpu_percent for actor in status.actors.values()):
        return None
    return max(waited or status.actors, key=lambda name: status.actors[name].cpu_percent)


def _head(name: str, status: RunStatus) -> Text:
    state = (status.state, STATE_STYLES.get(status.state, ""))
    return Text.assemble(
        (clean(name), "bold"), "  ", state, f"  {_where(status)}", no_wrap=True, overflow="ellipsis"
    )


def _flight(status: RunStatus) -> Text:
    flying = status.windows_in_flight
    of = f"{flying} of {plural(status.credit, 'window')}" if status.credit else plural(flying, "window")
    words = [f"{of} in flight"]
    if status.waiting_for:
        words.append(f"waiting for {listing(status.waiting_for)}")
    if status.speed:
        words.append(f"speed {status.speed:g}")
    if status.until is not None:
        words.append(f"until {simulated_time(status.until)}")
    return Text(", ".join(words), style="dim", no_wrap=True, overflow="ellipsis")


def _where(status: RunStatus) -> str:
    done, total = status.sessions_done, status.sessions_total
    if status.state not in GOING or status.phase is None:
        return f"{done} of {plural(total, 'session')} done"
    return f"session {min(done + 1, total)} of {total}, phase {status.phase} {Phase(status.phase).title}"


def _bar(status: RunStatus) -> Table:
    """Draw the bar; it is full when the run is done, whatever bars were missing."""
    total = max(status.bars_expected, 1)
    done = total if status.state == "done" else min(status.bars, total)
    row = Table.grid(padding=(0, 2, 0, 0), expand=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    row.add_row(ProgressBar(total=total, completed=done), Text(_bar_words(status)))
    return row


def _bar_words(status: RunStatus) -> str:
    done = "done" if status.state == "done" else f"{_percent_done(status)}%"
    words = [done, simulated_time(status.sim_time), f"{short(status.bars_per_s)} bars/s", _eta(status)]
    return "  ".join(word for word in words if word)


def _percent_done(status: RunStatus) -> int:
    return min(100 * status.bars // max(status.bars_expected, 1), 100)


def _eta(status: RunStatus) -> str:
    if status.state != "running":
        return f"after {clock(status.elapsed_s)}"
    left = max(status.bars_expected - status.bars, 0)
    return f"ETA {clock(left / status.bars_per_s)}" if status.bars_per_s > 0 else f"ETA {DASH}"


def _actors(status: RunStatus, width: int) -> Table:
    shown = [column for column in COLUMNS if width >= column.from_width]
    marked = slowest(status) if status.state == "running" else None
    rows = [_actor_row(name, actor, shown, marked=name == marked) for name, actor in status.actors.items()]
    return table(("", "actor", *(column.header for column in shown)), rows)


def _actor_row(name: str, actor: ActorStatus, shown: list[Column], *, marked: bool) -> list[Cell]:
    mark = Text(MARK if marked else " ", style="bold yellow")
    who = Text(clean(name, 32), style="bold yellow" if marked else "", no_wrap=True, overflow="ellipsis")
    return [mark, who, *(column.cell(actor) for column in shown)]
