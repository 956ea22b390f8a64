"""The cache of compiled calendars."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.calendar_table import CalendarTable
from actors.runtime.calendar_compiler import UnknownCalendar
from actors.runtime.calendars import CACHE_VARIABLE, Calendars, cache_folder

NAME = "24/7"
LAST = date(2025, 7, 7)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calendars")
    Calendars(folder).table(NAME, LAST)
    return folder


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def assert_same(one: CalendarTable, other: CalendarTable) -> None:
    for field, value in vars(one).items():
        assert np.array_equal(value, getattr(other, field)), field


def test_a_cached_table_is_the_compiled_one(tmp_path: Path) -> None:
    compiled = Calendars(tmp_path).table("XHKG", LAST)
    cached = Calendars(tmp_path).table("XHKG", LAST)

    assert_same(compiled, cached)


def test_a_cached_table_is_read_without_exchange_calendars_and_pandas(cache: Path) -> None:
    program = (
        "import sys; from datetime import date; from pathlib import Path;"
        "from actors.runtime.calendars import Calendars;"
        f"table = Calendars(Path({str(cache)!r})).table({NAME!r}, date(2025, 7, 7));"
        "assert len(table) > 10_000;"
        "assert not {'pandas', 'exchange_calendars'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_finished_cache_holds_one_file_per_calendar_and_nothing_unfinished(cache: Path) -> None:
    file = only_file(cache)

    assert file.suffix == ".msgpack"
    assert file.name.startswith("24%2F7-")


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_damaged_file_is_made_anew(cache: Path, data: st.DataObject) -> None:
    file = only_file(cache)
    sound = file.read_bytes()
    place = data.draw(st.integers(0, len(sound) - 1))
    damaged = data.draw(st.sampled_from(["flipped", "cut", "empty"]))
    file.write_bytes(
        {
            "flipped": sound[:place] + bytes([sound[place] ^ 0xFF]) + sound[place + 1 :],
            "cut": sound[:place],
            "empty": b"",
        }[damaged]
    )

    table = Calendars(cache).table(NAME, LAST)

    assert table.name == NAME
    assert only_file(cache).read_bytes() == sound


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")

    table = Calendars(in_the_way).table(NAME, LAST)

    assert len(table) > 10_000
    assert in_the_way.read_text() == "not a folder"


def test_a_day_beyond_the_cached_end_gives_the_table_that_can_be_had(cache: Path) -> None:
    table = Calendars(cache).table(NAME, date(2100, 1, 1))

    assert not table.covers(date(2100, 1, 1))
    assert table.covers(LAST)


def test_an_unknown_calendar_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnknownCalendar):
        Calendars(tmp_path / "cache").table("NOWHERE", LAST)

    assert not (tmp_path / "cache").exists()


def test_the_folder_is_the_one_in_the_environment_or_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/sessionflow/calendars"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg/sessionflow/calendars"

    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own/calendars"
