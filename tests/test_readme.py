"""The README and the pages of docs/ are true: their commands run, their links lead somewhere, their tables
are whole.

Shell blocks are run as they stand, page by page, in a copy of what a checkout holds, whose `.venv` is the
environment of these tests. What would install or test again is checked for what it names instead.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from actors.cli import VERBS
from actors.domain.exit_codes import ExitCode

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"
PAGES: Final = (README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "README.md")
COPIED: Final = ("configs", "data", "scripts")
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
NOT_RUN: Final = re.compile(r"python3 -m venv|\.venv/bin/pip |make |uv |\.venv/bin/python -m pytest")
"""Commands that would install or test again."""


def blocks(page: Path, language: str) -> list[str]:
    found: list[tuple[str, str]] = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text for tag, text in found if tag == language]


def commands(page: Path) -> list[str]:
    """Take shell blocks apart into single commands."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [part.strip() for line in lines for part in line.split(" && ") if part.strip()]


def runnable(page: Path) -> list[str]:
    return [command for command in commands(page) if not NOT_RUN.match(command)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what commands read and write; `.venv` is the environment that runs the tests."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(command: str, folder: Path) -> str:
    environment = {**os.environ, "COLUMNS": "120"}
    ran = subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=lambda page: page.stem)
def test_every_command_of_a_page_succeeds_in_its_order(page: Path, checkout: Path) -> None:
    for command in runnable(page):
        run(command, checkout)


@pytest.mark.slow
def test_the_screen_in_the_readme_is_what_a_run_shows(checkout: Path) -> None:
    shown = run(runnable(README)[0], checkout)
    lines = [line.rstrip() for line in shown.splitlines()]
    for expected in filter(None, blocks(README, "text")[0].splitlines()):
        pattern = ".*".join(map(re.escape, expected.split("…")))
        assert any(re.fullmatch(pattern, line) for line in lines), f"{expected!r} is not in\n{shown}"


def test_the_readme_begins_with_install_run_and_test() -> None:
    install, extras, launch, tests, *_ = commands(README)
    assert install == "python3 -m venv .venv"
    assert extras == ".venv/bin/pip install -q -e '.[dev]'"
    assert launch == ".venv/bin/python scripts/launch.py configs/example_session.json"
    assert tests == ".venv/bin/python -m pytest"


def test_what_is_not_run_names_things_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "dev" in project["project"]["optional-dependencies"]
    assert all((ROOT / folder).is_dir() for folder in project["tool"]["pytest"]["ini_options"]["testpaths"])
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for page in PAGES for name in re.findall(r"`make (\w+)`", page.read_text(encoding="utf-8"))}
    assert {"run", "test", "bench"} <= named <= set(targets)


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                yield page, target


def test_every_link_leads_to_a_file_or_a_folder() -> None:
    dead = [
        f"{page.name}: {target}"
        for page, target in links()
        if not (page.parent / target.partition("#")[0]).exists()
    ]
    assert not dead


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached = {(README.parent / target).resolve() for page, target in links() if page == README}
    assert set(PAGES) <= reached | {README}


def test_the_readme_lists_every_exit_code_and_no_other() -> None:
    table = README.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [*map(int, ExitCode)]


def test_the_readme_lists_every_verb_and_no_other() -> None:
    table = README.read_text(encoding="utf-8").partition("## Commands")[2].partition("```")[0]
    cells = "".join(re.findall(r"^\|([^|]+)\|", table, re.MULTILINE))
    assert set(re.findall(r"`([\w-]+)", cells)) == set(VERBS)


def test_troubleshooting_has_a_chapter_for_every_failure() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    chapters = {int(code) for code in re.findall(r"^## (\d+):", page, re.MULTILINE)}
    assert chapters == set(map(int, ExitCode)) - {ExitCode.DONE, ExitCode.DIGEST_DIFFERS}
