"""Run seeds: `python -m tests.simulator SEED` shows one in full, `--seeds N` or no end at all looks for one.

`--mutants` puts every deliberate fault in and says after how many seeds it was found.
"""

import argparse
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import Final

from tests.simulator.checks import Violation
from tests.simulator.mutants import MUTANTS, hunt
from tests.simulator.world import simulate

TOLD_EVERY: Final = 500
MUTANT_SEEDS: Final = 6000


def main() -> int:
    """Do what the command line says; 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, help="show this run in full")
    parser.add_argument("--seeds", type=int, help="how many to try; without it, until interrupted")
    parser.add_argument("--first", type=int, default=0, help="the first to try")
    parser.add_argument("--mutants", action="store_true", help="see whether deliberate faults are found")
    chosen = parser.parse_args()
    if chosen.mutants:
        return hunt_all()
    if chosen.seed is not None:
        return show(chosen.seed)
    return soak(chosen.first, chosen.seeds)


def show(seed: int) -> int:
    """Write down all that happens in the run of a seed."""
    trace: list[str] = []
    try:
        report = simulate(seed, trace)
    except Violation as found:
        sys.stdout.write("\n".join([*trace, f"seed {seed}: {found}", ""]))
        return 1
    sys.stdout.write("\n".join([*trace, f"seed {seed}: all holds; {dict(report.happened)}", ""]))
    return 0


def soak(first: int, seeds: int | None) -> int:
    """Try seed after seed."""
    for seed in count(first) if seeds is None else range(first, first + seeds):
        try:
            simulate(seed)
        except Violation as found:
            sys.stdout.write(f"seed {seed}: {found}\n")
            sys.stdout.write(f"see it again with: python -m tests.simulator {seed}\n")
            return 1
        except KeyboardInterrupt:
            sys.stdout.write(f"stopped before seed {seed}; all before it hold\n")
            return 0
        if (seed + 1) % TOLD_EVERY == 0:
            sys.stdout.write(f"all holds up to seed {seed}\n")
            sys.stdout.flush()
    return 0


def hunt_all() -> int:
    """Put every fault in, one at a time, and print a table."""
    missed = 0
    for mutant in MUTANTS:
        with tempfile.TemporaryDirectory() as folder:
            caught = hunt(mutant, Path(folder), MUTANT_SEEDS)
        missed += not caught.by
        after = f"{caught.seeds} seeds" if caught.by else "NOT FOUND"
        sys.stdout.write(f"{mutant.name:70} {after:>12}  {caught.by[:90]}\n")
        sys.stdout.flush()
    return min(1, missed)


if __name__ == "__main__":
    sys.exit(main())
