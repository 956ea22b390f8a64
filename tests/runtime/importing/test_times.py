"""Written times mean what they say; local times are instants, on both sides of a change of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.importing.times import (
    UnitUnclear,
    local_times,
    repeated_local_times,
    unit_of,
    written_times,
)

NEW_YORK = ZoneInfo("America/New_York")
SECOND = 10**9
ZONES = ("America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def local_ns(texts: list[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([ns(text) for text in texts], dtype=np.int64)


@pytest.mark.parametrize(
    ("text", "expected", "local"),
    [
        ("2025-07-02 09:30:00", "2025-07-02T09:30:00", True),
        ("2025-07-02T09:30", "2025-07-02T09:30:00", True),
        ("2025-07-02", "2025-07-02T00:00:00", True),
        ("2025-07-02T13:30:00Z", "2025-07-02T13:30:00", False),
        ("2025-07-02 09:30:00-04:00", "2025-07-02T13:30:00", False),
        ("2025-07-02 09:30:00 +0530", "2025-07-02T04:00:00", False),
        ("2025-07-02T09:30:00.000000000+00", "2025-07-02T09:30:00", False),
        ("2025-07-02 13:30:00 UTC", "2025-07-02T13:30:00", False),
    ],
)
def test_a_time_is_read_as_it_is_written(text: str, expected: str, local: bool) -> None:  # noqa: FBT001
    times = written_times([text])
    assert times.stamps.tolist() == [ns(expected)]
    assert times.local.tolist() == [local]
    assert times.faults == {}


@settings(max_examples=150)
@given(
    st.lists(st.datetimes(datetime(1980, 1, 1), datetime(2099, 1, 1)), min_size=1, max_size=8),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_python_writes_what_is_read(moments: list[datetime], minutes: int) -> None:
    offset = timedelta(minutes=minutes)
    sign, size = ("-" if minutes < 0 else "+"), abs(minutes)
    texts = [f"{moment.isoformat()}{sign}{size // 60:02}:{size % 60:02}" for moment in moments]
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001
    expected = [(moment - offset - epoch) // timedelta(microseconds=1) * 1000 for moment in moments]
    assert written_times(texts).stamps.tolist() == expected


@given(st.lists(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=8))  # noqa: DTZ001
def test_plain_times_are_read_as_they_are_among_others(moments: list[datetime]) -> None:
    texts = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments]
    plain, among = written_times(texts), written_times([*texts, "2025-07-02"])
    assert plain.stamps.tolist() == among.stamps.tolist()[:-1]
    assert plain.local.all()
    assert plain.faults == among.faults == {}


def test_a_fraction_keeps_its_nanoseconds() -> None:
    assert written_times(["2025-07-02T00:00:00.000000007Z"]).stamps.tolist() == [ns("2025-07-02") + 7]


@pytest.mark.parametrize(
    "text", ["07/02/2025 09:30", "2025-02-30 09:30:00", "2025-07-02 25:00:00", "", "soon", "2025-07-02 9:30"]
)
def test_what_is_no_time_is_a_fault_of_its_row_alone(text: str) -> None:
    times = written_times(["2025-07-02 09:30:00", text, "2025-07-02 09:31:00"])
    assert list(times.faults) == [1]
    assert times.stamps[[0, 2]].tolist() == [ns("2025-07-02T09:30:00"), ns("2025-07-02T09:31:00")]


@given(st.integers(ns("1980-01-01") // SECOND, ns("2099-12-31") // SECOND), st.sampled_from([0, 3, 6, 9]))
def test_a_count_has_one_unit_which_its_size_tells(seconds: int, digits: int) -> None:
    times = written_times([str(seconds * 10**digits), f"{seconds * 10**digits}.0"])
    assert times.stamps.tolist() == [seconds * SECOND] * 2
    assert not times.local.any()
    assert unit_of(seconds * 10**digits) == {0: "s", 3: "ms", 6: "us", 9: "ns"}[digits]


def test_a_count_whose_unit_is_unclear_is_refused_with_what_it_could_be() -> None:
    with pytest.raises(UnitUnclear) as caught:
        written_times(["20250702"])
    assert "s: 1970-08-23 09:11:42" in caught.value.readings()


def test_a_count_of_another_unit_than_the_first_is_a_fault() -> None:
    assert list(written_times(["1751463000", "1751463060000", "x"]).faults) == [1, 2]


def test_new_york_is_five_hours_behind_before_march_9_2025_and_four_after() -> None:
    found = local_times(
        local_ns(["2025-03-07 09:30", "2025-03-10 09:30", "2025-10-31 15:59", "2025-11-03 15:59"]), NEW_YORK
    )
    expected = ["2025-03-07 14:30", "2025-03-10 13:30", "2025-10-31 19:59", "2025-11-03 20:59"]
    assert found.stamps.tolist() == [ns(text) for text in expected]
    assert found.faults == {}


def test_a_time_that_the_clock_skips_is_a_fault_that_names_zone_and_time() -> None:
    found = local_times(local_ns(["2025-03-09 01:59", "2025-03-09 02:00", "2025-03-09 03:00"]), NEW_YORK)
    assert list(found.faults) == [1]
    assert "America/New_York has no 2025-03-09 02:00:00" in found.faults[1]
    assert found.stamps[[0, 2]].tolist() == [ns("2025-03-09 06:59"), ns("2025-03-09 07:00")]


def test_an_hour_that_comes_twice_is_told_by_where_it_starts_anew() -> None:
    texts = ["00:45", "01:00", "01:30", "01:00", "01:30", "02:00"]
    found = local_times(local_ns([f"2025-11-02 {text}" for text in texts]), NEW_YORK)
    expected = ["04:45", "05:00", "05:30", "06:00", "06:30", "07:00"]
    assert found.stamps.tolist() == [ns(f"2025-11-02 {text}") for text in expected]
    assert found.faults == {}


@pytest.mark.parametrize(
    "texts", [["01:00", "01:30"], ["01:00"], ["01:00", "01:30", "01:00", "01:30", "01:00"]]
)
def test_an_hour_that_comes_twice_and_cannot_be_told_is_a_fault(texts: list[str]) -> None:
    stamps = local_ns([f"2025-11-02 {text}" for text in ("00:59", *texts, "02:00")])
    found = local_times(stamps, NEW_YORK)
    assert sorted(found.faults) == list(range(1, len(texts) + 1))
    assert "twice" in found.faults[1]
    assert repeated_local_times(stamps, NEW_YORK).tolist() == [False, *[True] * len(texts), False]


@settings(max_examples=100)
@given(
    st.sampled_from(ZONES),
    st.integers(ns("1995-01-01") // SECOND // 900, ns("2037-01-01") // SECOND // 900),
    st.sampled_from([60, 300, 1800, 3600]),
)
def test_every_quarter_hour_of_two_days_written_in_local_time_is_read_back(
    zone: str, start: int, step: int
) -> None:
    """The file goes through both passes of an hour that comes twice, so nothing is unclear."""
    instants = range(start * 900, start * 900 + 2 * 86_400, step)
    walls = [datetime.fromtimestamp(at, ZoneInfo(zone)).replace(tzinfo=UTC) for at in instants]
    stamps = np.array([int(wall.timestamp()) * SECOND for wall in walls], dtype=np.int64)
    twice = repeated_local_times(stamps, ZoneInfo(zone))
    found = local_times(stamps, ZoneInfo(zone))
    if twice[0] or twice[-1]:
        return
    assert found.faults == {}
    assert found.stamps.tolist() == [at * SECOND for at in instants]
