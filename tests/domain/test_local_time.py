from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.local_time import clock_text, local_stamp

ZONES = ("America/New_York", "Europe/London", "Asia/Hong_Kong", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.sampled_from(ZONES), st.integers(10**18 // 10**9, 2**32), st.integers(0, 999_999_999))
def test_instants_are_written_as_datetime_writes_them(zone: str, seconds: int, rest_ns: int) -> None:
    instant = EPOCH + timedelta(seconds=seconds, microseconds=rest_ns // 1000)
    local = instant.astimezone(ZoneInfo(zone))
    assert local_stamp(seconds * 10**9 + rest_ns, zone) == local.isoformat()
    assert clock_text(seconds * 10**9 + rest_ns, zone) == f"{local:%H:%M:%S}"


@pytest.mark.parametrize(
    ("utc", "written"),
    [
        ("2025-03-09T06:59:59+00:00", "2025-03-09T01:59:59-05:00"),
        ("2025-03-09T07:00:00+00:00", "2025-03-09T03:00:00-04:00"),
        ("2025-11-02T05:59:59+00:00", "2025-11-02T01:59:59-04:00"),
        ("2025-11-02T06:00:00+00:00", "2025-11-02T01:00:00-05:00"),
        ("1969-12-31T23:59:59+00:00", "1969-12-31T18:59:59-05:00"),
    ],
)
def test_both_sides_of_a_change_of_the_clocks_are_right(utc: str, written: str) -> None:
    instant_ns = round((datetime.fromisoformat(utc) - EPOCH).total_seconds()) * 10**9
    assert local_stamp(instant_ns, "America/New_York") == written
