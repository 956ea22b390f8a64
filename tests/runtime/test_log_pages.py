"""A page holds, byte for byte, what `Bulk` would write, whatever was written before it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.local_time import local_stamps
from actors.runtime.log_files import Bulk, wall_stamp
from actors.runtime.log_pages import Page, page

ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
TEXTS = ("Processed 2 bars", "Next timestamp: 09:31:00", "2026-11-23", "größer", "")
DAYS = (1_736_150_400, 1_741_435_200, 1_741_478_400, 1_762_041_600)
"""Midnights and noons, s UTC; at the second and the last New York's clocks change within the day."""


def written(t: str, texts: list[str], instants: list[int], zone: str) -> Page:
    bulk = Bulk(t, "coordinator", local_stamps(instants, zone), texts)
    return Page(bulk.text(), bulk.jsonl())


@given(
    st.sampled_from(ZONES),
    st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(0, 300)), min_size=1, max_size=12),
    st.permutations(DAYS),
    st.datetimes(timezones=st.just(UTC)),
)
def test_a_page_is_what_bulk_lines_are(
    zone: str, lines: list[tuple[str, int]], days: list[int], now: datetime
) -> None:
    texts = [text for text, _ in lines]
    for day in days:
        instants = [(day + 60 * minute) * 10**9 for _, minute in lines]
        made = page(wall_stamp(now), "coordinator", texts, instants, zone)
        if made is not None:
            assert made == written(wall_stamp(now), texts, instants, zone)
        else:
            dates_and_offsets = {(stamp[:10], stamp[19:]) for stamp in local_stamps(instants, zone)}
            assert len(dates_and_offsets) > 1


@pytest.mark.parametrize("text", ['"', "\\", "two\nlines", "\0", "\1" * 10])
def test_what_would_be_escaped_is_no_page(text: str) -> None:
    assert page(wall_stamp(datetime.now(UTC)), "loader", [text], [10**18], "UTC") is None


def test_a_fraction_of_a_second_is_no_page() -> None:
    assert page(wall_stamp(datetime.now(UTC)), "loader", ["x"], [10**18 + 1], "UTC") is None


def test_texts_and_instants_that_are_not_as_many_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        page(wall_stamp(datetime.now(UTC)), "loader", ["x", "y"], [10**18], "UTC")
