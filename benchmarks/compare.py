"""Run SessionFlow, its peers and the practical limit on the same bars, and print one table.

    python benchmarks/compare.py [--sizes "2x1 10x20"] [--runs N] [--deadline S] [--only WORD] [--json FILE]

1. A size is SYMBOLSxDAYS of the workload (`workload.py`): the same Parquet files for all.
2. A run is a command from before its interpreter starts to after it has ended.
3. The first run of every engine is not timed: it warms caches up, and is watched for memory, because looking
   costs time. One that is not over at the deadline is not run again: it is told as `> S s`.
4. Then all engines take turns, round by round, every other round backwards. A ratio is that to the first
   engine in the same round; the median over rounds is printed.
5. Bars and signals are compared; who differs from the first engine is marked with `≠`.
6. Start-up and cost per bar are `a + b · bars` through the medians of the smallest and the largest size.
"""

import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from comparison_table import differences, table
from engines import ENGINES, REFERENCE, Engine, configure
from environments import Unavailable
from measurements import Measured, Size
from small_run import machine
from whole_run import RunFailed, TooSlow, carry_out, run, watch
from workload import Workload, prepare

SIZES: Final = "2x1 10x20"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Comparison:
    """One size, engine by engine."""

    def __init__(self, folder: Path, size: Size, deadline_s: float) -> None:
        """Nothing has been run yet."""
        self._folder = folder
        self._size = size
        self._deadline_s = deadline_s

    def admit(self, engine: Engine) -> None:
        """Do the run that is not timed, and note why there will be no others where there will be none."""
        measured = self._size.engines.setdefault(engine.name, Measured())
        _say(f"{self._size.workload}: {engine.name}")
        try:
            measured.version = engine.version
            preparation = engine.preparation(self._folder)
            if preparation is not None:
                carry_out(preparation, self._folder, self._deadline_s)
            watched = watch(engine.command(self._folder), self._folder, self._deadline_s)
        except Unavailable as error:
            measured.reason = str(error)
        except RunFailed as error:
            measured.reason = f"failed: {error}"
        except TooSlow:
            measured.reason = f"> {self._deadline_s:g} s"
        else:
            measured.peak = watched.footprint.peak
            measured.counted = engine.counted(watched.ran.document)

    def round(self, engines: Sequence[Engine]) -> None:
        """Time each engine that can be timed once."""
        for engine in engines:
            measured = self._size.engines[engine.name]
            if measured.reason is None:
                self._time(engine, measured)

    def _time(self, engine: Engine, measured: Measured) -> None:
        try:
            ran = run(engine.command(self._folder), self._folder, self._deadline_s)
        except TooSlow:
            measured.reason = f"> {self._deadline_s:g} s"
            return
        except RunFailed as error:
            measured.reason = f"failed when timed: {error}"
            return
        again = engine.counted(ran.document)
        if again != measured.counted:
            measured.reason = f"differs from run to run: {measured.counted} and {again}"
        measured.walls_s.append(ran.wall_s)


def measure(
    folder: Path, workload: Workload, engines: Sequence[Engine], runs: int, deadline_s: float
) -> Size:
    """Measure all engines on one size."""
    prepared = prepare(folder, workload)
    configure(folder, workload)
    size = Size(workload, prepared.bars)
    comparison = Comparison(folder, size, deadline_s)
    for engine in engines:
        comparison.admit(engine)
    for number in range(runs):
        _say(f"{workload}: round {number + 1} of {runs}")
        comparison.round(engines if number % 2 == 0 else engines[::-1])
    return size


def parse_sizes(_context: click.Context, _option: click.Parameter, text: str) -> tuple[Workload, ...]:
    """Read sizes such as `2x1 10x20`, smallest first."""
    parts = [re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", word) for word in text.split()]
    matches = [match for match in parts if match is not None]
    if not matches or len(matches) < len(parts):
        raise click.BadParameter(f"{text!r}: write SYMBOLSxDAYS, such as {SIZES!r}")
    found = {Workload(int(match[1]), int(match[2])) for match in matches}
    return tuple(sorted(found, key=lambda workload: workload.symbols * workload.days))


def choose(words: Sequence[str]) -> tuple[Engine, ...]:
    """Choose the engines with one of the words in their names, and the first; all where there is no word."""
    lowered = [word.lower() for word in words]
    return tuple(
        engine
        for engine in ENGINES
        if not words or engine is REFERENCE or any(word in engine.name.lower() for word in lowered)
    )


def as_json(sizes: Sequence[Size], runs: int, deadline_s: float) -> str:
    """Write everything down."""
    found = [size.as_json() for size in sizes]
    document = {"machine": machine(), "runs": runs, "deadline_s": deadline_s, "sizes": found}
    return json.dumps(document, indent=1) + "\n"


def print_all(sizes: Sequence[Size], runs: int) -> None:
    """Print the table, who differs, and how it was measured."""
    print("\n".join(table(sizes, REFERENCE.name)))
    for line in differences(sizes, REFERENCE.name) or ():
        print(line)
    versions = dict.fromkeys(each.version for each in sizes[0].engines.values() if each.version)
    print(f"Whole processes, medians of {runs} rounds in which all took turns; ratio is to the first row.")
    print("PSS and RSS are the peak sums over all processes of one more run, by a look every 20 ms.")
    print(f"{', '.join(versions)}. {machine()}.")


@click.command()
@click.option("--sizes", default=SIZES, show_default=True, callback=parse_sizes, metavar="LIST")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Timed rounds.")
@click.option(
    "--deadline", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds for one run."
)
@click.option(
    "--only", multiple=True, metavar="WORD", help="Only engines with this in their name; repeatable."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all of it there."
)
def main(
    sizes: tuple[Workload, ...], runs: int, deadline: float, only: tuple[str, ...], json_file: Path | None
) -> None:
    """Compare SessionFlow with its peers on the same bars."""
    with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as name:
        measured = [measure(Path(name) / str(size), size, choose(only), runs, deadline) for size in sizes]
    print_all(measured, runs)
    if json_file is not None:
        json_file.write_text(as_json(measured, runs, deadline), encoding="utf-8")


if __name__ == "__main__":
    main()
