"""Measure what all processes of a run hold together at most, for runs of few and of many sessions.

    python benchmarks/memory.py [--sessions "1 10 100 1000"] [--symbols N] [--runs N] [--json FILE]

1. A run is by processes, as a user starts it. Every 20 ms all of its processes are looked at, and what they
   hold is summed up: PSS, which counts a page that n processes share as 1/n in each, and RSS, which counts it
   in full. The highest sum is the peak. What comes and goes between two looks is not seen.
2. The largest process is the highest RSS that one of them had.
3. Several runs are made of each length, in turns; the median of the peaks is printed.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import click
from engines import SessionFlow, configure
from numbers_option import numbers
from small_run import MB, machine
from whole_run import watch
from workload import Workload, prepare

DEADLINE_S: Final = 1800.0


class Held(NamedTuple):
    """What one run held, MB, and how long it took while it was looked at."""

    pss: float
    rss: float
    largest: float
    wall_s: float


def measure(folder: Path) -> Held:
    """Do a run."""
    engine = SessionFlow("bar")
    watched = watch(engine.command(folder), folder, DEADLINE_S)
    peak = watched.footprint.peak
    pss = float("nan") if peak.pss is None else peak.pss / MB
    return Held(pss, peak.rss / MB, watched.footprint.largest_rss / MB, watched.ran.wall_s)


def median_of(found: list[Held]) -> Held:
    """Give the median of each figure."""
    return Held(*map(statistics.median, zip(*found, strict=True)))


def made(folder: Path, symbols: int, days: int) -> Path:
    """Write a workload."""
    workload = Workload(symbols, days)
    prepare(folder, workload)
    configure(folder, workload)
    return folder


def print_table(symbols: int, found: dict[int, Held]) -> None:
    """Print what was measured."""
    print(_line(f"peak of the whole tree, {symbols} symbols", "PSS MB", "RSS MB", "largest MB", "s"))
    for days, held in found.items():
        cells = (f"{held.pss:.0f}", f"{held.rss:.0f}", f"{held.largest:.0f}", f"{held.wall_s:.1f}")
        print(_line(f"{days:,} sessions", *cells))
    print(f"{machine()}.")


def _line(name: str, *cells: str) -> str:
    return f"{name:40}" + "".join(f"{cell:>12}" for cell in cells)


@click.command()
@click.option("--sessions", default="1 10 100 1000", show_default=True, callback=numbers, metavar="LIST")
@click.option("--symbols", type=click.IntRange(1, 5000), default=2, show_default=True)
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there too."
)
def main(sessions: tuple[int, ...], symbols: int, runs: int, json_file: Path | None) -> None:
    """Measure the peak of the whole tree over numbers of sessions."""
    with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as name:
        folders = {days: made(Path(name) / str(days), symbols, days) for days in sessions}
        rounds = [{days: measure(folder) for days, folder in folders.items()} for _ in range(runs)]
    found = {days: median_of([each[days] for each in rounds]) for days in sessions}
    print_table(symbols, found)
    if json_file is not None:
        document = {"machine": machine(), "symbols": symbols, "runs": runs}
        document["peaks_mb"] = {str(days): held._asdict() for days, held in found.items()}
        json_file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
