"""Say how much processor time each actor takes, whole processes and a base bar.

    python benchmarks/where_time_goes.py [--sizes "2x1 2x250 50x60"] [--runs N] [--handler bar|step|window]

1. Runs are by processes. Every actor measures itself: user and system time of all its threads, ZeroMQ's too,
   from after it was forked to its end. The supervisor's is that of the command itself.
2. Medians of the runs. Wall time is that of the command: no less than the largest actor's time, and no less
   than the sum divided by the processors.

Which function takes the time, the standard library says of the same roles in one process:

    python -m cProfile -s tottime scripts/launch.py CONFIG --inline
"""

import resource
import statistics
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import click
from compare import parse_sizes
from engines import STRATEGIES, SessionFlow, configure
from small_run import machine
from whole_run import run
from workload import Workload, prepare

DEADLINE_S: Final = 1800.0
SUPERVISOR: Final = "supervisor"


class Times(NamedTuple):
    """One run."""

    wall_s: float
    cpu_s: dict[str, float]
    bars: int


def measure(folder: Path, engine: SessionFlow) -> Times:
    """Do a run."""
    before = _children_s()
    ran = run(engine.command(folder), folder, DEADLINE_S)
    actors = {name.partition("-")[0]: cpu_s for name, cpu_s in ran.document["cpu_s"].items()}
    cpu_s = {SUPERVISOR: _children_s() - before, **actors}
    return Times(ran.wall_s, cpu_s, engine.counted(ran.document).bars)


def _children_s() -> float:
    """Give the processor time of the commands so far; what a forkserver has started is not in it."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def print_table(workload: Workload, found: list[Times]) -> None:
    """Print the medians of some runs."""
    bars = found[0].bars
    print(f"{workload}, {bars:,} bars{'s':>20}{'µs a bar':>12}")
    medians = {name: statistics.median(times.cpu_s[name] for times in found) for name in found[0].cpu_s}
    wall_s = statistics.median(times.wall_s for times in found)
    for name, cpu_s in (*sorted(medians.items()), ("sum", sum(medians.values())), ("wall", wall_s)):
        print(f"  {name:24}{cpu_s:>12.2f}{cpu_s / bars * 1e6:>12.2f}")


@click.command()
@click.option("--sizes", default="2x1 2x250 50x60", show_default=True, callback=parse_sizes, metavar="LIST")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--handler", type=click.Choice(list(STRATEGIES)), default="bar", show_default=True)
def main(sizes: tuple[Workload, ...], runs: int, handler: str) -> None:
    """Say which actor takes the time."""
    engine = SessionFlow(handler)
    with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as name:
        for workload in sizes:
            folder = Path(name) / str(workload)
            prepare(folder, workload)
            configure(folder, workload)
            print_table(workload, [measure(folder, engine) for _ in range(runs)])
    print(f"{machine()}.")


if __name__ == "__main__":
    main()
