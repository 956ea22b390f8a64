"""Bring bars that others stored into a catalog. A format's module is imported when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the command line asks for the names alone, and without numpy
    from actors.runtime.importing.source import SourceFormat

FORMATS: Final = {
    "csv": "actors.runtime.importing.csv_bars:GenericCsv",
    "alpaca": "actors.runtime.importing.alpaca:Alpaca",
    "polygon": "actors.runtime.importing.polygon:Polygon",
    "databento": "actors.runtime.importing.databento:Databento",
    "lean": "actors.runtime.importing.lean:Lean",
    "nautilus": "actors.runtime.importing.nautilus:Nautilus",
    "freqtrade": "actors.runtime.importing.freqtrade:Freqtrade",
}
"""`module:class` by name; the class is made without arguments."""


def source_format(name: str) -> "SourceFormat":
    """Give a format by its name."""
    module, _, kind = FORMATS[name].partition(":")
    made: SourceFormat = getattr(import_module(module), kind)()
    return made
