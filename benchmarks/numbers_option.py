"""An option that takes a list of numbers."""

from typing import Any

import click


def numbers(_context: Any, _option: Any, text: str) -> tuple[int, ...]:  # noqa: ANN401  click's own
    """Read a list such as `1 10 100`.

    Raises click.BadParameter.
    """
    words = text.replace(",", " ").split()
    if not words or not all(word.isdigit() and int(word) > 0 for word in words):
        raise click.BadParameter(f"{text!r}: write numbers from 1 on, such as '1 10 100'")
    return tuple(map(int, words))
