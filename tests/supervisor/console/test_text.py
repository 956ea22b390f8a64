import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.supervisor.console.text import (
    DASH,
    clean,
    clock,
    compact,
    count,
    listing,
    memory,
    micros,
    percent,
    seconds,
    share,
    short,
    simulated_time,
    weekday,
)


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_whatever_comes_in_one_printable_line_comes_out(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert len(cleaned) <= 400
    assert clean(cleaned) == cleaned


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\x1b"), max_size=400))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07AAPL", "AAPL"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("a\r\nb\tc", "a b c"),
        ("\u202etxt.exe", "txt.exe"),
        ("\x9b31mx", "31mx"),
        ("\ud800", ""),
        ("[bold]as it is[/bold]", "[bold]as it is[/bold]"),
    ],
)
def test_terminal_controls_are_taken_out(hostile: str, harmless: str) -> None:
    assert clean(hostile) == harmless


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (870, "870"), (4100, "4.1k"), (12_000, "12k"), (1_234_567, "1.2M")]
)
def test_a_rate_is_written_short(value: float, text: str) -> None:
    assert short(value) == text


def test_the_unknown_is_a_dash() -> None:
    written = {write(None) for write in (count, short, memory, percent, seconds)}
    assert written == {DASH}
    assert share(0, 0) == DASH
    assert micros(0.0) == DASH


@settings(deadline=None)
@given(whole=st.integers(1, 10**7), data=st.data())
def test_only_the_whole_is_a_hundred_per_cent(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    assert (share(part, whole) == "100.00%") == (part == whole)


def test_figures_read_as_people_write_them() -> None:
    assert share(387, 390) == "99.23%"
    assert compact(999_999) == "999,999"
    assert compact(485_100, 100_000) == "485.1k"
    assert compact(47_477_940) == "47.48M"
    assert memory(61_000_000) == "61 MB"
    assert memory(2_500_000_000) == "2.5 GB"
    assert [micros(us) for us in (33.4, 1900, 12_000, 3.4e6)] == ["33 µs", "1.9 ms", "12 ms", "3.4 s"]
    assert [clock(s) for s in (12, 725, 3723)] == ["0:12", "12:05", "1:02:03"]
    assert [seconds(s) for s in (0.214, 75.0)] == ["0.21 s", "1:15"]


def test_simulated_time_shows_seconds_only_where_there_are_any() -> None:
    assert simulated_time("2025-07-02T10:31:00-04:00") == "2025-07-02 10:31"
    assert simulated_time("2025-07-02T10:31:05-04:00") == "2025-07-02 10:31:05"
    assert simulated_time(None) == ""


def test_a_long_list_is_cut_and_counted() -> None:
    assert listing(["A", "B"]) == "A, B"
    assert listing([f"S{n}" for n in range(500)], 6) == "S0, S1, S2 … S499 (500 in all)"


def test_what_is_no_date_has_no_weekday() -> None:
    assert weekday("2025-07-02") == "Wed"
    assert weekday("soon") == ""
