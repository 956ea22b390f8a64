"""What a catalog holds, stream by stream, from the footers of its files alone."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from actors.domain.errors import DataError
from actors.runtime.store import layout
from actors.runtime.store.bar_file import BarFile
from actors.runtime.store.catalog import Catalog


class StreamHolding(NamedTuple):
    """What the files of one (symbol, interval) say of themselves."""

    symbol: str
    interval: str
    rows: int
    files: int
    size_bytes: int
    first_ns: int | None
    """The lowest open stamp; None where a file does not say, or there is no row."""
    last_ns: int | None
    """The highest open stamp."""
    notes: dict[str, tuple[str, ...]]
    """What is written beside the rows, each value once, in the order of the files."""
    damage: tuple[str, ...]
    """A line for every file that cannot be read; what it holds is not counted."""

    def note(self, name: str) -> str | None:
        """Give what all files say under one name; None where they say nothing or not the same."""
        found = self.notes.get(name, ())
        return found[0] if len(found) == 1 else None


def stored_holdings(catalog: Path) -> Iterator[StreamHolding]:
    """Look at every stream that has a file, by symbol, then shortest interval first.

    Raises DataError where there is no catalog, or no file in it.
    """
    Catalog(catalog).symbols()
    found = False
    for symbol, interval in layout.stored_streams(catalog):
        files = layout.year_files(layout.stream_folder(catalog, symbol, interval))
        if files:
            found = True
            yield _holding(symbol, interval, (file.path for file in files), catalog)
    if not found:
        raise DataError(
            f"{catalog}: holds no bars; import some, name another folder with --catalog, "
            f"or make the sample there with `sessionflow data sample --output {catalog}`"
        )


def _holding(symbol: str, interval: str, paths: Iterable[Path], catalog: Path) -> StreamHolding:
    opened, damage = _opened(paths, catalog)
    filled = [file for file in opened if file.rows]
    spans = [file.span_ns for file in filled]
    known = [span for span in spans if span is not None]
    whole = bool(known) and len(known) == len(spans)
    return StreamHolding(
        symbol=symbol,
        interval=interval,
        rows=sum(file.rows for file in opened),
        files=len(opened) + len(damage),
        size_bytes=sum(file.size_bytes for file in opened),
        first_ns=min(first for first, _ in known) if whole else None,
        last_ns=max(last for _, last in known) if whole else None,
        notes=_notes(opened),
        damage=damage,
    )


def _opened(paths: Iterable[Path], catalog: Path) -> tuple[list[BarFile], tuple[str, ...]]:
    opened: list[BarFile] = []
    damage: list[str] = []
    for path in paths:
        try:
            opened.append(BarFile(path, path.relative_to(catalog).as_posix()))
        except DataError as error:
            damage.append(str(error))
    return opened, tuple(damage)


def _notes(opened: Iterable[BarFile]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for file in opened:
        for name, value in file.notes.items():
            found.setdefault(name, {})[value] = None
    return {name: tuple(values) for name, values in found.items()}
