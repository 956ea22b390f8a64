"""Time whole runs of W(symbols, days), by processes and inline, and print what was measured.

    python benchmarks/small_run.py [--runs N] [--symbols S] [--days D]

1. A run is `scripts/launch.py` as a user starts it, from before the interpreter starts to after it has ended.
2. The catalog is warm: one run of each kind goes first and is not timed. It is also the one whose memory is
   watched, because looking costs time.
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
    """The most that all processes of a run held at once, bytes; `pss` counts shared pages once."""

    rss: int
    pss: int | None


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

    def watch(self, kind: str) -> Memory:
        """Do a run and watch its memory."""
        with tempfile.TemporaryFile() as output, self._start(kind, output) as process:
            memory = peak_memory(process)
            self._conclude(process, output)
        return memory

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


def peak_memory(process: subprocess.Popen[bytes]) -> Memory:
    """Wait for a process and give the highest sums over it and its descendants, a sample every `SAMPLE_S`."""
    samples = [Memory(0, None)]
    while process.poll() is None:
        samples.append(_memory_now(process.pid))
        time.sleep(SAMPLE_S)
    shared = [sample.pss for sample in samples if sample.pss is not None]
    return Memory(max(sample.rss for sample in samples), max(shared, default=None))


def _memory_now(pid: int) -> Memory:
    found = list(_memory_of_tree(pid))
    pss = [sample.pss for sample in found if sample.pss is not None]
    return Memory(sum(sample.rss for sample in found), sum(pss) if pss else None)


def _memory_of_tree(pid: int) -> Iterator[Memory]:
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            info = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        yield Memory(info.rss, getattr(info, "pss", None))


def pairs(bench: Bench, runs: int) -> Iterator[dict[str, float]]:
    """Time runs of both kinds in turns; yield a wall time per kind."""
    for number in range(runs):
        order = tuple(KINDS) if number % 2 == 0 else tuple(reversed(KINDS))
        yield {kind: bench.time(kind) for kind in order}


def print_table(
    workload: Workload, bench: Bench, timed: Sequence[dict[str, float]], memory: dict[str, Memory]
) -> None:
    """Print what was measured."""
    result = bench.result
    print(
        f"{workload}: {result.delivered:,} bars, {result.signals:,} crossings; "
        f"{len(timed)} timed runs of each kind"
    )
    print(f"{'whole process, s':24}{'min':>8}{'median':>8}{'max':>8}{'bars/s':>12}{'RSS MB':>8}{'PSS MB':>8}")
    for kind in KINDS:
        walls = [pair[kind] for pair in timed]
        rate = result.delivered / statistics.median(walls)
        pss = memory[kind].pss
        held = f"{memory[kind].rss / MB:8.0f}{'?' if pss is None else f'{pss / MB:.0f}':>8}"
        print(f"{kind:24}{_spread(walls)}{rate:12,.0f}{held}")
    first, second = KINDS
    print(f"{first + ' ÷ ' + second:24}{_spread([pair[first] / pair[second] for pair in timed])}")
    print("bars/s is of the median; RSS and PSS are peak sums over all processes of one untimed run.")


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):8.2f}{statistics.median(values):8.2f}{max(values):8.2f}"


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
        memory = {kind: bench.watch(kind) for kind in KINDS}
        timed = list(pairs(bench, runs))
    print_table(workload, bench, timed, memory)
    print(f"{machine()}; load {load_before} before, {_load()} after.")


if __name__ == "__main__":
    main()
