"""The simulator bites: a fault that is put in on purpose is found."""

from pathlib import Path

import pytest

from tests.simulator.mutants import MUTANTS, ROOT, Mutant, hunt

QUICK = ("credit off by one", "the last sealed step is cut again", "signals are doubled after a restart")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_a_mutant_changes_is_there_once(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_is_found_within_a_few_seeds(name: str, tmp_path: Path) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    caught = hunt(mutant, tmp_path / "copy", seeds=40)
    assert caught.by
