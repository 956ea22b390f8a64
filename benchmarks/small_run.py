"""Time whole runs of W(symbols, days), by processes and inline, and print what was measured.

    python benchmarks/small_run.py [--runs N] [--symbols S] [--days D]

1. A run is `scripts/launch.py` as a user starts it, from before the interpreter starts to after it has ended.
2. The catalog is warm: one run of each kind goes first and is not timed. It is also the one that is
   watched for memory and processor time, because looking costs time.
3. The kinds take turns, in pairs, each first in every other pair; a ratio is that of one pair.
4. Every run must deliver all bars, and all must agree on digests and signals, or nothing is printed but that.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import psutil
from workload import Prepared, Workload, prepare

LAUNCH: Final = Path(__file__).resolve().parent.parent / "scripts" / "launch.py"
KINDS: Final = {"by processes": (), "inline": ("--inline",)}
SAMPLE_S: Final = 0.02
PACKAGES: Final = ("numpy", "pyarrow", "pyzmq", "msgspec", "TA-Lib")
MB: Final = 1e6


class Result(NamedTuple):
    """What a run did, which has to be the same for all."""

    delivered: int
    signals: int
    stream_digest: str
    signals_digest: str


class Memory(NamedTuple):
    """What all processes of a run hold at one instant, bytes; `pss` counts shared pages once."""

    rss: int
    pss: int | None


class Footprint(NamedTuple):
    """What all processes of a run took together."""

    peak: Memory
    """The highest sums."""
    largest_rss: int
    """The most that a single one of them held, bytes."""
    cpu_s: float


class Tree:
    """A process and its descendants, looked at again and again."""

    def __init__(self, pid: int) -> None:
        """Nothing was seen yet."""
        self._pid = pid
        self._samples = [Memory(0, None)]
        self._largest_rss = 0
        self._cpu_s: dict[int, float] = {}

    def look(self) -> None:
        """Take a sample."""
        found = list(self._memories())
        self._largest_rss = max([self._largest_rss, *(memory.rss for memory in found)])
        shared = [memory.pss for memory in found if memory.pss is not None]
        self._samples.append(Memory(sum(memory.rss for memory in found), sum(shared) if shared else None))

    def footprint(self) -> Footprint:
        """Sum up; the processor time is that of each process when it was last seen."""
        shared = [sample.pss for sample in self._samples if sample.pss is not None]
        peak = Memory(max(sample.rss for sample in self._samples), max(shared, default=None))
        return Footprint(peak, self._largest_rss, sum(self._cpu_s.values()))

    def _memories(self) -> Iterator[Memory]:
        try:
            root = psutil.Process(self._pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in tree:
            try:
                info, times = process.memory_full_info(), process.cpu_times()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            self._cpu_s[process.pid] = times.user + times.system
            yield Memory(info.rss, getattr(info, "pss", None))


class Bench:
    """Runs of one workload."""

    def __init__(self, prepared: Prepared, runs_folder: Path) -> None:
        """Nothing has been run yet."""
        self._prepared = prepared
        self._runs_folder = runs_folder
        self._result: Result | None = None

    @property
    def result(self) -> Result:
        """What all runs agreed on."""
        if self._result is None:
            raise RuntimeError("nothing was run")
        return self._result

    def watch(self, kind: str) -> Footprint:
        """Do a run and watch what it takes, a sample every `SAMPLE_S`."""
        with tempfile.TemporaryFile() as output, self._start(kind, output) as process:
            tree = Tree(process.pid)
            while process.poll() is None:
                tree.look()
                time.sleep(SAMPLE_S)
            self._conclude(process, output)
        return tree.footprint()

    def time(self, kind: str) -> float:
        """Do a run and give its wall time, s."""
        with tempfile.TemporaryFile() as output:
            began = time.perf_counter()
            with self._start(kind, output) as process:
                process.wait()
            elapsed_s = time.perf_counter() - began
            self._conclude(process, output)
        return elapsed_s

    def _start(self, kind: str, output: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401  (any file)
        places = (LAUNCH, self._prepared.config, "--runs", self._runs_folder)
        command = (sys.executable, *map(str, places), "--json", *KINDS[kind])
        return subprocess.Popen(command, stdout=output)

    def _conclude(self, process: subprocess.Popen[bytes], output: Any) -> None:  # noqa: ANN401  likewise
        """Check what a run came to, and remove its folder."""
        if process.returncode:
            raise click.ClickException(f"a run ended with exit code {process.returncode}: see above")
        output.seek(0)
        result = _result(json.load(output))
        if result.delivered != self._prepared.bars:
            raise click.ClickException(f"{result.delivered} of {self._prepared.bars} bars were delivered")
        if self._result not in (None, result):
            raise click.ClickException(f"two runs differ: {self._result} and {result}")
        self._result = result
        shutil.rmtree(self._runs_folder)


def _result(summary: dict[str, Any]) -> Result:
    delivered = sum(counts["delivered"] for counts in summary["bars"].values())
    digest = summary["digest"]
    return Result(delivered, summary["signals"]["emitted"], digest["stream"], digest["signals"])


def pairs(bench: Bench, runs: int) -> Iterator[dict[str, float]]:
    """Time runs of both kinds in turns; yield a wall time per kind."""
    for number in range(runs):
        order = tuple(KINDS) if number % 2 == 0 else tuple(reversed(KINDS))
        yield {kind: bench.time(kind) for kind in order}


def print_table(
    workload: Workload, bench: Bench, timed: Sequence[dict[str, float]], taken: dict[str, Footprint]
) -> None:
    """Print what was measured."""
    result = bench.result
    print(
        f"{workload}: {result.delivered:,} bars, {result.signals:,} crossings; "
        f"{len(timed)} timed runs of each kind"
    )
    print(_line("whole process, s", "min", "median", "max", "bars/s", "CPU s", "RSS MB", "PSS MB"))
    for kind in KINDS:
        walls = [pair[kind] for pair in timed]
        rate = f"{result.delivered / statistics.median(walls):,.0f}"
        print(_line(kind, *_spread(walls), rate, *_taken(taken[kind])))
    first, second = KINDS
    ratios = [pair[first] / pair[second] for pair in timed]
    print(_line(f"{first} ÷ {second}", *_spread(ratios)))
    print(
        "bars/s is of the median. CPU, RSS and PSS are sums over all processes of one untimed run, peak sums"
    )
    print(f"for memory, by a look every {SAMPLE_S * 1000:.0f} ms.")


def _line(name: str, *cells: str) -> str:
    widths = (8, 8, 8, 12, 8, 8, 8)
    return f"{name:24}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False))


def _taken(footprint: Footprint) -> tuple[str, str, str]:
    rss, pss = footprint.peak
    return f"{footprint.cpu_s:.2f}", f"{rss / MB:.0f}", "?" if pss is None else f"{pss / MB:.0f}"


def _spread(values: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{value:.2f}" for value in (min(values), statistics.median(values), max(values)))


def machine() -> str:
    """Say what the runs ran on."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


@click.command()
@click.option(
    "--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Timed runs of each kind."
)
@click.option("--symbols", type=click.IntRange(1, 5000), default=2, show_default=True)
@click.option(
    "--days", type=click.IntRange(min=1), default=1, show_default=True, help="Sessions, from 2021-01-04 on."
)
def main(runs: int, symbols: int, days: int) -> None:
    """Time whole runs of W(symbols, days), by processes and inline."""
    workload = Workload(symbols, days)
    with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as name:
        folder = Path(name)
        try:
            prepared = prepare(folder / "catalog", workload)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--days") from error
        load_before = _load()
        bench = Bench(prepared, folder / "runs")
        taken = {kind: bench.watch(kind) for kind in KINDS}
        timed = list(pairs(bench, runs))
    print_table(workload, bench, timed, taken)
    print(f"{machine()}; load {load_before} before, {_load()} after.")


if __name__ == "__main__":
    main()
