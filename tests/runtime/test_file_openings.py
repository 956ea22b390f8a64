import subprocess
import sys
from pathlib import Path

import pytest

from actors.runtime.file_openings import FileOpenings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which files are opened")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "within").mkdir()
    for name in ("one", "two words", "within/three"):
        (tmp_path / name).write_text("x")
    return tmp_path


def test_files_are_told_that_were_opened_since_the_last_time_by_whatever_program(folder: Path) -> None:
    with FileOpenings([folder]) as openings:
        assert openings.take() == frozenset()
        (folder / "one").read_text()
        subprocess.run(["cat", "two words"], cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S607
        assert openings.take() == {folder / "one", folder / "two words"}
        assert openings.take() == frozenset()


def test_neither_folders_nor_files_further_down_are_told(folder: Path) -> None:
    with FileOpenings([folder]) as openings:
        assert len(list(folder.rglob("*"))) == 4
        (folder / "within" / "three").read_text()
        assert openings.take() == frozenset()


def test_a_folder_that_is_not_there_is_passed_over(folder: Path) -> None:
    with FileOpenings([folder / "nothing", folder / "within"]) as openings:
        (folder / "within" / "three").read_text()
        assert openings.take() == {folder / "within" / "three"}
