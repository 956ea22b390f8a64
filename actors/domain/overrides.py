"""What the command line puts in place of a configuration's settings."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True)
class Overrides:
    """One field per option; None leaves the setting as the file has it."""

    start: str | None = None
    end: str | None = None
    speed: float | None = None
    window_steps: int | None = None
    credit: int | None = None
    catalog: Path | None = None
    """Relative to the working directory."""

    def given(self) -> Iterator[tuple[str, Any]]:
        """List those that are set, by name."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value


NO_OVERRIDES: Final = Overrides()
