"""The console itself and the two kinds of table the screens are made of.

Text is never parsed for markup: whatever a symbol, a reason or a log line holds is shown as it is.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Cell = str | Text


class _StandardOutput(Console):
    """A console whose reader may leave (`| head`): the run goes on, and nobody is told."""

    def on_broken_pipe(self) -> None:
        """Fall silent, instead of rich's way of ending the process."""
        self.quiet = True
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def open_console() -> Console:
    """Open standard output for the screens.

    Where the terminal's encoding lacks a character it shows a question mark; that is no reason to end a run.
    Colours may be forced on a pipe (`FORCE_COLOR`), drawing in place may not.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    interactive = None if sys.stdout.isatty() else False
    return _StandardOutput(highlight=False, force_interactive=interactive)


def section(title: str, remark: str, *content: RenderableType) -> RenderableType:
    """Put content under a heading, indented; nothing at all where there is nothing to say."""
    if not content and not remark:
        return Group()
    head = Text.assemble((title, "bold"), ("  " + remark if remark else "", "dim"))
    return Group(Text(), head, *(Padding(part, (0, 0, 0, 2), expand=False) for part in content))


def table(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Table:
    """Make a borderless table; a header that begins with `>` stands over figures."""
    titled = any(header.strip(">") for header in headers)
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_header=titled)
    for header in headers:
        figures = header.startswith(">")
        made.add_column(
            Text(header.removeprefix(">")), justify="right" if figures else "left", no_wrap=figures
        )
    for row in rows:
        made.add_row(*(plain(cell) for cell in row))
    return made


def facts(rows: Iterable[tuple[str, Cell]]) -> Table:
    """Make a two-column table of names and what there is to say about them."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, content in rows:
        made.add_row(Text(name), plain(content))
    return made


def plain(cell: Cell) -> Text:
    """Take a string as it is."""
    return Text(cell) if isinstance(cell, str) else cell
