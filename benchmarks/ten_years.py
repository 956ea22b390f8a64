"""Import, check and replay years of 1m bars of one symbol, and the last of these years alone.

    python benchmarks/ten_years.py [--years N]

1. The bars are those of `workload.py`, year by year, as one CSV file: New York's regular sessions, half days
   included, up to the end of 2024. Writing it is not timed.
2. Each stage is a command as a user starts it, from before the interpreter starts to after it has ended:
   `data import` into an empty catalog, `data check`, and `run` by processes with streams 1m, 5m, 1d.
3. The calendar is compiled and the modules are imported once before, untimed.
4. Every stage must find all bars, or nothing is printed but that.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any, Final, NamedTuple

import click
import numpy as np
from small_run import MB, Footprint, Tree, machine
from workload import CALENDAR, Columns, Workload, configuration, minutes

from actors.domain.calendar_table import sessions_between
from actors.domain.session_plan import Session
from actors.runtime.calendars import Calendars

LAST_YEAR: Final = 2024
FIRST_YEAR: Final = 1995
SYMBOL: Final = Workload(1, 1).names[0]
SAMPLE_S: Final = 0.05
FIELDS: Final = ("open", "high", "low", "close", "volume")
COMMAND: Final = (sys.executable, "-m", "actors")
STAGES: Final = ("import", "check", "run")

Document = dict[str, Any]


class Years(NamedTuple):
    """Bars on disk, as a file to be imported."""

    number: int
    folder: Path
    sessions: int
    bars: int

    def __str__(self) -> str:
        """Write it as the table does."""
        return "1 year" if self.number == 1 else f"{self.number} years"


class Stage(NamedTuple):
    """A command, and how many bars its JSON document says it has handled."""

    arguments: tuple[str | Path, ...]
    handled: Callable[[Document], int]


class Taken(NamedTuple):
    """What a stage took."""

    wall_s: float
    footprint: Footprint


def prepare(folder: Path, count: int) -> Years:
    """Write the bars of the last years, and a configuration that replays them."""
    folder.mkdir()
    years = [_sessions_of(year) for year in range(LAST_YEAR - count + 1, LAST_YEAR + 1)]
    with (folder / "bars.csv").open("w", encoding="utf-8") as file:
        file.write(f"timestamp,{','.join(FIELDS)}\n")
        bars = sum(_write(file, minutes(0, sessions)) for sessions in years)
    replayed = tuple(session for sessions in years for session in sessions)
    (folder / "session.json").write_text(json.dumps(_configuration(replayed)), encoding="utf-8")
    return Years(count, folder, len(replayed), bars)


def _sessions_of(year: int) -> tuple[Session, ...]:
    table = Calendars().table(CALENDAR, date(LAST_YEAR, 12, 31))
    return sessions_between(table, date(year, 1, 1), date(year, 12, 31))


def _write(file: IO[str], columns: Columns) -> int:
    stamps = np.datetime_as_string(columns["open_ts"].astype("datetime64[ns]"), unit="s").tolist()
    rows = zip(stamps, *(columns[name].tolist() for name in FIELDS), strict=True)
    file.writelines(f"{stamp}Z,{o},{h},{l},{c},{v}\n" for stamp, o, h, l, c, v in rows)  # noqa: E741
    return len(stamps)


def _configuration(replayed: tuple[Session, ...]) -> Document:
    document = configuration(Workload(1, len(replayed)), replayed)
    document["session_data_config"] |= {"streams": ["1m", "5m", "1d"], "strategies": []}
    return document | {"catalog": {"path": "catalog"}}


def stages(years: Years) -> dict[str, Stage]:
    """Give the three commands."""
    catalog = ("--catalog", years.folder / "catalog")
    stated = ("--format", "csv", "--symbol", SYMBOL, "--interval", "1m", "--label", "open")
    return {
        "import": Stage(
            ("data", "import", years.folder / "bars.csv", *stated, *catalog),
            lambda found: sum(stream["added"] for file in found["files"] for stream in file["streams"]),
        ),
        "check": Stage(
            ("data", "check", "--calendar", CALENDAR, *catalog),
            lambda found: sum(stream["delivered"] for stream in found["streams"]),
        ),
        "run": Stage(
            ("run", years.folder / "session.json", "--runs", years.folder / "runs"),
            lambda found: sum(counts["delivered"] for counts in found["bars"].values()),
        ),
    }


def measure(years: Years, name: str) -> Taken:
    """Carry one stage out, and watch what it takes."""
    stage = stages(years)[name]
    with tempfile.TemporaryFile() as output:
        taken = _watched([*COMMAND, *map(str, stage.arguments), "--json"], output)
        output.seek(0)
        handled = stage.handled(json.load(output))
    if handled != years.bars:
        raise click.ClickException(f"{name} of {years} handled {handled:,} of {years.bars:,} bars")
    return taken


def _watched(command: Sequence[str], output: IO[bytes]) -> Taken:
    over = Event()
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=output) as process:
        tree = Tree(process.pid)
        looking = Thread(target=_look, args=(tree, over))
        looking.start()
        process.wait()
        wall_s = time.perf_counter() - began
        over.set()
        looking.join()
    if process.returncode:
        raise click.ClickException(f"exit code {process.returncode} of {' '.join(command)}: see above")
    return Taken(wall_s, tree.footprint())


def _look(tree: Tree, over: Event) -> None:
    while not over.wait(SAMPLE_S):
        tree.look()


def print_table(measured: dict[Years, dict[str, Taken]]) -> None:
    """Print what was measured."""
    for years in measured:
        print(f"{years}: {years.bars:,} bars of 1m in {years.sessions:,} sessions")
    print(_line("", "s", "bars/s", "largest MB", "RSS MB", "PSS MB"))
    one, all_ = measured
    for name in STAGES:
        few, many = measured[one][name], measured[all_][name]
        print(_line(f"{name}, {one}", *_cells(one, few)))
        print(_line(f"{name}, {all_}", *_cells(all_, many)))
        print(_line(f"{name}, {all_} ÷ {one}", *_ratios(_figures(all_, many), _figures(one, few))))
    print("largest is the peak of the largest process, RSS and PSS are peak sums over all processes of the")
    print(f"command, by a look every {SAMPLE_S * 1000:.0f} ms, which costs time too.")


def _line(name: str, *cells: str) -> str:
    return f"{name:24}" + "".join(f"{cell:>12}" for cell in cells)


def _figures(years: Years, taken: Taken) -> Iterator[float | None]:
    """Give seconds, bars per second, and three kinds of memory in MB."""
    peak = taken.footprint.peak
    yield taken.wall_s
    yield years.bars / taken.wall_s
    yield taken.footprint.largest_rss / MB
    yield peak.rss / MB
    yield None if peak.pss is None else peak.pss / MB


def _cells(years: Years, taken: Taken) -> Iterator[str]:
    wall_s, *others = _figures(years, taken)
    yield f"{wall_s:.2f}"
    yield from ("?" if figure is None else f"{figure:,.0f}" for figure in others)


def _ratios(many: Iterator[float | None], few: Iterator[float | None]) -> Iterator[str]:
    for above, below in zip(many, few, strict=True):
        yield "?" if above is None or not below else f"{above / below:.2f}"


@click.command()
@click.option(
    "--years",
    type=click.IntRange(2, LAST_YEAR - FIRST_YEAR + 1),
    default=10,
    show_default=True,
    help=f"How many, up to the end of {LAST_YEAR}.",
)
def main(years: int) -> None:
    """Import, check and replay years of 1m bars of one symbol, and one year."""
    with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as name:
        prepared = [prepare(Path(name) / str(count), count) for count in (1, years)]
        subprocess.run([*COMMAND, "run", "--help"], stdout=subprocess.DEVNULL, check=True)
        measured = {each: {stage: measure(each, stage) for stage in STAGES} for each in prepared}
    print_table(measured)
    print(f"{machine()}.")


if __name__ == "__main__":
    main()
