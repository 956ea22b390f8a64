"""Sealed windows of hand-made bars, for tests of those who are given them."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from actors.domain.session_plan import Session, SessionPlan
from protocol.blocks import NO_QUALITY, Bars, bar_block, time_block
from protocol.messages import SealedWindow
from tests.plans import MINUTE


def make_windows(
    plan: SessionPlan, minutes: int, bars_of: Callable[[Session], Bars], cuts: set[int]
) -> list[SealedWindow]:
    """Cut each session's `minutes` steps after those in `cuts`; `bars_of` gives its bars by time."""
    windows: list[SealedWindow] = []
    for session in (*plan.history, *plan.sessions):
        bars = bars_of(session)
        for start, end in pairwise(sorted({0, minutes, *cuts})):
            steps = session.open_ns + MINUTE * np.arange(start + 1, end + 1)
            inside = bars[(bars["close_ts"] >= steps[0]) & (bars["close_ts"] <= steps[-1])]
            blocks = (time_block(steps), bar_block(inside), NO_QUALITY)
            seq = len(windows)
            windows.append(SealedWindow(seq, session.index, start == 0, end == minutes, *blocks, (), ()))
    return windows
