"""HTML out of elements. Every text is escaped; only what `element` made is taken as it is."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from actors.supervisor.console.text import DASH, clean

_VOID: Final = frozenset({"br", "wbr"})
_MINUS: Final = re.compile(r"^-(?=[\d.])")
NUMBER: Final = ">"
"""Begins the header of a column of numbers, which stand to the right."""


class Markup(str):
    """HTML that is safe as it is."""

    __slots__ = ()


Content = str | Markup


def element(name: str, *content: Content, **attributes: str | None) -> Markup:
    """Make an element; `class_` is written `class`, `data_x` `data-x`, and what is None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(clean(value, 4000))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>" + ("" if name in _VOID else f"{joined(content)}</{name}>"))


def joined(parts: Iterable[Content]) -> Markup:
    """Put parts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def words(value: object, limit: int = 400) -> Markup:
    """Make harmless words of anything."""
    return Markup(escape(clean(value, limit)))


def section(anchor: str, title: str, *content: Content, note: str = "") -> Markup:
    """Make a part of the page with a title."""
    remark = (element("p", note, class_="note"),) if note else ()
    return element("section", element("h2", title), *remark, *content, id=anchor)


def table(
    headers: Sequence[str], rows: Iterable[Sequence[Content]], *, sorted_by_click: bool = False
) -> Markup:
    """Make a table; columns whose header begins with `>` are numbers."""
    kinds = [None if header.startswith(NUMBER) else "l" for header in headers]
    titles = [header.removeprefix(NUMBER) for header in headers]
    head = [element("th", title, class_=kind, scope="col") for title, kind in zip(titles, kinds, strict=True)]
    body = [
        element(
            "tr", *(element("td", *_cell(cell), class_=kind) for cell, kind in zip(row, kinds, strict=True))
        )
        for row in rows
    ]
    made = element(
        "table",
        element("thead", element("tr", *head)) if any(titles) else "",
        element("tbody", *body),
        class_="sortable" if sorted_by_click else None,
    )
    return element("div", made, class_="scroll")


def _cell(content: Content) -> Sequence[Content]:
    if isinstance(content, Markup):
        return (content,)
    return (words(_MINUS.sub("\u2212", content), 200),)


def money(value: float | None) -> str:
    """Write 1,234.50."""
    return DASH if value is None else f"{value:,.2f}"


def signed_money(value: float | None) -> str:
    """Write +1,234.50."""
    return DASH if value is None else f"{value:+,.2f}"


def part(value: float | None) -> str:
    """Write a share, 0.05, as 5.00%; small ones with three digits."""
    return DASH if value is None else f"{value:.{_digits(value)}%}"


def signed_part(value: float | None) -> str:
    """Write a share, 0.05, as +5.00%."""
    return DASH if value is None else f"{value:+.{_digits(value)}%}"


def ratio(value: float | None) -> str:
    """Write 1.25."""
    return DASH if value is None else f"{value:,.2f}"


def price(value: float | None) -> str:
    """Write a price with the digits it has, four after the point at most."""
    if value is None:
        return DASH
    text = f"{value:,.4f}".rstrip("0")
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits:0<2}"


def amount(value: float) -> str:
    """Write a quantity, without digits where it is whole."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def span(value_ns: float | None) -> str:
    """Write 3 d 4 h, 5 h 12 min or 7 min."""
    if value_ns is None:
        return DASH
    minutes = round(value_ns / 60e9)
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _digits(value: float) -> int:
    """Keep two digits after the point, or four where that shows more than noughts."""
    return 4 if 0.0000005 <= abs(value) < 0.00005 else 2  # noqa: PLR2004  (0.00005% and 0.005%)
