"""The scripts of benchmarks/, which is no package."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

BENCHMARKS: Final = Path(__file__).resolve().parents[1] / "benchmarks"


def imported(name: str) -> ModuleType:
    """Import a script."""
    spec = spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
