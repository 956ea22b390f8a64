"""The errors that end a run before it begins. This module is light: the command line imports it at once."""

from pathlib import Path
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing to put right."""

    where: str
    """JSON path, such as `session_data_config.symbols[1]`, or the option; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        """Write it on a line."""
        return f"{self.where}: {self.message}" if self.where else self.message


class ConfigError(Exception):
    """A configuration cannot be used."""

    def __init__(self, path: Path | None, problems: tuple[Problem, ...]) -> None:
        """Keep the file, if there is one, and all that is wrong with it."""
        name = "configuration" if path is None else str(path)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join((f"{name}: {count}", *(f"  {problem}" for problem in problems))))
        self.path = path
        self.problems = problems


class DataError(Exception):
    """Stored data cannot be used; the message names the file and says what to do."""
