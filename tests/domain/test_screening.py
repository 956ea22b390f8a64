"""What is delivered, what is rejected, and what is said about it."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.grid import expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.screening import VALUES, Screened, StoredRows, screen
from actors.domain.session_plan import Hours, Session
from protocol.blocks import BAR_DTYPE, DEFECT_KINDS, BarFlag

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000
JUMP_RATIO = 2.0
STREAM = 3


def session_of(*parts: tuple[int, int], previous_close: int) -> Session:
    """Build a session from minutes after `OPEN`."""
    hours = tuple(Hours(OPEN + begin * MINUTE, OPEN + end * MINUTE) for begin, end in parts)
    return Session(
        index=0,
        date="2025-07-02",
        kind="full",
        open_ns=hours[0].open_ns,
        close_ns=hours[-1].close_ns,
        parts=hours,
        previous_close_ns=OPEN + previous_close * MINUTE,
    )


PLAIN = session_of((0, 6), previous_close=-10)
WITH_LUNCH = session_of((0, 5), (8, 12), previous_close=-10)


class Row(NamedTuple):
    """One stored row; `half_minutes` counts from `OPEN`."""

    half_minutes: int
    values: tuple[float, float, float, float, float] = (10.0, 12.0, 9.0, 11.0, 100.0)

    @property
    def open_ts(self) -> int:
        return OPEN + self.half_minutes * MINUTE // 2


def stored(rows: list[Row], first_file_rows: int | None = None) -> StoredRows:
    """Stand the rows in two files; the first row is the fifth of its file."""
    split = len(rows) if first_file_rows is None else min(first_file_rows, len(rows))
    columns = np.array([row.values for row in rows], dtype=np.float64).reshape(-1, 5).T
    places = [*range(4, 4 + split), *range(len(rows) - split)]
    return StoredRows(
        open_ts=np.array([row.open_ts for row in rows], dtype=np.int64),
        columns=dict(zip(VALUES, columns, strict=True)),
        rows=np.array(places, dtype=np.int64),
        files=(("a.parquet", split), ("b.parquet", len(rows) - split)),
    )


def screened(rows: list[Row], session: Session = PLAIN, interval: str = "1m") -> Screened:
    return screen(stored(rows), STREAM, session, Interval.parse(interval), JUMP_RATIO)


def kinds(result: Screened) -> list[tuple[str, int]]:
    return [(defect.kind, defect.row - 4) for defect in result.defects]


def good_rows(minutes: int = 6) -> list[Row]:
    return [Row(2 * minute) for minute in range(minutes)]


# the brute force: row by row, in plain Python, from MARKET_RULES section 6


def rejection(row: Row, session: Session, opens: list[int]) -> str | None:
    if not any(part.open_ns <= row.open_ts < part.close_ns for part in session.parts):
        return "outside_session"
    if row.open_ts not in opens:
        return "off_grid"
    open_, high, low, close, _ = row.values
    strange = any(math.isnan(value) or math.isinf(value) or value < 0 for value in row.values)
    if strange or high < low or high < max(open_, close) or low > min(open_, close):
        return "bad_ohlc"
    return None


def brute_winners(rows: list[Row], session: Session, opens: list[int]) -> dict[int, int]:
    winners: dict[int, int] = {}
    for index, row in enumerate(rows):
        if rejection(row, session, opens) is None:
            winners[row.open_ts] = index
    return dict(sorted(winners.items()))


def brute_split(previous_close: float | None, opening: float) -> bool:
    """Whether a night of a factor from 1.9 on is within 5 % of a split."""
    if not previous_close or not opening:
        return False
    ratio = max(previous_close / opening, opening / previous_close)
    return any(0.95 * new <= ratio <= 1.05 * new for new in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50))


def brute_found(
    rows: list[Row], session: Session, opens: list[int], previous_close: float | None = None
) -> set[tuple[str, int]]:
    winners = brute_winners(rows, session, opens)
    found = set()
    for index, row in enumerate(rows):
        reason = rejection(row, session, opens)
        if reason is not None:
            found.add((reason, index))
        elif winners[row.open_ts] != index:
            same = rows[winners[row.open_ts]].values == row.values
            found.add(("duplicate_same" if same else "duplicate_conflict", index))
        if any(earlier.open_ts > row.open_ts for earlier in rows[:index]):
            found.add(("out_of_order", index))
    for index in winners.values():
        _, high, low, close, _ = rows[index].values
        prices = [high, low] if previous_close is None else [high, low, previous_close]
        is_split = index == min(winners.values(), key=lambda at: rows[at].open_ts) and brute_split(
            previous_close, rows[index].values[0]
        )
        if min(prices) > 0 and (is_split or max(prices) >= JUMP_RATIO * min(prices)):
            found.add(("jump", index))
        previous_close = close
    return found


def brute_known(row: Row, session: Session, interval: Interval) -> int:
    opens = expected_opens(session, interval).tolist()
    closes = expected_closes(session, interval).tolist()
    due = dict(zip(opens, closes, strict=True)).get(row.open_ts, row.open_ts + interval.length_ns)
    return min(max(due, closes[0]), session.close_ns)


class Named(NamedTuple):
    """One row of one defect: whose it is, and when and how it is said."""

    known_ts: int
    index: int
    kind: str


def row_by_row(result: Screened, file_rows: list[tuple[str, int]]) -> list[Named]:
    """Take stretches apart again; `file_rows` says where each index stands."""
    index_of = {place: index for index, place in enumerate(file_rows)}
    return [
        Named(defect.known_ts, index_of[defect.file, defect.row + more], defect.kind)
        for defect in result.defects
        for more in range(defect.rows)
    ]


def brute_stretches(listed: list[Named], file_rows: list[tuple[str, int]]) -> list[int]:
    """Count the rows of each defect, putting rows outside together one after the other."""
    late = {named.index for named in listed if named.kind == "out_of_order"}
    sizes: list[int] = []
    for place, named in enumerate(listed):
        before = listed[place - 1] if place else None
        if (
            before is not None
            and before.kind == named.kind == "outside_session"
            and before.known_ts == named.known_ts
            and before.index + 1 == named.index
            and not {before.index, named.index} & late
            and file_rows[before.index] == (file_rows[named.index][0], file_rows[named.index][1] - 1)
        ):
            sizes[-1] += 1
        else:
            sizes.append(1)
    return sizes


GOOD_VALUES = [
    (10.0, 12.0, 9.0, 11.0, 100.0),
    (10.0, 12.0, 9.0, 11.0, 101.0),
    (11.0, 11.0, 11.0, 11.0, 0.0),
    (20.0, 22.0, 18.0, 18.0, 5.0),
    (10.0, 25.0, 9.0, 11.0, 5.0),
    (0.0, 0.0, 0.0, 0.0, 0.0),
]
BAD_VALUES = [
    (10.0, 8.0, 9.0, 11.0, 1.0),
    (10.0, 10.5, 9.0, 11.0, 1.0),
    (10.0, 12.0, 10.5, 11.0, 1.0),
    (math.nan, 12.0, 9.0, 11.0, 1.0),
    (10.0, math.inf, 9.0, 11.0, 1.0),
    (10.0, 12.0, -9.0, 11.0, 1.0),
    (10.0, 12.0, 9.0, 11.0, -1.0),
    (10.0, 12.0, 9.0, 11.0, math.nan),
]
any_values = st.sampled_from(GOOD_VALUES * 3 + BAD_VALUES)
orderly = st.lists(any_values, max_size=12).map(
    lambda values: [Row(2 * minute, row) for minute, row in enumerate(values)]
)
chaotic = st.lists(st.builds(Row, st.integers(-20, 23), any_values), max_size=25)
mostly_outside = st.lists(st.builds(Row, st.integers(-20, 4), any_values), max_size=25).map(
    lambda rows: sorted(rows, key=lambda row: row.half_minutes // 8)
)
mostly_on_grid = st.lists(st.builds(Row, st.integers(0, 11).map(lambda at: 2 * at), any_values), max_size=25)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Row], Session, Interval, int]:
    session = draw(st.sampled_from([PLAIN, WITH_LUNCH]))
    rows = draw(st.one_of(orderly, chaotic, mostly_on_grid, mostly_outside))
    rows = [row for row in rows if session.previous_close_ns <= row.open_ts < session.close_ns]
    interval = Interval.parse(draw(st.sampled_from(["1m", "2m", "1d"])))
    return rows, session, interval, draw(st.integers(0, 25))


@settings(max_examples=250, deadline=None)
@given(cases(), st.sampled_from([None, 0.0, 5.0, 5.7, 11.0, 20.7, 21.0, 21.9, 24.0]))
def test_any_rows_get_the_defects_that_a_row_by_row_reading_finds(
    case: tuple[list[Row], Session, Interval, int], previous_close: float | None
) -> None:
    rows, session, interval, split = case
    result = screen(stored(rows, split), STREAM, session, interval, JUMP_RATIO, previous_close)
    opens = expected_opens(session, interval).tolist()
    found = brute_found(rows, session, opens, previous_close)
    expected = sorted(
        (brute_known(rows[index], session, interval), index, DEFECT_KINDS.index(kind))
        for kind, index in found
    )
    listed = row_by_row(result, places_of(stored(rows, split)))
    assert [(named.known_ts, named.index, DEFECT_KINDS.index(named.kind)) for named in listed] == expected


def places_of(rows: StoredRows) -> list[tuple[str, int]]:
    return [(rows.file_of(index), row) for index, row in enumerate(rows.rows.tolist())]


@settings(max_examples=250, deadline=None)
@given(cases(), st.lists(st.sampled_from([1, 1, 1, 2]), min_size=25, max_size=25))
def test_rows_outside_are_one_defect_as_far_as_they_stand_together_and_become_known_together(
    case: tuple[list[Row], Session, Interval, int], strides: list[int]
) -> None:
    rows, session, interval, split = case
    strided = stored(rows, split)
    strided = strided._replace(rows=strided.rows + np.cumsum(strides)[: len(rows)])
    result = screen(strided, STREAM, session, interval, JUMP_RATIO)
    file_rows = places_of(strided)
    listed = row_by_row(result, file_rows)
    assert [defect.rows for defect in result.defects] == brute_stretches(listed, file_rows)
    index_of = {place: index for index, place in enumerate(file_rows)}
    for defect in result.defects:
        assert defect.stream == STREAM
        assert defect.open_ts == rows[index_of[defect.file, defect.row]].open_ts
        assert defect.detail.startswith(f"{defect.rows} rows, no trading from ") == (defect.rows > 1)
        assert defect.detail


@settings(max_examples=150, deadline=None)
@given(cases())
def test_any_rows_deliver_the_last_valid_one_of_each_expected_stamp(
    case: tuple[list[Row], Session, Interval, int],
) -> None:
    rows, session, interval, split = case
    bars = screen(stored(rows, split), STREAM, session, interval, JUMP_RATIO).bars
    opens = expected_opens(session, interval).tolist()
    winners = brute_winners(rows, session, opens)
    assert bars["open_ts"].tolist() == list(winners)
    assert [tuple(bar) for bar in bars[list(VALUES)].tolist()] == [rows[at].values for at in winners.values()]
    due = dict(zip(opens, expected_closes(session, interval).tolist(), strict=True))
    assert bars["close_ts"].tolist() == [due[stamp] for stamp in winners]


@settings(max_examples=150, deadline=None)
@given(cases())
def test_each_row_is_delivered_or_replaced_or_rejected_exactly_once(
    case: tuple[list[Row], Session, Interval, int],
) -> None:
    rows, session, interval, split = case
    result = screen(stored(rows, split), STREAM, session, interval, JUMP_RATIO)
    kept_back = [defect for defect in result.defects if defect.kind not in {"out_of_order", "jump"}]
    assert len(result.bars) + sum(defect.rows for defect in kept_back) == len(rows)
    covered = [(defect.file, defect.row + more) for defect in kept_back for more in range(defect.rows)]
    assert len(set(covered)) == len(covered)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_no_defect_is_known_before_the_first_step_or_after_the_last(
    case: tuple[list[Row], Session, Interval, int],
) -> None:
    rows, session, interval, split = case
    first = int(expected_closes(session, interval)[0])
    for defect in screen(stored(rows, split), STREAM, session, interval, JUMP_RATIO).defects:
        assert first <= defect.known_ts <= session.close_ns


def test_no_rows_deliver_nothing() -> None:
    result = screened([])
    assert result.bars.dtype == BAR_DTYPE
    assert len(result.bars) == 0
    assert result.defects == ()


def test_clean_rows_are_all_delivered_as_base_bars() -> None:
    result = screened(good_rows())
    assert result.defects == ()
    assert len(result.bars) == 6
    assert set(result.bars["n_base"]) == set(result.bars["n_expected"]) == {1}
    assert set(result.bars["stream"]) == {STREAM}
    assert set(result.bars["flags"]) == {0}


def test_clean_rows_with_a_hole_are_delivered_without_a_defect() -> None:
    result = screened([row for row in good_rows() if row.half_minutes != 4])
    assert result.defects == ()
    assert (result.bars["open_ts"] - OPEN).tolist() == [0, MINUTE, 3 * MINUTE, 4 * MINUTE, 5 * MINUTE]


def test_a_bin_that_the_close_of_a_part_cuts_short_is_flagged_clipped() -> None:
    rows = [Row(0), Row(4), Row(8), Row(16), Row(20)]
    bars = screened(rows, WITH_LUNCH, "2m").bars
    assert bars["flags"].tolist() == [0, 0, BarFlag.CLIPPED, 0, 0]
    assert (bars["close_ts"] - OPEN).tolist() == [
        2 * MINUTE,
        4 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        12 * MINUTE,
    ]


def test_a_daily_bar_is_not_clipped() -> None:
    bars = screened([Row(0)], WITH_LUNCH, "1d").bars
    assert bars["flags"].tolist() == [0]
    assert bars["close_ts"].tolist() == [WITH_LUNCH.close_ns]


def test_of_three_rows_with_one_stamp_the_last_is_delivered_and_the_others_are_duplicates() -> None:
    other = Row(4, (10.0, 12.0, 9.0, 11.0, 7.0))
    rows = [*good_rows(3), other, Row(4)]
    result = screened(rows)
    assert kinds(result) == [("duplicate_same", 2), ("duplicate_conflict", 3)]
    assert result.bars["volume"].tolist() == [100.0, 100.0, 100.0]
    assert result.defects[1].detail == "volume 7.0, but 100.0 in row 8 of a.parquet"


def test_a_bad_row_behind_a_good_one_of_its_stamp_does_not_replace_it() -> None:
    result = screened([Row(0), Row(0, BAD_VALUES[0])])
    assert kinds(result) == [("bad_ohlc", 1)]
    assert len(result.bars) == 1


def test_a_row_outside_the_session_is_not_also_off_grid_or_bad() -> None:
    result = screened([Row(-3, BAD_VALUES[0]), *good_rows()])
    assert kinds(result) == [("outside_session", 0)]
    assert result.defects[0].known_ts == OPEN + MINUTE


def test_rows_before_the_open_are_one_defect_that_says_how_many_and_until_when() -> None:
    result = screened([Row(-20), Row(-8), Row(-2), *good_rows()])
    (defect,) = result.defects
    assert (defect.row, defect.rows, defect.span) == (4, 3, "rows 4 to 6")
    assert defect.detail == "3 rows, no trading from 2025-07-02T13:20:00Z to 2025-07-02T13:29:00Z"
    assert (defect.open_ts, defect.known_ts) == (OPEN - 10 * MINUTE, OPEN + MINUTE)


def test_rows_in_the_lunch_break_stay_apart_for_each_is_known_with_its_own_close() -> None:
    result = screened([Row(0), Row(10), Row(12)], WITH_LUNCH)
    assert [(defect.rows, defect.known_ts - OPEN) for defect in result.defects] == [
        (1, 6 * MINUTE),
        (1, 7 * MINUTE),
    ]


def test_rows_outside_that_stand_in_two_files_are_two_defects() -> None:
    result = screen(stored([Row(-6), Row(-4), Row(-2)], 2), STREAM, PLAIN, Interval.parse("1m"), JUMP_RATIO)
    assert [(defect.file, defect.row, defect.rows) for defect in result.defects] == [
        ("a.parquet", 4, 2),
        ("b.parquet", 0, 1),
    ]


def test_a_late_row_outside_stands_for_itself() -> None:
    result = screened([Row(-8), Row(-6), Row(-10), Row(-4), Row(-2)])
    assert [(defect.kind, defect.row - 4, defect.rows) for defect in result.defects] == [
        ("outside_session", 0, 2),
        ("out_of_order", 2, 1),
        ("outside_session", 2, 1),
        ("outside_session", 3, 2),
    ]


def test_a_row_in_the_lunch_break_is_outside_the_session() -> None:
    result = screened([Row(0), Row(12)], WITH_LUNCH)
    assert kinds(result) == [("outside_session", 1)]
    assert result.defects[0].known_ts == OPEN + 7 * MINUTE


def test_an_off_grid_row_is_known_when_its_own_time_is_over() -> None:
    result = screened([Row(0), Row(1), Row(2), Row(11)])
    assert kinds(result) == [("off_grid", 1), ("off_grid", 3)]
    assert [defect.known_ts - OPEN for defect in result.defects] == [MINUTE * 3 // 2, 6 * MINUTE]
    assert result.defects[0].detail == "no bar opens at 2025-07-02T13:30:30Z"


def test_a_late_row_is_delivered_in_its_place() -> None:
    result = screened([Row(0), Row(4), Row(2)])
    assert kinds(result) == [("out_of_order", 2)]
    assert (result.bars["open_ts"] - OPEN).tolist() == [0, MINUTE, 2 * MINUTE]


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ((10.0, 8.0, 9.0, 8.5, 1.0), "high 8.0 < low 9.0"),
        ((10.0, 9.5, 9.0, 9.0, 1.0), "high 9.5 < open 10.0"),
        ((10.0, 10.5, 9.0, 11.0, 1.0), "high 10.5 < close 11.0"),
        ((10.0, 12.0, 10.5, 11.0, 1.0), "open 10.0 < low 10.5"),
        ((10.0, 12.0, 9.5, 9.0, 1.0), "close 9.0 < low 9.5"),
        ((10.0, math.nan, 9.0, 11.0, 1.0), "high nan"),
        ((10.0, 12.0, 9.0, 11.0, -1.0), "volume -1.0"),
    ],
)
def test_a_bad_row_is_rejected_with_what_cannot_be(values: tuple[float, ...], detail: str) -> None:
    result = screened([Row(0), Row(2, values)])  # type: ignore[arg-type]
    assert kinds(result) == [("bad_ohlc", 1)]
    assert result.defects[0].detail == detail


def test_a_doubled_price_is_a_jump_there_and_back_and_is_delivered() -> None:
    result = screened([Row(0), Row(2, (22.0, 24.0, 22.0, 23.0, 1.0)), Row(4)])
    assert kinds(result) == [("jump", 1), ("jump", 2)]
    assert len(result.bars) == 3
    assert result.defects[0].detail == "from 11.0 to 24.0, 2.18 times"


def test_a_first_bar_far_from_the_last_close_of_the_session_before_is_a_jump() -> None:
    result = screen(stored(good_rows()), STREAM, PLAIN, Interval.parse("1m"), JUMP_RATIO, 90.0)
    assert kinds(result) == [("jump", 0)]
    assert result.defects[0].detail == "from 9.0 to 90.0, 10.00 times"


def test_a_first_bar_that_opens_at_about_a_seventh_of_the_close_before_is_suspected_to_be_a_split() -> None:
    result = screen(stored(good_rows()), STREAM, PLAIN, Interval.parse("1m"), JUMP_RATIO, 71.0)
    (jump,) = result.defects
    assert jump.detail == (
        "from 9.0 to 71.0, 7.89 times; suspected 7:1 split; catalog.corporate_actions can adjust for it"
    )


@pytest.mark.parametrize(("close", "split"), [(198.0, "2:1"), (50.5, "1:2")])
def test_a_split_in_a_night_that_goes_the_other_way_is_a_jump_of_less_than_the_jump_ratio(
    close: float, split: str
) -> None:
    rows = [Row(2 * minute, (100.0, 100.0, 100.0, 100.0, 1.0)) for minute in range(6)]
    result = screen(stored(rows), STREAM, PLAIN, Interval.parse("1m"), JUMP_RATIO, close)
    assert kinds(result) == [("jump", 0)]
    assert f"1.98 times; suspected {split} split;" in result.defects[0].detail
    assert len(result.bars) == 6


def test_the_same_factor_between_two_bars_of_a_session_is_no_split() -> None:
    rows = [Row(2 * at, (price,) * 4 + (1.0,)) for at, price in enumerate((100.0, 50.5, 100.0))]  # type: ignore[arg-type]
    assert screened(rows).defects == ()


def test_a_file_name_beyond_the_limit_of_the_wire_keeps_its_end() -> None:
    rows = stored([Row(1)])._replace(files=(("x" * 300 + "/part-0.parquet", 1),))
    defect = screen(rows, STREAM, PLAIN, Interval.parse("1m"), JUMP_RATIO).defects[0]
    assert len(defect.file) == 256
    assert defect.file.endswith("/part-0.parquet")


def test_a_row_beyond_the_last_file_has_no_file() -> None:
    with pytest.raises(IndexError):
        stored([Row(0)]).file_of(1)
