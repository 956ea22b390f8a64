"""The runs of missing bars of a run, as the page names and marks them."""

from typing import Any, Final, NamedTuple

from actors.results import Run
from actors.results.columns import columns_of
from actors.supervisor.report.local_axis import LocalAxis, local_text

Json = dict[str, Any]
GAPS_LISTED: Final = 100
GAPS_MARKED: Final = 2000


class Gap(NamedTuple):
    """One run of missing bars."""

    symbol: str
    interval: str
    begin_s: int
    """On the page's time axis."""
    end_s: int
    bars: int
    """How many are missing."""
    text: str
    """`2025-07-02 10:41`, exchange-local."""


def find_gaps(run: Run, axis: LocalAxis) -> list[Gap]:
    """Read the gaps of all stored streams; none where the run did not write them."""
    if "gaps" not in run.tables:
        return []
    found = columns_of(run.table("gaps"))
    begins, ends = (axis.seconds(found["session"], found[name]) for name in ("from_ts", "to_ts"))
    columns = (found["symbol"], found["interval"], begins, ends, found["count"])
    texts = [local_text(instant, axis.zone) for instant in found["from_ts"].tolist()]
    return [Gap(*row) for row in zip(*(column.tolist() for column in columns), texts, strict=True)]
