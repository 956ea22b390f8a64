"""What is kept of a check stays small, and is the right part."""

from datetime import date
from typing import Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.calendar_table import CalendarTable
from actors.domain.quality_ledger import StreamQuality
from actors.domain.session_plan import Hours, Session
from actors.supervisor.check_tally import KEPT, CheckTally
from actors.supervisor.data_check import SessionVerdict, StreamCheck
from protocol.messages import Defect, Gap

NONE: Final = np.empty(0, dtype=np.int64)
DAY: Final = date(2025, 7, 2)
TABLE: Final = CalendarTable(
    *("TEST", "UTC", DAY, DAY, "1111100", NONE.astype("datetime64[D]")),
    *(NONE, NONE, NONE, NONE, NONE.astype(np.bool_)),
)
DEFECT: Final = Defect(0, "off_grid", 0, 0, "part-0.parquet", 0, "odd")
STRETCH: Final = Defect(0, "outside_session", 0, 0, "part-0.parquet", 0, "early", 331)


def verdict_of(index: int, missing: int, defects: int) -> SessionVerdict:
    session = Session(index, f"day {index}", "full", 0, 1, (Hours(0, 1),), 0)
    quality = StreamQuality(0, 10, 10 - missing, missing, off_grid=defects)
    gaps = (Gap(0, 0, 1, missing, 1),) if missing else ()
    return SessionVerdict(session, 10 - missing + defects, quality, gaps, (DEFECT,) * defects)


figures = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 3)), max_size=80)


@settings(max_examples=60)
@given(figures)
def test_of_any_sessions_the_worst_are_kept_and_all_are_counted(figures: list[tuple[int, int]]) -> None:
    check, tally = StreamCheck("A", "1m", TABLE, DAY, DAY, 0), CheckTally()
    for index, (missing, defects) in enumerate(figures):
        tally.add(check, verdict_of(index, missing, defects))
    wrong = [
        (-missing, -defects, index) for index, (missing, defects) in enumerate(figures) if missing or defects
    ]
    assert [found.verdict.session.index for found in tally.worst.kept] == [
        at for *_, at in sorted(wrong)[:KEPT]
    ]
    assert tally.worst.count == len(wrong)
    assert (tally.gaps.count, len(tally.gaps.kept)) == (
        (gaps := sum(m > 0 for m, _ in figures)),
        min(gaps, KEPT),
    )
    assert tally.defects.count == sum(defects for _, defects in figures)
    assert len(tally.defects.kept) == min(tally.defects.count, KEPT)


@settings(max_examples=60)
@given(figures.filter(bool))
def test_totals_are_the_sums_of_the_sessions(figures: list[tuple[int, int]]) -> None:
    check, tally = StreamCheck("A", "1m", TABLE, DAY, DAY, 0), CheckTally()
    for index, (missing, defects) in enumerate(figures):
        tally.add(check, verdict_of(index, missing, defects))
    (totals,) = tally.streams
    missing = sum(missing for missing, _ in figures)
    assert (totals.sessions, totals.expected, totals.counted["missing"]) == (
        len(figures),
        10 * len(figures),
        missing,
    )
    assert totals.delivered + missing == totals.expected
    assert totals.counted["off_grid"] == sum(defects for _, defects in figures)
    assert tally.has_below(100.0) == (missing > 0)
    assert not tally.has_below(None)


def test_a_stretch_is_kept_once_and_counts_with_all_its_rows() -> None:
    check, tally = StreamCheck("A", "1m", TABLE, DAY, DAY, 0), CheckTally()
    for index in range(KEPT + 2):
        tally.add(check, verdict_of(index, 0, 1)._replace(defects=(STRETCH,)))
    tally.add(check, verdict_of(99, 0, 3))
    assert (len(tally.defects.kept), tally.defects.count) == (KEPT, 331 * (KEPT + 2) + 3)
    assert tally.defects.rest == 2 * 331 + 3
    assert 99 not in [found.verdict.session.index for found in tally.worst.kept]
