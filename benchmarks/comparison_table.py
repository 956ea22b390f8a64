"""Print a comparison as one table of plain text."""

from collections.abc import Iterator, Sequence
from typing import Final

from measurements import Line, Measured, Size, line_through
from small_run import MB

NAME_WIDTH: Final = 46
WIDTHS: Final = (9, 9, 11, 9, 11, 9, 8, 8)
HEAD: Final = ("median s", "min", "max", "ratio", "bars/s", "signals", "PSS MB", "RSS MB")
DIFFERS: Final = "≠"


def table(sizes: Sequence[Size], reference: str) -> Iterator[str]:
    """Give the lines: a part for every size, then start-up and slope."""
    for size in sizes:
        yield _row(f"{size.workload}, {size.bars:,} bars", *HEAD)
        for name, measured in size.engines.items():
            yield _row(name, *_cells(size, measured, size.engines[reference]))
    if len(sizes) > 1:
        yield _row("start-up, and what a bar costs", "a, s", "µs/bar", "bars/s")
        for name in sizes[0].engines:
            yield _row(name, *_line_cells(line_through(sizes, name)))


def differences(sizes: Sequence[Size], reference: str) -> Iterator[str]:
    """Name who counted otherwise than the reference."""
    for size in sizes:
        expected = size.engines[reference].counted
        for name, measured in size.engines.items():
            if measured.counted is not None and measured.counted != expected:
                yield f"{DIFFERS} {size.workload}: {name} has {measured.counted}, {reference} has {expected}"


def _row(name: str, *cells: str) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=False))
    return f"{name:{NAME_WIDTH}}{''.join(padded)}".rstrip()


def _cells(size: Size, measured: Measured, reference: Measured) -> Iterator[str]:
    if not measured.is_timed:
        yield f"  {measured.reason or 'not timed'}"
        return
    yield f"{measured.median_s:.2f}"
    yield f"{min(measured.walls_s):.2f}"
    yield f"{max(measured.walls_s):.2f}"
    ratio = measured.ratio(reference)
    yield "?" if ratio is None else f"{ratio:.2f}"
    yield f"{size.bars / measured.median_s:,.0f}"
    mark = "" if measured.counted == reference.counted else DIFFERS
    yield "?" if measured.counted is None else f"{mark}{measured.counted.signals:,}"
    yield from _memory_cells(measured)


def _memory_cells(measured: Measured) -> Iterator[str]:
    for held in (measured.peak.pss, measured.peak.rss) if measured.peak else (None, None):
        yield "?" if held is None else f"{held / MB:.0f}"


def _line_cells(line: Line | None) -> Iterator[str]:
    if line is None:
        yield "  timed on fewer than two sizes"
        return
    yield f"{line.start_s:.2f}"
    yield f"{line.us_per_bar:.2f}"
    yield f"{1e6 / line.us_per_bar:,.0f}" if line.us_per_bar > 0 else "?"
