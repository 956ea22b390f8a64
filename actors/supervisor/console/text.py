"""Words and figures as the screen writes them. What is unknown is a dash, never a nought."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

DASH: Final = "\u2013"
"""An en dash: for what is unknown, and between the ends of a span."""
WHOLE: Final = 100
MINUTE_S: Final = 60
GIGABYTE: Final = 1e9
MILLION: Final = 1_000_000
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b.?"
)
_BLANKS: Final = re.compile(r"[^\S ]+")


def clean(value: object, limit: int = 400) -> str:
    """Make one harmless line of anything: no terminal escapes, control characters, direction marks."""
    line = _BLANKS.sub(" ", _ESCAPES.sub("", str(value)))
    line = "".join(char for char in line if char.isprintable()).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def count(value: float | None) -> str:
    """Write 1,980."""
    return DASH if value is None else f"{value:,.0f}"


def compact(value: int, exact_below: int = MILLION) -> str:
    """Write 1,980 in full, and from a bound on 485.1k or 47.48M."""
    if value < exact_below:
        return count(value)
    return f"{value / 1000:,.1f}k" if value < MILLION else f"{value / MILLION:,.2f}M"


def short(value: float | None) -> str:
    """Write 870, 4.1k, 12k or 1.2M."""
    if value is None:
        return DASH
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.{0 if value >= 10 * size else 1}f}{unit}"
    return f"{value:.0f}"


def memory(size_bytes: float | None) -> str:
    """Write 45 MB."""
    if size_bytes is None:
        return DASH
    return f"{size_bytes / GIGABYTE:.1f} GB" if size_bytes >= GIGABYTE else f"{size_bytes / 1e6:.0f} MB"


def percent(value: float | None) -> str:
    """Write 99.23%; only what is whole is 100.00%."""
    if value is None:
        return DASH
    return f"{min(value, 99.99) if value < WHOLE else value:.2f}%"


def share(part: float, whole: float) -> str:
    """Write part of whole in per cent; a dash where nothing was expected."""
    return percent(WHOLE * part / whole if whole else None)


def seconds(value: float | None) -> str:
    """Write 0.21 s, or 1:02:03 from a minute on."""
    if value is None:
        return DASH
    return f"{value:.2f} s" if value < MINUTE_S else clock(value)


def micros(value: float) -> str:
    """Write 12 µs, 1.2 ms or 3.4 s; a dash for nothing measured."""
    if value <= 0:
        return DASH
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if value >= size:
            return f"{value / size:.{0 if value >= 10 * size else 1}f} {unit}"
    return f"{value:.0f} µs"


def clock(value_s: float) -> str:
    """Write 0:12, 12:05 or 1:02:03."""
    minutes, rest = divmod(round(value_s), MINUTE_S)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def simulated_time(stamp: str | None) -> str:
    """Write `2025-07-02T10:31:00-04:00` as 2025-07-02 10:31, with seconds where there are any."""
    if stamp is None:
        return ""
    rest = stamp[16:19]
    return clean(f"{stamp[:10]} {stamp[11:16]}{'' if rest == ':00' else rest}")


def weekday(iso_date: str) -> str:
    """Write the day of the week of `2025-07-02`; nothing for what is no date."""
    try:
        return WEEKDAYS[date.fromisoformat(iso_date).weekday()]
    except ValueError:
        return ""


def plural(number: int, noun: str) -> str:
    """Write 1 session, 2 sessions."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listing(words: Sequence[str], most: int = 8) -> str:
    """Write a, b, c; of many the first ones, the last and how many there are."""
    cleaned = [clean(word, 32) for word in words]
    if len(cleaned) <= most:
        return ", ".join(cleaned)
    return f"{', '.join(cleaned[: most // 2])} … {cleaned[-1]} ({len(cleaned):,} in all)"
