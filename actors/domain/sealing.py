"""Join the parts of a window into what everyone sees, and take them apart again."""

import numpy as np
import numpy.typing as npt

from actors.domain.barrier import Flight
from actors.domain.roles import RoleError
from actors.domain.session_plan import SessionPlan
from actors.domain.session_tape import merge
from protocol.blocks import BarBlock, as_bars, as_times, bar_block
from protocol.messages import RawWindow, SealedWindow

Streams = npt.NDArray[np.uint16]


def seal(flight: Flight) -> SealedWindow:
    """Join base bars, derived bars and quality, all bars by (close_ts, stream).

    Raises RoleError where a part has not come.
    """
    window, derived, quality = flight.window, flight.derived, flight.quality
    if derived is None or quality is None:
        raise RoleError(f"window {window.seq} is not complete")
    return SealedWindow(
        seq=window.seq,
        session=window.session,
        first=window.first,
        last=window.last,
        steps=window.steps,
        block=_joined(window, derived.block),
        quality=quality.quality,
        gaps=quality.gaps,
        defects=window.defects,
        figures=derived.figures,
        suppressed=derived.suppressed,
    )


def unseal(window: SealedWindow, base: Streams) -> RawWindow:
    """Make the raw window again; `base` holds the ids of the base streams."""
    bars = as_bars(window.block)
    kept = np.isin(bars["stream"], base)
    return RawWindow(
        seq=window.seq,
        session=window.session,
        first=window.first,
        last=window.last,
        steps=window.steps,
        block=window.block if kept.all() else bar_block(bars[kept]),
        defects=window.defects,
    )


def base_ids(plan: SessionPlan) -> Streams:
    """Give the ids of the base streams."""
    return np.array([stream.id for stream in plan.base_streams], dtype=np.uint16)


def _joined(window: RawWindow, derived: BarBlock) -> BarBlock:
    if derived.n == 0:
        return window.block
    bars, _ = merge((as_bars(window.block), as_bars(derived)), as_times(window.steps))
    return bar_block(bars)
