from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.local_time import local_stamp
from actors.domain.simulated_time import instant_of

NEW_YORK = "America/New_York"
HALF_PAST_TEN = 1_751_553_000_000_000_000
"""2025-07-03 in New York."""


@pytest.mark.parametrize(
    "text",
    [
        "2025-07-03T10:30",
        "2025-07-03 10:30:00",
        "10:30",
        "10:30:00",
        "2025-07-03T14:30Z",
        "2025-07-03T16:30+02:00",
    ],
)
def test_a_time_is_of_the_exchange_and_of_the_session_unless_it_says_otherwise(text: str) -> None:
    assert instant_of(text, "2025-07-03", NEW_YORK) == HALF_PAST_TEN


def test_an_hour_of_one_digit_and_a_date_alone_are_times() -> None:
    assert instant_of("9:30", "2025-07-03", NEW_YORK) == HALF_PAST_TEN - 3600 * 10**9
    assert (
        instant_of("2025-07-03", "2020-01-01", NEW_YORK) == HALF_PAST_TEN - 10 * 3600 * 10**9 - 1800 * 10**9
    )


@pytest.mark.parametrize(
    "text", ["", "x", "25:00", "10:60", "10", "noon", "2025-13-01T10:30", "1500-01-01T10:30"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        instant_of(text, "2025-07-03", NEW_YORK)


@given(st.datetimes(datetime(1679, 1, 1), datetime(2260, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_what_is_written_is_read_back(instant: datetime) -> None:
    whole = instant.astimezone(ZoneInfo("UTC")).replace(microsecond=0)
    written_ns = round(whole.timestamp()) * 10**9
    assert instant_of(local_stamp(written_ns, "UTC"), "2025-07-03", NEW_YORK) == written_ns
