"""`sessionflow data sample` and the files that it made."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from actors.cli.data import data
from actors.domain.sample import PLANTED

COMMITTED = Path(__file__).parents[2] / "data"


def files_below(catalog: Path) -> list[Path]:
    return sorted(path.relative_to(catalog) for path in catalog.rglob("*.parquet"))


def test_the_command_still_makes_the_committed_files(tmp_path: Path) -> None:
    result = CliRunner().invoke(data, ["sample", "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert files_below(tmp_path) == files_below(COMMITTED)
    for name in files_below(tmp_path):
        made, committed = pq.read_table(tmp_path / name), pq.read_table(COMMITTED / name)
        assert made.schema.equals(committed.schema, check_metadata=True)
        assert made.equals(committed)


def test_the_readme_lists_every_planted_defect_in_new_york_time_and_utc() -> None:
    rows = [line for line in (COMMITTED / "README.md").read_text().splitlines() if line.startswith("| ")]
    for planted in PLANTED:
        start = f"| {planted.symbol} | `{planted.kind}` | {planted.at}"
        matching = [row for row in rows if row.startswith(start)]
        assert len(matching) == 1
        assert utc_text(planted.open_ts) in matching[0]


def utc_text(stamp_ns: int) -> str:
    return f"{datetime.fromtimestamp(stamp_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def test_the_command_says_where_the_rows_are_and_that_they_are_synthetic(tmp_path: Path) -> None:
    result = CliRunner().invoke(data, ["sample", "--output", str(tmp_path)])
    lines = result.output.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("part-0.parquet: 10736 synthetic rows")


def test_a_folder_that_cannot_be_made_is_named_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    result = CliRunner().invoke(data, ["sample", "--output", str(tmp_path / "taken" / "below")])
    assert result.exit_code == 2
    assert "choose another folder" in result.output
    assert "taken" in result.output


@pytest.mark.parametrize("seed", ["-1", "x"])
def test_a_seed_that_is_no_count_is_refused(seed: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(data, ["sample", "--seed", seed, "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert files_below(tmp_path) == []
