"""The screens of runs that are over: a list of them, and where two of them part."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from actors.domain.local_time import local_stamp
from actors.results import Run
from actors.supervisor.comparison import Comparison, Difference, Parting
from actors.supervisor.console.layout import Cell, facts, section, table
from actors.supervisor.console.text import DASH, clean, compact, count, percent, plural, seconds

DIFFERENCES_SHOWN: Final = 20
STATUS_STYLES: Final = {"done": "green", "failed": "red", "interrupted": "yellow"}


def print_runs(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print one line per run; see `run_row`."""
    headers = ("run", "status", ">sessions", ">bars", ">quality", ">signals", ">time")
    console.print(
        Group(section("Runs", plural(len(rows), "run"), table(headers, map(_run_cells, rows))), Text())
    )


def run_row(run: Run) -> dict[str, Any]:
    """Say in a few figures what a run came to; what is not known is None."""
    ended = (run.folder / "summary.json").is_file()
    summary: dict[str, Any] = run.summary if ended else {}
    sessions = summary.get("sessions") or []
    bars = [
        found["delivered"] for found in summary.get("bars", {}).values() if found["delivered"] is not None
    ]
    scores = [score for score in summary.get("quality", {}).values() if score is not None]
    return {
        "run": run.name,
        "status": summary.get("status") or run.status["state"],
        "first_session": sessions[0]["date"] if sessions else None,
        "last_session": sessions[-1]["date"] if sessions else None,
        "sessions": sum(session["steps"] is not None for session in sessions) if ended else None,
        "bars": sum(bars) if bars else None,
        "lowest_quality": min(scores) if scores else None,
        "signals": summary.get("signals", {}).get("emitted"),
        "wall_s": summary.get("wall_s", {}).get("total"),
        "digest": summary.get("digest"),
    }


def _run_cells(row: Mapping[str, Any]) -> Sequence[Cell]:
    status = clean(row["status"])
    bars = row["bars"]
    return (
        Text(clean(row["run"], 80), overflow="fold"),
        Text(status, style=STATUS_STYLES.get(status, "")),
        count(row["sessions"]),
        DASH if bars is None else compact(bars),
        percent(row["lowest_quality"]),
        count(row["signals"]),
        seconds(row["wall_s"]),
    )


def print_comparison(console: Console, first: Run, second: Run, found: Comparison) -> None:
    """Print where two runs part."""
    console.print(render_comparison(first, second, found))


def render_comparison(first: Run, second: Run, found: Comparison) -> RenderableType:
    """Draw it: the verdict first, then what differs, part by part."""
    zone = first.plan["timezone"]
    return Group(
        _verdict(found),
        section("Runs", "", facts([("first", clean(first.name)), ("second", clean(second.name))])),
        _section("Configuration", found.configuration),
        _section("Counts", found.figures),
        _section("Digests", found.digests, limit=17),
        section("First bar that differs", "", *parting_lines(found.bar, zone)),
        section("First signal that differs", "", *parting_lines(found.signal, zone)),
        Text(),
    )


def _verdict(found: Comparison) -> Text:
    if found.is_equal:
        return Text.assemble("\n", ("✔ equal", "bold green"), "  both saw and did the same")
    return Text.assemble("\n", ("✘ different", "bold yellow"), "  the runs did not see or do the same")


def _section(title: str, found: Sequence[Difference], limit: int = 60) -> RenderableType:
    if not found:
        return section(title, "no difference")
    rows = [(clean(item.where), clean(item.first, limit), clean(item.second, limit)) for item in found]
    more = len(rows) - DIFFERENCES_SHOWN
    if more > 0:
        rows[DIFFERENCES_SHOWN:] = [("…", f"{more:,} more", "")]
    return section(title, plural(len(found), "difference"), table(("", "first", "second"), rows))


def parting_lines(found: Parting | None, timezone: str) -> Iterator[RenderableType]:
    """Draw the first row that differs: where, and the columns that do; nothing for None."""
    if found is None:
        return
    yield Text(f"{clean(found.what)} at {local_stamp(found.event_ts, timezone)}")
    names = [*(found.first or found.second or {})]
    rows = [(name, _value(found.first, name), _value(found.second, name)) for name in names]
    yield table(("", "first", "second"), [row for row in rows if row[1] != row[2]])


def _value(row: Mapping[str, Any] | None, name: str) -> str:
    return "no row" if row is None else clean(row[name], 60)
