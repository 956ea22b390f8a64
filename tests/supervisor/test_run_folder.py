import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.runtime.locks import is_held, take_lock
from actors.runtime.private_files import replace_file
from actors.supervisor.run_folder import (
    PACKAGES,
    SOCKETS_PREFIX,
    RunFolder,
    RunFolderError,
    _unused_folder,
    environment,
    remove_stale_sockets,
)

NAME = re.compile(r"\d{8}-\d{6}-(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)-[0-9a-f]{4}")
CATALOG = Path("/catalog")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the machine's temporary folder a test's own place."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    folder = RunFolder(tmp_path / "runs", "Example Session", CATALOG)
    yield folder
    folder.close()


def test_a_new_run_has_folders_of_its_own_a_private_one_for_sockets_and_holds_both(run: RunFolder) -> None:
    places = run.places
    assert all(folder.is_dir() for folder in (places.logs, places.journal, places.tables))
    assert places.sockets.stat().st_mode & 0o777 == 0o700
    assert is_held(places.folder / "lock")
    assert is_held(places.sockets / "lock")
    assert (places.catalog, run.name) == (CATALOG, places.folder.name)


def test_closing_removes_the_sockets_keeps_the_run_and_lets_go_of_the_locks(tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    run = RunFolder(tmp_path, "x", CATALOG)
    run.close()
    assert not run.places.sockets.exists()
    assert not is_held(run.places.folder / "lock")
    assert psutil.Process().num_fds() == before


def test_removing_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    RunFolder(tmp_path / "runs", "x", CATALOG).remove()
    assert list((tmp_path / "runs").iterdir()) == []
    assert list(temporary.iterdir()) == []


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_any_session_name_makes_a_plain_folder_name(tmp_path: Path, session_name: str) -> None:
    run = RunFolder(tmp_path, session_name, CATALOG)
    run.close()
    match = NAME.fullmatch(run.name)
    assert match is not None
    assert len(match["slug"]) <= 40


def test_runs_that_start_in_the_same_second_each_get_a_folder(tmp_path: Path) -> None:
    """Of 1000 endings of four hex digits some are drawn twice, as good as always."""
    folders = [_unused_folder(tmp_path, "20250702-120000-same") for _ in range(1000)]
    assert len(set(folders)) == len(list(tmp_path.glob("20250702-*"))) == 1000


@pytest.mark.parametrize(
    ("session_name", "slug"),
    [
        ("Example Trading Session", "example-trading-session"),
        ("../../etc", "etc"),
        ("日本", "run"),
        ("", "run"),
        ("a" * 39 + " b", "a" * 39),
    ],
)
def test_the_name_keeps_what_is_plain_in_the_sessions_name(
    tmp_path: Path, session_name: str, slug: str
) -> None:
    run = RunFolder(tmp_path, session_name, CATALOG)
    run.close()
    match = NAME.fullmatch(run.name)
    assert match is not None
    assert match["slug"] == slug


def test_latest_points_at_the_newest_run_by_a_relative_link(tmp_path: Path) -> None:
    for number in range(3):
        run = RunFolder(tmp_path, f"s{number}", CATALOG)
        run.become_latest()
        run.close()
        assert (tmp_path / "latest").readlink() == Path(run.name)
        assert (tmp_path / "latest").resolve() == run.places.folder.resolve()
    assert not list(tmp_path.glob(".latest-*"))


def test_a_folder_called_latest_is_not_replaced_and_the_error_says_what_to_do(
    tmp_path: Path, run: RunFolder
) -> None:
    (tmp_path / "runs" / "latest" / "precious").mkdir(parents=True)
    with pytest.raises(RunFolderError, match=r"latest cannot point at the new run .*: remove it"):
        run.become_latest()
    assert (tmp_path / "runs" / "latest" / "precious").is_dir()
    assert not list((tmp_path / "runs").glob(".latest-*"))


def test_a_place_that_cannot_hold_runs_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    before = psutil.Process().num_fds()
    with pytest.raises(RunFolderError, match=f"cannot make a run folder in {file} .*--runs DIR"):
        RunFolder(file, "x", CATALOG)
    assert psutil.Process().num_fds() == before


def test_where_no_sockets_can_be_made_nothing_is_left_and_tmpdir_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    before = psutil.Process().num_fds()
    with pytest.raises(RunFolderError, match=r"cannot make a folder for sockets .*set TMPDIR"):
        RunFolder(tmp_path / "runs", "x", CATALOG)
    assert list((tmp_path / "runs").iterdir()) == []
    assert psutil.Process().num_fds() == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(json_values, min_size=1, max_size=3))
def test_json_is_read_back_and_only_the_last_version_is_there(run: RunFolder, versions: list[Any]) -> None:
    for version in versions:
        run.write_json("status.json", version)
        assert json.loads((run.places.folder / "status.json").read_text()) == version
    assert not list(run.places.folder.glob(".status*"))


def test_who_reads_a_file_while_it_is_replaced_keeps_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    replace_file(path, b"old" * 1000)
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old" * 1000
    assert path.read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_old_version(tmp_path: Path, run: RunFolder) -> None:
    run.write_json("status.json", {"state": "running"})
    with pytest.raises(TypeError):
        run.write_json("status.json", {"state": object()})
    (run.places.folder / ".status.json.tmp").mkdir()
    with pytest.raises(RunFolderError, match=r"status\.json cannot be written to the run folder"):
        run.write_json("status.json", {"state": "done"})
    assert json.loads((run.places.folder / "status.json").read_text()) == {"state": "running"}
    assert tmp_path.exists()


def socket_folder(temporary: Path, *, lock: bool) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=SOCKETS_PREFIX, dir=temporary))
    if lock:
        (folder / "lock").touch()
    (folder / "command").touch()
    return folder


def test_what_a_killed_supervisor_left_is_removed(temporary: Path) -> None:
    folder = socket_folder(temporary, lock=True)
    remove_stale_sockets()
    assert not folder.exists()


def test_what_a_living_supervisor_holds_is_left_alone(temporary: Path) -> None:
    folder = socket_folder(temporary, lock=True)
    lock = take_lock(folder / "lock")
    remove_stale_sockets()
    assert folder.exists()
    os.close(lock)
    remove_stale_sockets()
    assert not folder.exists()


def test_what_has_no_lock_of_ours_is_left_alone(temporary: Path) -> None:
    folder = socket_folder(temporary, lock=False)
    plain = temporary / f"{SOCKETS_PREFIX}notes"
    plain.write_text("mine")
    remove_stale_sockets()
    assert folder.exists()
    assert plain.exists()


def test_a_link_is_never_followed(temporary: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "lock").touch()
    link = temporary / f"{SOCKETS_PREFIX}link"
    link.symlink_to(precious)
    remove_stale_sockets()
    assert (precious / "lock").exists()


def test_no_folder_for_sockets_is_ever_seen_without_its_lock_held(temporary: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs", "a", tmp_path)
    (sockets,) = temporary.iterdir()
    assert sockets == run.places.sockets
    assert sockets.name.startswith(SOCKETS_PREFIX)
    assert is_held(sockets / "lock")
    assert sockets.stat().st_mode & 0o777 == 0o700
    run.close()
    assert list(temporary.iterdir()) == []


def test_the_environment_has_versions_and_no_names_or_paths() -> None:
    found = environment()
    assert set(found["packages"]) == set(PACKAGES)
    assert all(found["packages"].values())
    text = json.dumps(found)
    assert "/" not in text
    assert str(Path.home().name) not in text.split('"')
