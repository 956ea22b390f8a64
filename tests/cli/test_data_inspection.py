"""`sessionflow data list` and `sessionflow data check`, as a user calls them."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from actors.cli.data import data
from actors.domain.exit_codes import ExitCode
from actors.domain.sample import INSTRUMENTS, sample_bars, sample_metadata
from actors.runtime.calendars import CACHE_VARIABLE
from actors.runtime.store import write_bars

SAMPLE: Final = Path(__file__).resolve().parents[2] / "data"
SHOWN: Final = ("--start", "2025-07-02", "--end", "2025-07-07")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401  a generator
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


def call(verb: str, *args: str | Path, catalog: Path = SAMPLE, columns: int = 100) -> Result:
    command = [verb, "--catalog", str(catalog), *map(str, args)]
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(data, command)


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_list_has_a_row_for_every_stream_and_marks_what_is_synthetic() -> None:
    result = call("list")
    assert result.exit_code == ExitCode.DONE, result.output
    assert "AAPL 1m  2025-06-02 13:30Z  2025-07-11 19:59Z  10,736      1" in result.stdout
    assert "SYNTHETIC" in result.stdout
    assert "label open, adjustment none, calendar XNYS" in " ".join(result.stdout.split())


def test_the_list_is_one_json_document() -> None:
    streams = document(call("list", "--json"))["streams"]
    assert [(each["symbol"], each["interval"], each["rows"]) for each in streams] == [
        ("AAPL", "1m", 10_736),
        ("RIVN", "1m", 10_739),
    ]
    first = streams[0]
    assert (first["first"], first["last"]) == ("2025-06-02T13:30:00Z", "2025-07-11T19:59:00Z")
    assert first["files"] == 1
    assert first["size_bytes"] > 100_000
    assert first["synthetic"] is True
    assert first["metadata"]["label"] == ["open"]


@pytest.mark.parametrize("verb", ["list", "check"])
def test_a_catalog_that_is_not_there_is_missing_data(verb: str, tmp_path: Path) -> None:
    result = call(verb, catalog=tmp_path / "nowhere")
    assert result.exit_code == ExitCode.DATA_MISSING
    assert "nowhere: is no catalog" in result.stderr


@pytest.mark.parametrize("verb", ["list", "check"])
def test_an_empty_catalog_is_missing_data(verb: str, tmp_path: Path) -> None:
    (tmp_path / "bars").mkdir()
    result = call(verb, catalog=tmp_path)
    assert result.exit_code == ExitCode.DATA_MISSING
    assert "holds no bars" in result.stderr


@pytest.mark.parametrize("verb", ["list", "check"])
def test_a_damaged_file_is_named_after_what_can_be_read(verb: str, tmp_path: Path) -> None:
    for instrument in INSTRUMENTS:
        paths = write_bars(tmp_path, instrument.symbol, "1m", sample_bars(instrument, 7), sample_metadata(7))
    paths[0].write_bytes(b"PAR1")
    result = call(verb, catalog=tmp_path)
    assert result.exit_code == ExitCode.DATA_MISSING
    assert "AAPL 1m" in result.stdout
    assert "symbol=RIVN/year=2025/part-0.parquet" in "".join(result.stdout.split())


@pytest.mark.parametrize("columns", [80, 140])
def test_a_check_shows_totals_sessions_gaps_and_defects(columns: int) -> None:
    result = call("check", *SHOWN, columns=columns)
    assert result.exit_code == ExitCode.DONE, result.output
    words = " ".join(result.stdout.split())
    for expected in (
        "XNYS (America/New_York) 2025-07-02 … 2025-07-07",
        "AAPL 1m 3 990 984 6 99.39% 4 1 same, 1 bad OHLC",
        "2025-07-03 half AAPL 1m 208/210 2 99.05% 2 1 bad OHLC",
        "AAPL 1m 2025-07-02 11:15:00 11:18:00 15:15:00Z to 15:18:00Z 3",
        "RIVN 1m 2025-07-07 10:26:00 out_of_order: stored after 2025-07-07T14:27:00Z (row 8847 of",
    ):
        assert expected in words


def test_a_check_is_one_json_document_with_a_line_for_every_session() -> None:
    result = call("check", *SHOWN, "--json")
    found = document(result)
    assert len(result.stdout.splitlines()) == 2 + 6
    assert [(each["symbol"], each["date"], each["expected"]) for each in found["sessions"]][:3] == [
        ("AAPL", "2025-07-02", 390),
        ("AAPL", "2025-07-03", 210),
        ("AAPL", "2025-07-07", 390),
    ]
    assert found["sessions"][0]["gaps"] == [
        {
            "from": "2025-07-02T15:15:00Z",
            "to": "2025-07-02T15:18:00Z",
            "from_local": "2025-07-02T11:15:00-04:00",
            "to_local": "2025-07-02T11:18:00-04:00",
            "count": 3,
        }
    ]
    (defect,) = found["sessions"][1]["defects"]
    assert (defect["kind"], defect["row"], defect["rows"], defect["open_local"]) == (
        "bad_ohlc",
        8711,
        1,
        "2025-07-03T11:44:00-04:00",
    )
    assert [(each["symbol"], each["delivered"], each["score"]) for each in found["streams"]] == [
        ("AAPL", 984, 99.39),
        ("RIVN", 987, 99.7),
    ]
    assert found["unchecked"] == []


@pytest.mark.parametrize("args", [(), ("--json",)])
@pytest.mark.parametrize(("score", "code"), [("99.39", ExitCode.DONE), ("99.4", ExitCode.DATA_MISSING)])
def test_a_score_below_the_bound_is_an_exit_code(score: str, code: ExitCode, args: tuple[str, ...]) -> None:
    assert call("check", *SHOWN, "--min-score", score, *args).exit_code == code


def test_a_jump_ratio_may_be_stated() -> None:
    found = document(call("check", *SHOWN, "--symbol", "RIVN", "--jump-ratio", "1.002", "--json"))
    assert found["streams"][0]["jump"] > 0


def test_a_file_of_corporate_actions_explains_what_would_be_a_jump(tmp_path: Path) -> None:
    file = tmp_path / "actions.csv"
    file.write_text("date,symbol,split,dividend\n2025-07-03,AAPL,0.25,\n")
    result = call("check", *SHOWN, "--corporate-actions", file)
    words = " ".join(result.stdout.split())
    assert "Suspected splits 1 AAPL 1m 2025-07-03 4:1" in words
    assert "Suspected splits" not in call("check", *SHOWN).stdout
    file.write_text("date,symbol,split,dividend\n2025-07-03,AAPL,4:1,\n")
    refused = call("check", *SHOWN, "--corporate-actions", file)
    assert refused.exit_code == ExitCode.DATA_MISSING
    assert "line 2, split: '4:1' is no number" in refused.stderr
    assert call("check", "--corporate-actions", tmp_path / "none.csv").exit_code == ExitCode.CONFIGURATION


def test_json_without_a_session_is_a_document_too(tmp_path: Path) -> None:
    write_bars(tmp_path, "AAPL", "1m", sample_bars(INSTRUMENTS[0], 7), {})
    result = call("check", "--json", catalog=tmp_path)
    found = document(result)
    assert result.exit_code == ExitCode.DATA_MISSING
    assert (found["sessions"], found["streams"]) == ([], [])
    assert found["unchecked"][0]["symbol"] == "AAPL"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--start", "2025-07-07", "--end", "2025-07-02"), "exchange the two"),
        (("--start", "yesterday"), "--start"),
        (("--interval", "5x"), "'5x' is not an interval"),
        (("--calendar", "XNYC"), "--calendar"),
        (("--min-score", "101"), "--min-score"),
        (("--align", "hour"), "--align"),
        (
            ("--calendar", "XHKG", "--extended-hours"),
            "calendar XHKG: extended hours are known for US equities",
        ),
        (("--calendar", "CRYPTO", "--extended-hours"), "calendar 24/7: extended hours are known for US"),
        (("--start", "2025-07-04", "--end", "2025-07-06"), "has no session"),
    ],
)
def test_options_that_cannot_be_are_refused(args: tuple[str, ...], message: str) -> None:
    result = call("check", *args)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert message in result.stderr
    assert result.stdout == ""


def test_the_page_shows_what_a_check_shows() -> None:
    page = (SAMPLE.parent / "docs" / "data_check.md").read_text(encoding="utf-8")
    example = page.partition("```text\n")[2].partition("```")[0]
    shown = call("check", "--symbol", "AAPL", *SHOWN).stdout
    lines = {line.rstrip() for line in shown.splitlines()}
    assert {line for line in example.splitlines() if line} <= lines
