import os
from pathlib import Path

import pytest

from actors.runtime.private_files import (
    NotPrivate,
    read_private,
    replace_file,
    require_plain_run,
    require_private_folder,
    write_new,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "private"
    path.mkdir(mode=0o700)
    return path


def test_a_folder_of_ours_that_is_closed_to_others_is_private(folder: Path) -> None:
    require_private_folder(folder)


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o704, 0o755, 0o777, 0o720])
def test_a_folder_that_is_open_to_anyone_else_is_refused_with_advice(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(NotPrivate, match=f"open to others \\({mode:o}\\): run `chmod 700 {folder}`"):
        require_private_folder(folder)


def test_a_link_a_file_and_nothing_are_no_folder(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    write_new(tmp_path / "file", b"")
    for path in (link, tmp_path / "file"):
        with pytest.raises(NotPrivate, match="must be a folder, and no symbolic link"):
            require_private_folder(path)
    with pytest.raises(NotPrivate, match="cannot be looked at: No such file"):
        require_private_folder(tmp_path / "nothing")


def test_what_belongs_to_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_new(folder / "key", b"secret")
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    for check in (lambda: require_private_folder(folder), lambda: read_private(folder / "key")):
        with pytest.raises(NotPrivate, match=f"belongs to user {owner}, not to you"):
            check()
    with pytest.raises(NotPrivate, match="belongs to another user"):
        require_plain_run(folder)


def test_a_new_file_is_private_whatever_the_umask_and_never_overwritten(folder: Path) -> None:
    before = os.umask(0)
    try:
        write_new(folder / "key", b"secret")
    finally:
        os.umask(before)
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert read_private(folder / "key") == b"secret"
    with pytest.raises(FileExistsError):
        write_new(folder / "key", b"other")
    (folder / "link").symlink_to(folder / "elsewhere")
    with pytest.raises(FileExistsError):
        write_new(folder / "link", b"other")
    assert not (folder / "elsewhere").exists()


def test_a_private_file_is_not_read_through_a_link_nor_where_others_may_read_it(folder: Path) -> None:
    write_new(folder / "key", b"secret")
    (folder / "link").symlink_to(folder / "key")
    with pytest.raises(NotPrivate, match="no symbolic link to one"):
        read_private(folder / "link")
    os.mkfifo(folder / "pipe", 0o600)
    with pytest.raises(NotPrivate, match="must be a file"):
        read_private(folder / "pipe")
    (folder / "key").chmod(0o640)
    with pytest.raises(NotPrivate, match=r"open to others \(640\)"):
        read_private(folder / "key")


def test_replacing_a_file_writes_through_no_link_that_was_laid_out_for_it(folder: Path) -> None:
    victim = folder / "victim"
    victim.write_bytes(b"mine")
    (folder / ".status.json.tmp").symlink_to(victim)
    (folder / "status.json").symlink_to(victim)
    replace_file(folder / "status.json", b"new")
    assert victim.read_bytes() == b"mine"
    assert (folder / "status.json").read_bytes() == b"new"
    assert not (folder / "status.json").is_symlink()


@pytest.mark.parametrize("place", ["control.json", "logs", "logs/evil.log", "tables/bars"])
def test_a_link_in_a_run_that_would_lead_what_is_written_elsewhere_is_refused(
    folder: Path, tmp_path: Path, place: str
) -> None:
    for part in ("logs", "journal", "tables"):
        (folder / part).mkdir()
    require_plain_run(folder)
    path = folder / place
    if path.is_dir():
        path.rmdir()
    path.symlink_to(tmp_path)
    with pytest.raises(NotPrivate, match=f"{path} is a symbolic link"):
        require_plain_run(folder)


def test_a_run_that_is_a_link_itself_is_refused_until_it_is_resolved(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(folder)
    with pytest.raises(NotPrivate, match="is a symbolic link"):
        require_plain_run(link)
    require_plain_run(link.resolve())
