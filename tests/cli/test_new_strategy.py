"""`sessionflow new-strategy`, and what it writes at work."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from actors.cli import main

ROOT: Final = Path(__file__).parents[2]
CATALOG: Final = ROOT / "data"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_what_is_written_runs_as_it_is_and_trades(tmp_path: Path) -> None:
    written = invoke("new-strategy", "my_breakout", "--output", tmp_path / "mine", "--catalog", CATALOG)
    assert written.exit_code == 0, written.output
    config = tmp_path / "mine" / "my_breakout.json"
    assert written.output.splitlines()[-1] == f"run it: sessionflow run {config}"
    run = invoke("run", config, "--inline", "--json", "--runs", tmp_path / "runs")
    assert run.exit_code == 0, run.output
    summary = json.loads(run.stdout)
    assert summary["signals"]["by_strategy"]["my_breakout"] > 0
    results = summary["results"]["my_breakout"]
    assert results["fills"] > 0
    assert results["refused"] == {}
    assert not [warning for warning in summary["warnings"] if "my_breakout" in warning]


def test_what_is_written_passes_the_checks_of_this_repository(tmp_path: Path) -> None:
    assert invoke("new-strategy", "my_breakout", "--output", tmp_path).exit_code == 0
    file = str(tmp_path / "my_breakout.py")
    cache = str(tmp_path / "cache")
    options = ("--config", "pyproject.toml", "--no-cache")
    for command in (
        ("ruff", "check", *options, "--ignore", "INP001", file),
        ("ruff", "format", "--check", *options, file),
        ("mypy", "--config-file", "pyproject.toml", "--cache-dir", cache, file),
    ):
        ran = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_catalog_is_named_as_seen_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "data" / "bars").mkdir(parents=True)
    result = invoke("new-strategy", "one", "--output", tmp_path / "a" / "b", "--catalog", tmp_path / "data")
    assert "holds no bars" not in result.output
    assert json.loads((tmp_path / "a" / "b" / "one.json").read_text())["catalog"]["path"] == "../../data"


def test_without_bars_it_says_how_to_make_some(tmp_path: Path) -> None:
    result = invoke("new-strategy", "one", "--output", tmp_path, "--catalog", tmp_path / "data")
    assert f"sessionflow data sample --output {tmp_path / 'data'}" in result.output


@pytest.mark.parametrize("there", ["one.py", "one.json"])
def test_a_file_that_is_there_stays_and_nothing_is_written(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("mine")
    result = invoke("new-strategy", "one", "--output", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path / there}: exists already; choose another name" in result.output
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


@pytest.mark.parametrize("name", ["My_Breakout", "1st", "a-b", "../up", "class", "", "a" * 41, "é"])
def test_a_name_that_cannot_be_a_module_is_refused(name: str, tmp_path: Path) -> None:
    result = invoke("new-strategy", "--output", tmp_path, "--", name)
    assert result.exit_code == 2
    assert "cannot name a strategy: write small letters" in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["strategy", "context", "bar", "needs", "fill"])
def test_a_name_whose_class_would_hide_one_that_it_needs_is_refused(name: str, tmp_path: Path) -> None:
    result = invoke("new-strategy", name, "--output", tmp_path)
    assert result.exit_code == 2
    assert "choose another name" in " ".join(result.output.split())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = invoke("new-strategy", "one", "--output", tmp_path / "file" / "folder")
    assert result.exit_code == 2
    assert "cannot write" in result.output
