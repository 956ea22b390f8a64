"""The screen of a check for look-ahead."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from actors.domain.local_time import local_stamp
from actors.supervisor.console.layout import Cell, section, table
from actors.supervisor.console.runs import parting_lines
from actors.supervisor.console.text import clean, plural
from actors.supervisor.lookahead import LookaheadCheck
from actors.supervisor.prefix_comparison import StrategyParting
from actors.supervisor.read_watch import Reading

READINGS_SHOWN: Final = 20
_VERDICTS: Final = {
    "clean": ("✔ no look-ahead found", "bold green", "no strategy knew what was altered"),
    "looks_ahead": ("✘ looks ahead", "bold red", "what a strategy did follows from later bars"),
    "reads_stored_data": ("✘ reads stored data", "bold red", "a strategy opened files of bars by itself"),
    "stored_data_opened": ("✘ stored data opened", "bold yellow", "by a strategy, or by another program"),
    "not_repeatable": ("✘ not repeatable", "bold yellow", "two runs on the same bars are not the same"),
}


def print_lookahead(console: Console, found: LookaheadCheck) -> None:
    """Print the verdict, the cuts, and what is wrong."""
    console.print(render_lookahead(found))


def render_lookahead(found: LookaheadCheck) -> RenderableType:
    """Draw it: the verdict first, then the cuts, then each difference."""
    word, style, meaning = _VERDICTS[found.outcome]
    return Group(
        Text.assemble("\n", (word, style), f"  {meaning}"),
        section("Cuts", plural(len(found.cuts), "cut"), table(("altered after", "", ""), _cut_rows(found))),
        _readings(found.readings),
        _partings("Not repeatable", found.unrepeatable, found.timezone),
        *(
            _partings(
                f"Altered after {local_stamp(result.cut.at_ns, found.timezone)}",
                result.partings,
                found.timezone,
            )
            for result in found.cuts
        ),
        Text(),
    )


def _cut_rows(found: LookaheadCheck) -> Iterator[tuple[Cell, ...]]:
    for cut, partings in ((result.cut, result.partings) for result in found.cuts):
        place = "end of the session" if cut.is_session_end else "within the session"
        verdict = Text("✘ differs before", style="red") if partings else Text("✔ same before", style="green")
        yield local_stamp(cut.at_ns, found.timezone), place, verdict


def _readings(readings: tuple[Reading, ...]) -> RenderableType:
    if not readings:
        return section("", "")
    lines = [Text(_reading(reading)) for reading in readings[:READINGS_SHOWN]]
    if len(readings) > READINGS_SHOWN:
        lines.append(Text(f"… {len(readings) - READINGS_SHOWN:,} more"))
    return section("Stored data opened", "", *lines)


def _reading(reading: Reading) -> str:
    file = clean(reading.file)
    if not reading.traced:
        return (
            f"{file} was opened during the runs, by a strategy through a library or by another program; "
            "if another one uses the catalog, check again without it"
        )
    name = f"strategy {clean(reading.strategy)}" if reading.strategy else "a strategy"
    place = f" in {reading.place}" if reading.place else ""
    return f"{name} opened {file}{place}: it reads stored data by itself"


def _partings(title: str, found: Iterable[StrategyParting], timezone: str) -> RenderableType:
    lines = [
        line
        for strategy, parting in found
        for line in (Text(f"strategy {clean(strategy)}"), *parting_lines(parting, timezone))
    ]
    return section(title, "", *lines) if lines else section("", "")
