"""Measure how long after a step is due a strategy's handler is called, and how many steps go in lock-step.

    python benchmarks/latency.py [--symbols "2 100 1000"] [--days N] [--step-ms MS] [--inline] [--json FILE]

1. Step k of a session is due at `t0 + (event time k - event time 0) / speed`. The coordinator logs t0, on the
   monotonic clock, which all processes of a machine share; so lateness is against its own absolute deadlines.
2. `handler_clock.py` reads the same clock first thing in `on_step`. Windows have one step each, unless a step
   could not be handled before the next was due.
3. All that comes between is in it: wake-up, cutting, the barrier with processor and quality manager, journal.
4. The first steps of a run are left out: they load and warm up what no later step does again.
5. Lock-step is a run of two symbols as fast as can be, but with one window under way and one step in it.
6. A bare ZeroMQ round trip between two processes of the same machine stands below: a step takes one and a
   half of them until its handler is called, and two in lock-step, whatever else is done.
"""

import json
import re
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
import numpy.typing as npt
from bare_round_trip import round_trip_us
from engines import LAUNCH
from numbers_option import numbers
from small_run import machine
from workload import Workload, configuration, prepare, sessions

STRATEGY: Final = Path(__file__).resolve().parent / "handler_clock.py"
ORIGIN: Final = re.compile(r"First step due at (\d+) ns on the monotonic clock")
LEFT_OUT: Final = 20
MINUTE_MS: Final = 60_000
QUANTILES: Final = (50.0, 99.0, 99.9)
NS_PER_MS: Final = 1e6

Ints = npt.NDArray[np.int64]


class Latency(NamedTuple):
    """What was measured with one number of symbols."""

    symbols: int
    steps: int
    quantiles_ms: tuple[float, ...]
    """Of `QUANTILES`."""
    worst_ms: float


def paced(folder: Path, workload: Workload, step_ms: float) -> Path:
    """Write a configuration that replays the workload with a step every so many ms."""
    document = configuration(workload, sessions(workload.days))
    entry = {
        "name": "clock",
        "strategy": f"{STRATEGY}:HandlerClock",
        "params": {"file": str(folder / "calls")},
    }
    document["session_data_config"]["strategies"] = [entry]
    document["backtest_config"]["speed_multiplier"] = MINUTE_MS / step_ms
    path = folder / "paced.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def lateness_ns(calls: Ints, origins: list[int], speed: float) -> Ints:
    """Compare calls, shape (n, 2), with deadlines; a session begins where more than an hour has passed."""
    sessions_of = np.cumsum(np.diff(calls[:, 0], prepend=calls[0, 0]) > 3600 * 10**9)
    firsts = np.searchsorted(sessions_of, np.arange(len(origins)))
    since = calls[:, 0] - calls[firsts, 0][sessions_of]
    due = np.array(origins)[sessions_of] + np.ceil(since / speed).astype(np.int64)
    late: Ints = calls[:, 1] - due
    return late


def replay(config: Path, runs: Path, extra: tuple[str, ...]) -> Any:  # noqa: ANN401  JSON
    """Do a run; give its summary."""
    command = [sys.executable, str(LAUNCH), str(config), "--runs", str(runs), "--json", *extra]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def measure(folder: Path, workload: Workload, step_ms: float, extra: tuple[str, ...]) -> Latency:
    """Do a paced run."""
    prepare(folder, workload)
    config, runs = paced(folder, workload, step_ms), folder / "runs"
    replay(config, runs, extra)
    log = (runs / "latest" / "logs" / "coordinator.log").read_text(encoding="utf-8")
    origins = [int(text) for text in ORIGIN.findall(log)]
    calls = array("q", (folder / "calls").read_bytes())
    pairs = np.frombuffer(calls, dtype=np.int64).reshape(-1, 2)
    late_ms = lateness_ns(pairs, origins, MINUTE_MS / step_ms)[LEFT_OUT:] / NS_PER_MS
    quantiles = tuple(np.percentile(late_ms, QUANTILES).tolist())
    return Latency(workload.symbols, len(late_ms), quantiles, float(late_ms.max()))


def lock_step(folder: Path, days: int, extra: tuple[str, ...]) -> float:
    """Do a run with one step under way at a time; give the steps a second while it streamed."""
    workload = Workload(2, days)
    prepare(folder, workload)
    document = configuration(workload, sessions(days))
    document["pipeline"] = {"window_steps": 1, "credit": 1}
    config = folder / "lock_step.json"
    config.write_text(json.dumps(document), encoding="utf-8")
    summary = replay(config, folder / "runs", extra)
    return float(sum(each["steps"] for each in summary["sessions"]) / summary["wall_s"]["streaming"])


def print_table(found: list[Latency], step_ms: float, steps_per_s: float, bare_us: float) -> None:
    """Print what was measured."""
    names = (f"p{quantile:g} ms" for quantile in QUANTILES)
    print(_line(f"due to handler, a step every {step_ms:g} ms", "steps", *names, "worst ms"))
    for each in found:
        cells = (f"{value:.2f}" for value in (*each.quantiles_ms, each.worst_ms))
        print(_line(f"{each.symbols} symbols", f"{each.steps:,}", *cells))
    print(f"lock-step, 2 symbols: {steps_per_s:,.0f} steps/s")
    print(f"a bare ZeroMQ round trip between two processes: {bare_us:.0f} µs")
    print(f"{machine()}.")


def _line(name: str, *cells: str) -> str:
    return f"{name:40}" + "".join(f"{cell:>10}" for cell in cells)


@click.command()
@click.option("--symbols", default="2 100 1000", show_default=True, callback=numbers, metavar="LIST")
@click.option("--days", type=click.IntRange(min=1), default=3, show_default=True, help="390 steps each.")
@click.option("--step-ms", type=click.FloatRange(min=0.1), default=20.0, show_default=True)
@click.option("--inline", is_flag=True, help="Everything in one process.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there too."
)
def main(
    symbols: tuple[int, ...], days: int, step_ms: float, *, inline: bool, json_file: Path | None
) -> None:
    """Measure the time from due to handler."""
    extra = ("--inline",) if inline else ()
    with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as name:
        found = [measure(Path(name) / str(n), Workload(n, days), step_ms, extra) for n in symbols]
        steps_per_s = lock_step(Path(name) / "lock_step", days, extra)
    bare_us = round_trip_us()
    print_table(found, step_ms, steps_per_s, bare_us)
    if json_file is not None:
        document = {"machine": machine(), "step_ms": step_ms, "quantiles": QUANTILES}
        document["latency"] = [each._asdict() for each in found]
        document |= {"lock_step_per_s": steps_per_s, "bare_round_trip_us": bare_us}
        json_file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
