"""Measure what the journal costs a run, and what it takes to read it again.

    python benchmarks/journal_cost.py [--sizes "2x1 10x20"] [--rounds N]

1. A run by processes is made of each size. Its journal's bytes are divided by its base bars.
2. The very frames of that run are appended to a new journal, as the coordinator appends them (checksums, a
   write per frame, finished segments brought to the disk), which is timed; the median of the rounds is also
   given as a share of the run's wall time.
3. A coordinator then takes the run over from its journal as it would after a crash, and is timed too: that is
   what a restart reads before it goes on, and about what a restarted processor or quality manager reads.
"""

import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from engines import SessionFlow, configure
from small_run import MB, machine
from whole_run import run
from workload import Workload, prepare

from actors.assembly.places import RunPlaces, read_plan
from actors.coordinator import Coordinator
from actors.domain.session_plan import SessionPlan
from actors.runtime.journal_files import JournalReader, JournalWriter

DEADLINE_S: Final = 1800.0


class Cost(NamedTuple):
    """What one run's journal costs."""

    journal_bytes: int
    bars: int
    wall_s: float
    append_s: float
    recall_s: float


def measure(folder: Path, rounds: int) -> Cost:
    """Do a run, then write and read its journal again."""
    document = run(SessionFlow("bar").command(folder), folder, DEADLINE_S)
    runs = folder / "runs" / "latest"
    reader = JournalReader(runs / "journal")
    segments = [list(reader.frames(index)) for index in reader.segments()]
    bars = sum(counts["delivered"] for counts in document.document["bars"].values())
    return Cost(
        journal_bytes=sum(path.stat().st_size for path in (runs / "journal").iterdir()),
        bars=bars,
        wall_s=document.wall_s,
        append_s=_median(rounds, lambda: _append(folder, segments)),
        recall_s=_median(rounds, lambda: _recall(plan_of(runs), reader)),
    )


def plan_of(folder: Path) -> SessionPlan:
    """Read the plan that a run folder keeps."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        places = RunPlaces(folder, Path(name), Path(name), run=0)
        places.plan.write_text(json.dumps({**plan, "catalog": name}), encoding="utf-8")
        return read_plan(places)


def _append(folder: Path, segments: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as name, JournalWriter(Path(name), run=1) as journal:
        for index, frames in enumerate(segments):
            journal.start_segment(index)
            for frame in frames:
                journal.append(frame)


def _recall(plan: SessionPlan, reader: JournalReader) -> None:
    Coordinator("coordinator", plan).recall(envelope.message for envelope in reader.all_envelopes())


def _median(rounds: int, work: Callable[[], None]) -> float:
    return statistics.median(_timed(rounds, work))


def _timed(rounds: int, work: Callable[[], None]) -> Iterator[float]:
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        yield time.perf_counter() - began


def _sizes(_context: Any, _option: Any, text: str) -> tuple[Workload, ...]:  # noqa: ANN401  click's own
    matches = [re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)", word) for word in text.split()]
    if not all(matches) or not matches:
        raise click.BadParameter(f"{text!r}: write symbols x sessions, such as '2x1 10x20'")
    return tuple(Workload(int(match[1]), int(match[2])) for match in matches if match)


@click.command()
@click.option("--sizes", default="2x1 10x20", show_default=True, callback=_sizes, metavar="LIST")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def main(sizes: tuple[Workload, ...], rounds: int) -> None:
    """Measure what the journal costs."""
    print(f"{'':14}{'journal MB':>12}{'bytes/bar':>12}{'append s':>12}{'of the run':>12}{'recall s':>12}")
    for workload in sizes:
        with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as name:
            folder = Path(name)
            prepare(folder, workload)
            configure(folder, workload)
            cost = measure(folder, rounds)
        cells = (
            f"{cost.journal_bytes / MB:.1f}",
            f"{cost.journal_bytes / cost.bars:.0f}",
            f"{cost.append_s:.3f}",
            f"{100 * cost.append_s / cost.wall_s:.1f} %",
            f"{cost.recall_s:.3f}",
        )
        print(f"{workload!s:14}" + "".join(f"{cell:>12}" for cell in cells))
    print(f"{machine()}.")


if __name__ == "__main__":
    main()
