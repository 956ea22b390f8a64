from hypothesis import given
from hypothesis import strategies as st

from actors.domain.grid import event_times, expected_closes, expected_opens
from actors.domain.intervals import Interval
from actors.domain.session_plan import Hours, Session

MINUTE = 60_000_000_000
OPEN = 1_751_463_000_000_000_000


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    lengths = draw(st.lists(st.integers(1, 200), min_size=1, max_size=3))
    parts: list[Hours] = []
    start = OPEN
    for length in lengths:
        parts.append(Hours(start, start + length * MINUTE))
        start = parts[-1].close_ns + draw(st.integers(1, 90)) * MINUTE
    return Session(0, "2025-07-02", "full", OPEN, parts[-1].close_ns, tuple(parts), OPEN - MINUTE)


intraday = st.builds(Interval, st.integers(1, 240), st.sampled_from("m")) | st.just(Interval(1, "h"))


@given(sessions(), intraday)
def test_bins_cover_every_part_without_gap_or_overlap(session: Session, interval: Interval) -> None:
    bins = list(
        zip(
            expected_opens(session, interval).tolist(),
            expected_closes(session, interval).tolist(),
            strict=True,
        )
    )
    for part in session.parts:
        inside = [(start, end) for start, end in bins if part.open_ns <= start < part.close_ns]
        assert inside[0][0] == part.open_ns
        assert inside[-1][1] == part.close_ns
        assert [end for _, end in inside[:-1]] == [start for start, _ in inside[1:]]
        assert all(end - start == interval.length_ns for start, end in inside[:-1])
        assert 0 < inside[-1][1] - inside[-1][0] <= interval.length_ns
    assert len(bins) == sum(
        -(-(part.close_ns - part.open_ns) // interval.length_ns) for part in session.parts
    )


@given(sessions(), st.lists(intraday, min_size=1, max_size=3))
def test_event_times_are_all_closes_ascending_and_each_once(
    session: Session, several: list[Interval]
) -> None:
    times = event_times(session, tuple(several)).tolist()
    assert times == sorted({close for one in several for close in expected_closes(session, one).tolist()})
    assert times[-1] == session.close_ns


@given(sessions())
def test_a_day_is_one_bar_from_open_to_close_breaks_included(session: Session) -> None:
    day = Interval(1, "d")
    assert expected_opens(session, day).tolist() == [session.open_ns]
    assert expected_closes(session, day).tolist() == [session.close_ns]


def test_a_regular_day_has_390_minutes_and_seven_hours_the_last_one_cut_short() -> None:
    hours = (Hours(OPEN, OPEN + 390 * MINUTE),)
    session = Session(0, "2025-07-02", "full", OPEN, OPEN + 390 * MINUTE, hours, 0)
    assert len(expected_opens(session, Interval(1, "m"))) == 390
    ends = expected_closes(session, Interval(1, "h"))
    assert len(ends) == 7
    assert ends[-1] - ends[-2] == 30 * MINUTE
