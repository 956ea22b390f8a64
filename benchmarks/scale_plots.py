"""Draw one axis of a scale measurement: wall time and cost per bar, as PNG."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import click

LABELS: Final = {
    "symbols": "symbols, one session",
    "sessions": "sessions, two symbols",
    "engines": "analysis engines, 10 symbols, 20 sessions",
    "window": "steps in a window, 10 symbols, 20 sessions",
    "credit": "credit, windows of 15 steps, 10 symbols, 20 sessions",
}
BLUE: Final = "#2563eb"
GREY: Final = "#9ca3af"
STEEP: Final = 10
"""From how many times the least value on an axis is logarithmic."""


def draw(file: Path, axis: str, points: Sequence[tuple[int, float, float]]) -> None:
    """Draw (value, wall time in s, cost of a bar in µs) into a PNG.

    Raises ClickException where matplotlib is not installed.
    """
    try:
        figure_module = import_module("matplotlib.figure")
    except ImportError as error:
        raise click.ClickException("plots need matplotlib: pip install -e '.[bench]'") from error
    values, walls, costs = zip(*points, strict=True)
    figure = figure_module.Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, heights, colour, title in (
        (left, walls, GREY, "wall time, s"),
        (right, costs, BLUE, "µs per base bar"),
    ):
        axes.plot(values, heights, marker="o", color=colour)
        axes.set(xlabel=LABELS[axis], title=title, xscale="log")
        axes.set_xticks(values, map(str, values), rotation=45)
        if max(heights) > STEEP * min(heights):
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1.1 * max(heights))
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
