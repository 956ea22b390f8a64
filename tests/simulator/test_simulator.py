"""Whatever befalls the processes of a run, it comes to the end of an undisturbed one. `docs/testing.md`."""

import os
from collections import Counter
from typing import Final

import pytest

from tests.simulator.world import Report, simulate

SEEDS: Final = int(os.environ.get("SOAK_SEEDS", "1200"))
CHUNKS: Final = 8
HAPPENS: Final = {
    "killed coordinator",
    "killed loader",
    "killed processor",
    "killed quality",
    "killed recorder",
    "killed analysis",
    "frozen",
    "power lost",
    "torn bytes",
    "interrupted",
    "used up",
    "attached and left",
    "attached and hung",
    "attached and killed",
    "asked to pause",
    "asked to step",
    "asked to until",
    "asked to speed",
    "frames of the dead",
}


def simulated(seed: int) -> Report:
    try:
        return simulate(seed)
    except BaseException as found:
        found.add_note(f"see it again with: python -m tests.simulator {seed}")
        raise


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_seed_ends_as_if_nothing_had_happened(chunk: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(chunk, SEEDS, CHUNKS):
        report = simulated(seed)
        happened += report.happened
        happened["frames of the dead"] += report.stage.rejected
    if SEEDS >= 800:
        assert happened["killed coordinator"] > 10


def test_one_seed() -> None:
    simulated(int(os.environ.get("SIMULATOR_SEED", "0")))


@pytest.mark.parametrize("seed", [7, 26, 53])
def test_the_same_seed_is_the_same_run_to_the_last_frame(seed: int) -> None:
    traces: list[list[str]] = [[], []]
    for trace in traces:
        simulate(seed, trace)
    assert len(traces[0]) > 100
    assert traces[0] == traces[1]


def test_other_seeds_are_other_runs() -> None:
    traces: list[list[str]] = [[], []]
    for seed, trace in enumerate(traces):
        simulate(seed, trace)
    assert traces[0] != traces[1]


def test_all_that_can_befall_a_run_does() -> None:
    happened: Counter[str] = Counter()
    for seed in range(1000, 1250):
        report = simulated(seed)
        happened += report.happened
        happened["frames of the dead"] += report.stage.rejected
        if happened.keys() >= HAPPENS:
            return
    assert not HAPPENS - happened.keys()
