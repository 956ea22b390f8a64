"""Whether a session opens so far from the close before it that a split is the likely reason.

1. The ratio is that of the first delivered bar's open and the close before. Within 5 % of a common split, one
   of `COMMON_SPLITS` or its reverse, it is suspected to be that split.
2. It is said of a bar that is a jump. Prices move on their own in the night of a split, so a suspected split
   of 2 to 1 or more is a jump too where its ratio falls short of the jump ratio by no more than those 5 %.
"""

import re
from typing import Final

COMMON_SPLITS: Final = (
    (3, 2),
    *((new, 1) for new in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50)),
)
TOLERANCE: Final = 0.05
ADVICE: Final = "catalog.corporate_actions can adjust for it"
_SMALLEST_JUMP: Final = 2 * (1 - TOLERANCE)
_NAMED: Final = re.compile(r"suspected ([0-9]+:[0-9]+) split")


def least_jump(jump_ratio: float) -> float:
    """Give the ratio below which nothing between two sessions is a jump."""
    return min(jump_ratio, max(jump_ratio * (1 - TOLERANCE), _SMALLEST_JUMP))


def suspected_split(before: float, after: float) -> str | None:
    """Name the split that turns the first price into the second, such as 4:1, or 1:10 where it is reverse."""
    low, high = sorted((before, after))
    if low <= 0:
        return None
    for new, old in COMMON_SPLITS:
        if abs(high / low * old / new - 1) <= TOLERANCE:
            return f"{new}:{old}" if after < before else f"{old}:{new}"
    return None


def makes_a_jump(before: float, after: float, jump_ratio: float) -> bool:
    """Whether prices on both sides of a night are a jump as a suspected split, if not by the jump ratio."""
    low, high = sorted((before, after))
    split = suspected_split(before, after)
    return split is not None and high >= least_jump(jump_ratio) * low


def remark(split: str) -> str:
    """Write what a jump's text says of a suspected split."""
    return f"suspected {split} split; {ADVICE}"


def split_named_in(detail: str) -> str | None:
    """Read the split that the text of a jump names."""
    found = _NAMED.search(detail)
    return found.group(1) if found else None
