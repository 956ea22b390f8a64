"""How bars travel changes nothing in what strategies see and do."""

from pathlib import Path

import pytest

from tests.pipeline.conftest import EXAMPLE, Ended, Runner, read_rows


def tables(ended: Ended) -> dict[Path, object]:
    folder = ended.run_folder / "tables"
    return {path.relative_to(folder): read_rows(path) for path in folder.rglob("*.parquet")}


def indicator_files(ended: Ended) -> dict[Path, bytes]:
    folder = ended.run_folder / "tables" / "indicators"
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--window-steps 1 --credit 1",
        "--window-steps 7 --credit 8",
        "--window-steps 256 --credit 1",
        "--speed 1000000",
        "--speed 60000 --window-steps 7",
        "--inline",
        "--inline --window-steps 1 --credit 8",
        "--inline --window-steps 7 --credit 1",
        "--inline --speed 1000000",
    ],
)
def test_neither_window_nor_credit_nor_speed_nor_processes_change_digests_or_tables(
    run: Runner, example: Ended, options: str
) -> None:
    ended = run(EXAMPLE, *options.split())
    assert ended.exit_code == 0, ended.stderr
    assert ended.summary["digest"] == example.summary["digest"]
    assert ended.summary["results"] == example.summary["results"]
    assert tables(ended) == tables(example)
    assert indicator_files(ended) == indicator_files(example) != {}
