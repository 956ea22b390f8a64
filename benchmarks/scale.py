"""Measure how the cost of a run grows along one axis at a time, and draw it.

    python benchmarks/scale.py [--axes "symbols sessions …"] [--quick] [--runs N] [--json FILE] [--plots DIR]

1. Axes: symbols, sessions, analysis engines, steps in a window, credit. Along each the others stay as `AXES`
   says.
2. A run is a command from before its interpreter starts to after it has ended, by processes, with the handler
   per bar. The points of an axis take turns; the median of their wall times counts.
3. The cost of a bar is the wall time divided by the base bars, so that short runs show the start-up.
4. Plots need matplotlib: `pip install -e '.[bench]'`.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from engines import SessionFlow
from scale_plots import draw
from small_run import machine
from whole_run import run
from workload import Workload, configuration, prepare, sessions

DEADLINE_S: Final = 1800.0
PER_BAR: Final = SessionFlow("bar")


class Setting(NamedTuple):
    """One run."""

    symbols: int
    sessions: int
    engines: int = 1
    window: int | None = None
    """Steps; None lets the coordinator choose."""
    credit: int = 8


class Axis(NamedTuple):
    """What is varied, and what stays."""

    stays: Setting
    values: tuple[int, ...]
    quick: tuple[int, ...]


class Point(NamedTuple):
    """What was measured at one place of an axis."""

    value: int
    bars: int
    wall_s: float
    us_per_bar: float


AXES: Final = {
    "symbols": Axis(Setting(1, 1), (1, 10, 50, 200, 500, 1000, 2000), (1, 10)),
    "sessions": Axis(Setting(2, 1), (1, 10, 50, 200, 500, 1000), (1, 5)),
    "engines": Axis(Setting(10, 20), (1, 2, 4, 6, 8), (1, 2)),
    "window": Axis(Setting(10, 20), (1, 3, 15, 65, 195, 390), (15, 390)),
    "credit": Axis(Setting(10, 20, window=15), (1, 2, 4, 8, 16, 32), (1, 8)),
}


class Bench:
    """Prepared workloads, and runs of them."""

    def __init__(self, folder: Path) -> None:
        """Nothing is prepared."""
        self._folder = folder
        self._bars: dict[Workload, int] = {}

    def time(self, setting: Setting) -> tuple[int, float]:
        """Do a run; give its bars and its wall time, s."""
        workload = Workload(setting.symbols, setting.sessions)
        folder = self._folder / f"{workload.symbols}x{workload.days}"
        if workload not in self._bars:
            self._bars[workload] = prepare(folder, workload).bars
        (folder / "bar.json").write_text(json.dumps(_document(workload, setting)), encoding="utf-8")
        ran = run(PER_BAR.command(folder), folder, DEADLINE_S)
        bars = PER_BAR.counted(ran.document).bars
        if bars != self._bars[workload]:
            raise click.ClickException(f"{bars} of {self._bars[workload]} bars of {workload} were delivered")
        return bars, ran.wall_s

    def walk(self, name: str, values: tuple[int, ...], runs: int) -> list[Point]:
        """Measure an axis, all of its points in turns, after a run of each that is not timed."""
        places = {value: AXES[name].stays._replace(**{name: value}) for value in values}
        bars = {value: self.time(setting)[0] for value, setting in places.items()}
        rounds = [{value: self.time(setting)[1] for value, setting in places.items()} for _ in range(runs)]
        return [
            _point(value, bars[value], statistics.median(each[value] for each in rounds)) for value in values
        ]


def _document(workload: Workload, setting: Setting) -> dict[str, Any]:
    document = configuration(workload, sessions(workload.days))
    (entry,) = document["session_data_config"]["strategies"]
    entries = [entry | {"name": f"engine_{number}"} for number in range(setting.engines)]
    document["session_data_config"]["strategies"] = entries
    document["pipeline"] = {"window_steps": setting.window, "credit": setting.credit}
    return document


def _point(value: int, bars: int, wall_s: float) -> Point:
    return Point(value, bars, wall_s, wall_s / bars * 1e6)


def print_axis(name: str, points: list[Point]) -> None:
    """Print one axis."""
    print(f"{name:>10}{'bars':>12}{'median s':>10}{'µs/bar':>10}{'bars/s':>12}")
    for value, bars, wall_s, cost in points:
        print(f"{value:>10,}{bars:>12,}{wall_s:>10.2f}{cost:>10.2f}{bars / wall_s:>12,.0f}")


@click.command()
@click.option("--axes", default=" ".join(AXES), show_default=True, metavar="LIST")
@click.option("--quick", is_flag=True, help="Two small points of each axis.")
@click.option(
    "--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Timed runs of a point."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there too."
)
@click.option("--plots", type=click.Path(path_type=Path, file_okay=False), help="Draw PNGs into this folder.")
def main(axes: str, *, quick: bool, runs: int, json_file: Path | None, plots: Path | None) -> None:
    """Measure the cost of a run along one axis at a time."""
    unknown = [name for name in axes.split() if name not in AXES]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(AXES)}", param_hint="--axes")
    found: dict[str, list[Point]] = {}
    with tempfile.TemporaryDirectory(prefix="sessionflow-bench-") as folder:
        bench = Bench(Path(folder))
        for name in axes.split():
            axis = AXES[name]
            found[name] = bench.walk(name, axis.quick if quick else axis.values, runs)
            print_axis(name, found[name])
    print(f"{machine()}.")
    if json_file is not None:
        points = {name: [point._asdict() for point in each] for name, each in found.items()}
        document = {"machine": machine(), "runs": runs, "axes": points}
        json_file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if plots is not None:
        for name, each in found.items():
            draw(plots / f"scale_{name}.png", name, [(p.value, p.wall_s, p.us_per_bar) for p in each])


if __name__ == "__main__":
    main()
