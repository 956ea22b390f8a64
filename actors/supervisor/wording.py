"""How messages write what may be long."""

from collections.abc import Iterable


def counted(number: int, units: str) -> str:
    """Write 1 bar, 2 bars."""
    return f"{number:,} {units.removesuffix('s') if number == 1 else units}"


def listed(words: Iterable[str], most: int = 10) -> str:
    """Write words with commas, and of many the first ones and how many more there are."""
    known = tuple(words)
    rest = len(known) - most
    return ", ".join(known[:most]) + (f" and {rest} more" if rest > 0 else "")


def resume_command(run: str) -> str:
    """Say how to go on with a run that has ended before its end."""
    return f"sessionflow resume {run}"
