"""What an account was worth over a run, step by step, and the levels that figures are taken from."""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]


class EquityCurve(NamedTuple):
    """One row per step, ascending; all columns have the shape (n,)."""

    session: Integers
    """The number of the step's session; rows of a session stand together."""
    event_ts: Integers
    """ns UTC."""
    equity: Floats
    """Cash and the worth of all positions after the step, in money."""
    exposure: Floats
    """The worth of all positions after the step, short ones counted as if they were long, in money."""


class Levels(NamedTuple):
    """Equity at some instants, the start before them; all columns have the shape (levels,)."""

    equity: Floats
    ordinal: Integers
    """The place of the level's session among the run's, from 0."""
    event_ts: Integers
    """ns UTC; the start has none of its own and bears the first step's."""


def session_ends(curve: EquityCurve) -> Integers:
    """Give the row of each session's last step."""
    changes = np.flatnonzero(np.diff(curve.session))
    last = [len(curve.session) - 1] if len(curve.session) else []
    return np.append(changes, last).astype(np.int64)


def step_levels(curve: EquityCurve, start: float) -> Levels:
    """Take the equity of every step. The start counts as part of the first session."""
    ordinal = np.cumsum(np.diff(curve.session, prepend=curve.session[:1]) != 0)
    return Levels(
        np.concatenate(([start], curve.equity)),
        np.concatenate((ordinal[:1], ordinal)),
        np.concatenate((curve.event_ts[:1], curve.event_ts)),
    )


def daily_levels(curve: EquityCurve, start: float) -> Levels:
    """Take the equity of each session's last step. The start counts as the end of a session before."""
    ends = session_ends(curve)
    return Levels(
        np.concatenate(([start], curve.equity[ends])),
        np.arange(-1, len(ends), dtype=np.int64),
        np.concatenate((curve.event_ts[:1], curve.event_ts[ends])),
    )
