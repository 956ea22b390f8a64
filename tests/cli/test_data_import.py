"""`sessionflow data import`: what is stored, what is refused and what is said; killed at any moment."""

import csv
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from actors.cli import main
from actors.domain.screening import VALUES, StoredRows
from actors.runtime.store import Catalog

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data"
NEW_YORK = ZoneInfo("America/New_York")
HEADER = "timestamp,open,high,low,close,volume"
KNOWN = ("--format", "csv", "--symbol", "A", "--interval", "1m")
STATED = (*KNOWN, "--label", "open", "--tz", "America/New_York")
MINUTE = 60 * 10**9
PROGRAM = "from actors.cli import main; main()"


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def written(folder: Path, rows: Iterable[str], name: str = "a.csv", header: str = HEADER) -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows, ""]))
    return path


def invoke(path: Path | tuple[Path, ...], catalog: Path, *options: str) -> Result:
    paths = [str(each) for each in (path if isinstance(path, tuple) else (path,))]
    return CliRunner().invoke(main, ["data", "import", *paths, "--catalog", str(catalog), *options])


def imported(path: Path | tuple[Path, ...], catalog: Path, *options: str) -> list[dict[str, Any]]:
    result = invoke(path, catalog, *options, "--json")
    assert result.exit_code == 0, result.output
    files: list[dict[str, Any]] = json.loads(result.stdout)["files"]
    return files


def stored(catalog: Path, symbol: str = "A", interval: str = "1m") -> StoredRows:
    return Catalog(catalog).read(symbol, interval, -(2**63), 2**63 - 1)


def everything(catalog: Path) -> dict[str, bytes]:
    return {
        path.relative_to(catalog).as_posix(): path.read_bytes()
        for path in sorted(catalog.rglob("*"))
        if path.is_file() and path.name != ".import.lock"
    }


# what is stored


@pytest.mark.parametrize(("label", "shift"), [("open", 0), ("close", MINUTE)])
def test_stamps_are_those_of_open_or_close_as_said_on_both_sides_of_a_clock_change(
    tmp_path: Path, label: str, shift: int
) -> None:
    path = written(tmp_path, ["2025-03-07 15:59:00,1,4,0.5,2,10", "2025-03-10 09:30:00,2,5,1.5,3,20"])
    options = (*KNOWN, "--label", label, "--tz", "America/New_York", "--adjustment", "split")
    imported(path, tmp_path / "catalog", *options)
    opens = [utc("2025-03-07 20:59") - shift, utc("2025-03-10 13:30") - shift]
    rows = stored(tmp_path / "catalog")
    assert rows.open_ts.tolist() == opens
    assert [rows.columns[name].tolist() for name in VALUES] == [[1, 2], [4, 5], [0.5, 1.5], [2, 3], [10, 20]]
    table = pq.read_table(next((tmp_path / "catalog").rglob("*.parquet")), partitioning=None)
    assert table["close_ts"].cast("int64").to_pylist() == [at + MINUTE for at in opens]
    facts = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert {name: facts[name] for name in ("source", "label", "timezone", "adjustment")} == {
        "source": "a.csv",
        "label": label,
        "timezone": "America/New_York",
        "adjustment": "split",
    }
    (entry,) = json.loads(facts["imports"])
    assert (entry["format"], entry["rows"]) == ("csv", 2)


@pytest.mark.parametrize(
    ("zone", "row"),
    [
        ("America/New_York", "2025-07-03,1,4,0.5,2,10"),
        ("UTC", "2025-07-03T04:00:00Z,1,4,0.5,2,10"),
        ("America/New_York", "1751515200,1,4,0.5,2,10"),
    ],
)
def test_a_bar_of_a_day_is_placed_at_its_session_of_the_calendar(tmp_path: Path, zone: str, row: str) -> None:
    path = written(tmp_path, [row])
    options = ("--format", "csv", "--symbol", "A", "--interval", "1d", "--tz", zone)
    imported(path, tmp_path / "catalog", *options, "--calendar", "XNYS")
    table = pq.read_table(next((tmp_path / "catalog").rglob("*.parquet")), partitioning=None)
    assert table["open_ts"].cast("int64").to_pylist() == [utc("2025-07-03 13:30")]
    assert table["close_ts"].cast("int64").to_pylist() == [utc("2025-07-03 17:00")]
    holiday = written(tmp_path, ["2025-07-04,1,4,0.5,2,10", "2025-07-03,1,4,0.5,2,10"])
    refused = invoke(holiday, tmp_path / "catalog", *options, "--calendar", "XNYS")
    assert refused.exit_code == 4
    assert "1 row cannot be taken" in refused.output
    assert "2025-07-04 is no session of XNYS" in refused.output


def test_a_file_imported_twice_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, ["2025-07-02 09:30:00,1,2,1,2,3", "2026-01-05 09:30:00,1,2,1,2,3"])
    first = invoke(path, tmp_path / "catalog", *STATED)
    assert "2 new, 0 known, 0 changed" in first.output
    before = everything(tmp_path / "catalog")
    assert sorted(before) == [
        f"bars/interval=1m/symbol=A/year={year}/part-0.parquet" for year in (2025, 2026)
    ]
    again = invoke(path, tmp_path / "catalog", *STATED)
    assert "0 new, 2 known, 0 changed" in again.output
    assert everything(tmp_path / "catalog") == before


def test_files_that_overlap_merge_and_the_later_one_wins(tmp_path: Path) -> None:
    first = written(tmp_path, [f"2025-07-02 09:{at}:00,1,2,1,2,{at}" for at in range(30, 50)], "one.csv")
    second = written(tmp_path, [f"2025-07-02 09:{at}:00,1,2,1,1.5,{at}" for at in range(38, 59)], "two.csv")
    files = imported((first, second), tmp_path / "catalog", *STATED)
    (one,), (two,) = (file["streams"] for file in files)
    assert (one["added"], two["added"], two["known"], two["changed"]) == (20, 9, 0, 12)
    assert len(two["conflicts"]) == 10
    at_0938 = {"open_ts": utc("2025-07-02 13:38"), "column": "close", "stored": 2.0, "imported": 1.5}
    assert two["conflicts"][0] == at_0938
    rows = stored(tmp_path / "catalog")
    assert rows.columns["volume"].tolist() == list(range(30, 59))
    assert rows.columns["close"].tolist() == [2.0] * 8 + [1.5] * 21
    said = invoke(first, tmp_path / "catalog", *STATED).output
    assert "2025-07-02 13:38:00Z: close 1.5 is now 2.0" in said


def test_of_rows_with_one_time_in_a_file_the_later_is_taken_and_said(tmp_path: Path) -> None:
    path = written(tmp_path, ["2025-07-02 09:30:00,1,2,1,2,3", "2025-07-02 09:30:00,1,2,1,2,4"])
    (stream,) = imported(path, tmp_path / "catalog", *STATED)[0]["streams"]
    assert (stream["rows"], stream["added"], stream["repeated"]) == (2, 1, 1)
    assert stream["conflicts"][0]["imported"] == 4.0
    assert stored(tmp_path / "catalog").columns["volume"].tolist() == [4.0]


def test_bars_off_the_grid_are_imported_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, ["2025-07-02 09:30:17,1,2,1,2,3", "2025-07-02 09:31:00,1,2,1,2,3"])
    result = invoke(path, tmp_path / "catalog", *STATED)
    assert "1 open at no multiple of 1m" in result.output
    assert len(stored(tmp_path / "catalog").open_ts) == 2


def test_a_file_of_many_symbols_gives_all_or_the_one_that_is_asked_for(tmp_path: Path) -> None:
    header = "ticker,volume,open,close,high,low,window_start,transactions"
    rows = [f"{name},1,2,3,4,1,1751463000000000000,5" for name in ("A", "B", "BRK/B")]
    path = written(tmp_path, rows, header=header)
    options = ("--format", "polygon", "--interval", "1m")
    imported(path, tmp_path / "one", *options, "--symbol", "B")
    assert Catalog(tmp_path / "one").symbols() == ("B",)
    imported(path, tmp_path / "all", *options)
    assert Catalog(tmp_path / "all").symbols() == ("A", "B", "BRK/B")
    none = invoke(path, tmp_path / "none", *options, "--symbol", "C")
    assert none.exit_code == 4
    assert "holds no bars of C, but of A, B, BRK/B" in none.output


# what is refused


def test_what_is_not_said_is_asked_for_with_the_readings_of_the_first_rows(tmp_path: Path) -> None:
    path = written(tmp_path, ["2025-07-02 09:30:00,1,2,1,2,3"])
    for options, option, reading in (
        (KNOWN, "--tz", "13:30:00 UTC with --tz America/New_York"),
        (KNOWN, "--label", "2025-07-02 09:29:00 to 09:30:00 with --label close"),
        ((*KNOWN, "--tz", "UTC"), "--label", "2025-07-02 09:30:00 to 09:31:00 with --label open"),
        (KNOWN[:4], "--interval", "how long a bar is"),
    ):
        result = invoke(path, tmp_path / "catalog", *options)
        assert result.exit_code == 2
        assert f"{path}: " in result.output
        assert option in result.output
        assert reading in result.output
    assert not (tmp_path / "catalog").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((*STATED[:-1], "America/Gotham"), "--tz: 'America/Gotham' is no time zone"),
        (
            ("--format", "csv", "--symbol", "A", "--interval", "7m"),
            "--interval: a catalog does not take '7m'",
        ),
        (("--format", "alpaca", "--label", "close"), "--label: alpaca files are labelled by open"),
        (("--format", "polygon", "--tz", "Asia/Tokyo"), "--tz: polygon files are in UTC"),
        ((*STATED, "--calendar", "XNYS"), "--calendar: is for bars of a day"),
        ((*STATED, "--calendar", "XGOT"), "--calendar: "),
        (
            ("--format", "csv", "--symbol", "A", "--interval", "1d", "--tz", "UTC"),
            "--calendar: a bar of a day",
        ),
        (("--format", "csv"), "--interval: the file does not say how long a bar is"),
    ],
)
def test_wrong_options_are_refused_with_exit_code_2(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    path = written(tmp_path, ["2025-07-02 09:30:00,1,2,1,2,3"])
    result = invoke(path, tmp_path / "catalog", *options)
    assert result.exit_code == 2, result.output
    assert message in result.output


FAULTY = [
    "2025-07-02 09:30:00,1,2,1,2,3",
    "2025-07-02 09:31:00,1,2,1,-2,3",
    "2025-07-02 09:32:00,1,0.5,1,1,3",
    "2025-07-02 09:33:00,1,2,1,,3",
    "2025-07-02 09:34:00,1,2,1,nan,3",
    "half past nine,1,2,1,2,3",
    "2025-07-02 09:36:00,1,2",
    "2025-03-09 02:30:00,1,2,1,2,3",
    "2025-07-02 09:29:00,1,2,1,2,9",
    "2025-07-02 09:38:00,1,inf,1,2,3",
    "2025-07-02 09:39:00,1,2,1,2,4",
]
REASONS = {
    3: "close -2.0",
    4: "high 0.5 < low 1.0",
    5: "close is no number",
    6: "close is no number",
    7: "'half past nine' is no time",
    8: "has 3 fields",
    9: "America/New_York has no 2025-03-09 02:30:00",
    10: "unsorted",
    11: "high inf",
}


def test_faulty_rows_are_shown_and_nothing_is_imported(tmp_path: Path) -> None:
    good = written(tmp_path, ["2025-07-01 09:30:00,1,2,1,2,3"], "good.csv")
    path = written(tmp_path, FAULTY)
    result = invoke((good, path), tmp_path / "catalog", *STATED)
    assert result.exit_code == 4
    assert f"{path}: 9 rows cannot be taken" in result.output
    for row, reason in REASONS.items():
        assert f"row {row}: {reason}" in result.output
        assert FAULTY[row - 2] in result.output
    assert "--on-defect quarantine" in result.output
    assert not (tmp_path / "catalog").exists()


def test_only_the_first_of_many_faulty_rows_are_shown(tmp_path: Path) -> None:
    path = written(tmp_path, [f"2025-07-02 09:{at}:00,1,2,1,-2,3" for at in range(10, 60)])
    output = invoke(path, tmp_path / "catalog", *STATED).output
    assert output.count("close -2.0") == 10
    assert "and 40 more" in output


def test_in_quarantine_faulty_rows_are_kept_and_unsorted_ones_sorted_in(tmp_path: Path) -> None:
    path = written(tmp_path, FAULTY)
    (file,) = imported(path, tmp_path / "catalog", *STATED, "--on-defect", "quarantine")
    (stream,) = file["streams"]
    assert (file["quarantined"], stream["rows"], stream["unsorted"]) == (8, 3, 1)
    rows = stored(tmp_path / "catalog")
    assert rows.open_ts.tolist() == [utc(f"2025-07-02 13:{minute}") for minute in (29, 30, 39)]
    assert rows.columns["volume"].tolist() == [9.0, 3.0, 4.0]
    with Path(file["quarantine"]).open(newline="") as opened:
        kept = list(csv.DictReader(opened))
    assert sorted(int(row["row"]) for row in kept) == [3, 4, 5, 6, 7, 8, 9, 11]
    assert all(row["content"] == FAULTY[int(row["row"]) - 2] for row in kept)
    assert Path(file["quarantine"]).parent == tmp_path / "catalog" / "quarantine"
    before = everything(tmp_path / "catalog")
    assert imported(path, tmp_path / "catalog", *STATED, "--on-defect", "quarantine")[0]["quarantined"] == 8
    assert everything(tmp_path / "catalog") == before


def test_an_hour_that_comes_twice_and_cannot_be_told_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, ["2025-11-02 00:59:00,1,2,1,2,3", "2025-11-02 01:30:00,1,2,1,2,3"])
    result = invoke(path, tmp_path / "catalog", *STATED)
    assert result.exit_code == 4
    assert "row 3: America/New_York has 2025-11-02 01:30:00 twice" in result.output


@pytest.mark.parametrize("name", ["missing.csv", "empty.csv", "folder", "binary.csv", "header.csv"])
def test_a_wrong_file_is_named_with_exit_code_4(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "header.csv").write_text(HEADER)
    result = invoke(tmp_path / name, tmp_path / "catalog", *STATED)
    assert result.exit_code == 4, result.output
    assert str(tmp_path / name) in result.output
    assert not (tmp_path / "catalog").exists()


def test_a_catalog_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, ["2025-07-02 09:30:00,1,2,1,2,3"])
    (tmp_path / "taken").touch()
    result = invoke(path, tmp_path / "taken" / "catalog", *STATED)
    assert result.exit_code == 4
    assert "taken" in result.output


def test_bars_of_another_adjustment_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, ["2025-07-02 09:30:00,1,2,1,2,3"])
    imported(path, tmp_path / "catalog", *STATED, "--adjustment", "none")
    before = everything(tmp_path / "catalog")
    result = invoke(path, tmp_path / "catalog", *STATED, "--adjustment", "split")
    assert result.exit_code == 4
    assert "import them into another catalog" in result.output
    assert everything(tmp_path / "catalog") == before
    imported(path, tmp_path / "catalog", *STATED)


# whole imports


def export(folder: Path, symbol: str) -> Path:
    """Write the sample's bars as another program would: by close, New York time, two columns for the time."""
    rows = stored(SAMPLE, symbol)
    path = folder / f"{symbol}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Date", "Time", "Open", "High", "Low", "Close", "Volume"])
        for at, stamp in enumerate(rows.open_ts.tolist()):
            close = datetime.fromtimestamp(stamp // 10**9, NEW_YORK) + timedelta(minutes=1)
            values = [repr(float(rows.columns[name][at])) for name in VALUES]
            writer.writerow([f"{close:%Y-%m-%d}", f"{close:%H:%M:%S}", *values])
    return path


def test_a_run_over_an_imported_catalog_delivers_what_one_over_the_original_does(tmp_path: Path) -> None:
    """The one row with high below low is refused by the import, as the run rejects it."""
    for symbol in ("AAPL", "RIVN"):
        path = export(tmp_path, symbol)
        options = ("--format", "csv", "--symbol", symbol, "--interval", "1m", "--label", "close")
        imported(
            path, tmp_path / "catalog", *options, "--tz", "America/New_York", "--on-defect", "quarantine"
        )
    summaries = [run_over(catalog, tmp_path / "runs") for catalog in (SAMPLE, tmp_path / "catalog")]
    for summary in summaries:
        delivered = {symbol: bars["delivered"] for symbol, bars in summary["bars"].items()}
        assert delivered == {"AAPL": 984, "RIVN": 987}
    assert summaries[0]["digest"]["signals"] == summaries[1]["digest"]["signals"]


def run_over(catalog: Path, runs: Path) -> Any:  # noqa: ANN401  a summary
    config = str(ROOT / "configs" / "example_session.json")
    options = ["--inline", "--json", "--catalog", str(catalog), "--runs", str(runs)]
    words = [sys.executable, "-c", PROGRAM, "run", config, *options]
    return json.loads(subprocess.run(words, check=True, capture_output=True, cwd=ROOT).stdout)


def year_rows(year: int, volume: int) -> list[str]:
    start = datetime(year, 6, 2, 9, 30, tzinfo=UTC)
    return [f"{start + timedelta(minutes=at):%Y-%m-%d %H:%M:%S},1,2,1,2,{volume + at}" for at in range(2_000)]


def command(path: Path, catalog: Path) -> list[str]:
    return [sys.executable, "-c", PROGRAM, "data", "import", str(path), "--catalog", str(catalog), *STATED]


@pytest.mark.slow
def test_killed_at_any_moment_every_year_is_as_before_or_as_after_and_a_rerun_completes(
    tmp_path: Path,
) -> None:
    years = range(2016, 2026)
    old = written(tmp_path, [row for year in years for row in year_rows(year, 0)[::2]], "old.csv")
    new = written(tmp_path, [row for year in years for row in year_rows(year, 5)], "new.csv")
    imported(old, tmp_path / "before", *STATED)
    shutil.copytree(tmp_path / "before", tmp_path / "after")
    subprocess.run(command(new, tmp_path / "after"), check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    before, after = everything(tmp_path / "before"), everything(tmp_path / "after")
    dice = random.Random(7)
    for attempt in range(6):
        catalog = tmp_path / f"killed-{attempt}"
        shutil.copytree(tmp_path / "before", catalog)
        kill_after(command(new, catalog), catalog / dice.choice(sorted(before)), dice.randrange(2000))
        found = everything(catalog)
        for name in before:
            assert found[name] in {before[name], after[name]}
        assert len(stored(catalog).open_ts) in range(10_000, 20_001)
        imported(new, catalog, *STATED)
        assert everything(catalog) == after


def kill_after(words: list[str], watched: Path, turns: int) -> None:
    """Kill a command a little after it has replaced a file."""
    old = watched.stat().st_ino
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None and turns:
        turns -= watched.stat().st_ino != old
    process.kill()
    process.wait()


def test_imports_at_once_into_one_year_lose_no_row(tmp_path: Path) -> None:
    rows = year_rows(2025, 0)
    paths = [written(tmp_path, rows[part::3], f"{part}.csv") for part in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(
            pool.map(
                lambda path: subprocess.run(
                    command(path, tmp_path / "catalog"), check=True, cwd=ROOT, stdout=subprocess.DEVNULL
                ),
                paths,
            )
        )
    found = stored(tmp_path / "catalog")
    assert found.columns["volume"].tolist() == list(range(2_000))
    assert bool((np.diff(found.open_ts) > 0).all())
