"""A check says of stored bars what a run over the same sessions says."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import pytest

from actors.domain.calendar_table import sessions_between
from actors.domain.check_request import CheckRequest
from actors.domain.errors import ConfigError, DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.domain.sample import PLANTED, Instrument, clean_bars, sample_metadata
from actors.domain.session_plan import Hours
from actors.runtime.calendars import Calendars
from actors.runtime.store import write_bars
from actors.supervisor.check_tally import CheckTally
from actors.supervisor.data_check import SessionVerdict, StreamCheck, Unchecked, run_check
from actors.supervisor.launch import LaunchOptions, launch

ROOT: Final = Path(__file__).resolve().parents[2]
FIRST, LAST = date(2025, 7, 2), date(2025, 7, 7)
MINUTE: Final = 60_000_000_000
DAY: Final = 1440 * MINUTE
Bars = dict[str, Any]


class Notebook:
    """Everything that a check says."""

    def __init__(self) -> None:
        self.found: list[tuple[StreamCheck, SessionVerdict]] = []
        self.unchecked: list[Unchecked] = []

    def add(self, check: StreamCheck, verdict: SessionVerdict) -> None:
        self.found.append((check, verdict))

    def leave_out(self, unchecked: Unchecked) -> None:
        self.unchecked.append(unchecked)

    def sessions(self, symbol: str) -> list[str]:
        return [verdict.session.date for check, verdict in self.found if check.symbol == symbol]


@pytest.fixture(scope="module")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    return Calendars(tmp_path_factory.mktemp("calendars"))


@pytest.fixture
def minutes(calendars: Calendars) -> Bars:
    """Clean minutes of one symbol on 2025-07-01 to 07-03."""
    sessions = sessions_between(calendars.table("XNYS", LAST), date(2025, 7, 1), date(2025, 7, 3))
    hours = tuple(Hours(session.open_ns, session.close_ns) for session in sessions)
    return clean_bars(Instrument("AAPL", 200.0, 0.0005, 0.005, 60_000), hours, 7)


def split(bars: Bars, at: int) -> Bars:
    """Divide all prices from a row on by seven."""
    return bars | {
        name: np.concatenate((bars[name][:at], bars[name][at:] / 7))
        for name in ("open", "high", "low", "close")
    }


def without(bars: Bars, start: int, stop: int) -> Bars:
    return {name: np.delete(values, slice(start, stop)) for name, values in bars.items()}


def store(
    catalog: Path, bars: Bars, symbol: str = "AAPL", interval: str = "1m", **notes: str
) -> tuple[Path, ...]:
    return write_bars(catalog, symbol, interval, bars, {**sample_metadata(7), **notes})


def check(calendars: Calendars, catalog: Path, **asked: Any) -> Notebook:  # noqa: ANN401  a request's fields
    notebook = Notebook()
    run_check(CheckRequest(catalog=catalog, **asked), calendars, notebook)
    return notebook


def run(catalog: Path, folder: Path, start: date, end: date) -> tuple[dict[str, Any], Path]:
    """Replay inline; give the summary and the folder of tables."""
    document = json.loads((ROOT / "configs" / "example_session.json").read_bytes())
    document["catalog"]["path"] = str(catalog)
    document["session_data_config"] |= {"historical": {}, "indicators": {}, "strategies": []}
    document["session_data_config"]["symbols"] = sorted(
        path.name.removeprefix("symbol=") for path in catalog.glob("bars/interval=1m/*")
    )
    path = folder / "session.json"
    path.write_text(json.dumps(document))
    stdout = io.StringIO()
    options = LaunchOptions(runs=folder / "runs", inline=True, as_json=True, stdout=stdout)
    assert launch(path, Overrides(start=str(start), end=str(end)), options) is ExitCode.DONE
    summary: dict[str, Any] = json.loads(stdout.getvalue())
    return summary, folder / "runs" / summary["run"] / "tables"


def rows_of(path: Path, *names: str) -> Counter[tuple[Any, ...]]:
    """Read some columns, instants as ns; a run without such rows has no such table."""
    if not path.exists():
        return Counter()
    table = pq.read_table(path)
    columns = [table[name].cast("int64") if name.endswith("_ts") else table[name] for name in names]
    return Counter(zip(*(column.to_pylist() for column in columns), strict=True))


def found_gaps(notebook: Notebook) -> Iterator[tuple[Any, ...]]:
    for stream, verdict in notebook.found:
        for gap in verdict.gaps:
            yield stream.symbol, gap.from_ts, gap.to_ts, gap.count


def found_defects(notebook: Notebook) -> Iterator[tuple[Any, ...]]:
    for stream, verdict in notebook.found:
        for defect in verdict.defects:
            place = defect.file, defect.row, defect.rows
            yield stream.symbol, defect.kind, defect.open_ts, *place, defect.detail


def assert_same(catalog: Path, folder: Path, start: date, end: date, calendars: Calendars) -> Notebook:
    """Compare a check with a run: the figures of its summary, its gaps and its defects."""
    summary, tables = run(catalog, folder, start, end)
    notebook = check(calendars, catalog, start=start, end=end)
    tally = CheckTally()
    for found in notebook.found:
        tally.add(*found)
    for totals in tally.streams:
        symbol, counted = totals.check.symbol, totals.counted
        assert summary["bars"][symbol] == {
            "expected": totals.expected,
            "delivered": totals.delivered,
            "missing": counted["missing"],
            "duplicates": counted["duplicate_same"] + counted["duplicate_conflict"],
            "rejected": counted["off_grid"] + counted["outside_session"] + counted["bad_ohlc"],
            "filled": 0,
        }
        assert summary["quality"][symbol] == totals.rounded_score
        assert summary["gaps"][symbol] == totals.gaps
    gaps, defects = tables / "gaps.parquet", tables / "defects.parquet"
    assert rows_of(gaps, "symbol", "from_ts", "to_ts", "count") == Counter(found_gaps(notebook))
    assert rows_of(defects, "symbol", "kind", "open_ts", "file", "row", "rows", "detail") == Counter(
        found_defects(notebook)
    )
    return notebook


def test_the_sample_is_judged_as_a_run_judges_it(calendars: Calendars, tmp_path: Path) -> None:
    notebook = assert_same(ROOT / "data", tmp_path, FIRST, LAST, calendars)
    assert notebook.sessions("AAPL") == ["2025-07-02", "2025-07-03", "2025-07-07"]
    assert notebook.unchecked == []


@pytest.mark.parametrize(
    "planted", PLANTED, ids=lambda planted: f"{planted.symbol}-{planted.kind}-{planted.at}"
)
def test_every_planted_defect_is_found(planted: Any, calendars: Calendars) -> None:  # noqa: ANN401
    notebook = check(calendars, ROOT / "data", start=FIRST, end=LAST)
    if planted.kind == "missing":
        gap = (planted.symbol, planted.open_ts, planted.open_ts + planted.minutes * MINUTE, planted.minutes)
        assert gap in set(found_gaps(notebook))
    else:
        known = {defect[:3] for defect in found_defects(notebook)}
        assert (planted.symbol, planted.kind, planted.open_ts) in known


@pytest.mark.parametrize("at", [390 + 17, 390, 600], ids=["in a session", "first night", "second night"])
@pytest.mark.parametrize("start", [date(2025, 7, 1), date(2025, 7, 2)], ids=str)
def test_a_split_is_found_once_by_check_and_run(
    at: int, start: date, calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog"
    bars = without(minutes, 500, 680) if at == 600 else minutes
    store(catalog, split(bars, at))
    notebook = assert_same(catalog, tmp_path, start, date(2025, 7, 3), calendars)
    jumps = [defect[4] for defect in found_defects(notebook) if defect[1] == "jump"]
    assert jumps == [at]


def test_bars_of_extended_hours_are_a_defect_or_two_a_session_and_count_one_by_one(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    stamps = minutes["open_ts"]
    early = stamps[(stamps - stamps[0]) % DAY < 300 * MINUTE] - 300 * MINUTE
    opens = np.sort(np.concatenate((stamps, early)))
    whole = {name: np.full(len(opens), 10.0) for name in minutes} | {"open_ts": opens}
    whole["close_ts"] = opens + MINUTE
    store(tmp_path / "catalog", whole)
    notebook = assert_same(tmp_path / "catalog", tmp_path, date(2025, 7, 1), date(2025, 7, 3), calendars)
    found = [(verdict.quality.outside_session, len(verdict.defects)) for _, verdict in notebook.found]
    assert found == [(300, 1), (300, 1), (210, 1)]
    assert [verdict.defect_rows for _, verdict in notebook.found] == [300, 300, 210]
    assert [verdict.rows for _, verdict in notebook.found] == [690, 690, 420]


def test_without_dates_all_sessions_that_storage_reaches_are_judged(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    store(tmp_path, minutes)
    store(tmp_path, without(minutes, 0, 400), symbol="LATE")
    notebook = check(calendars, tmp_path)
    assert notebook.sessions("AAPL") == ["2025-07-01", "2025-07-02", "2025-07-03"]
    assert notebook.sessions("LATE") == ["2025-07-02", "2025-07-03"]
    assert notebook.found[-2][1].quality.missing == 10


def test_one_date_bounds_what_storage_reaches(calendars: Calendars, minutes: Bars, tmp_path: Path) -> None:
    store(tmp_path, minutes)
    assert check(calendars, tmp_path, start=date(2025, 7, 2)).sessions("AAPL") == ["2025-07-02", "2025-07-03"]
    assert check(calendars, tmp_path, end=date(2025, 7, 1)).sessions("AAPL") == ["2025-07-01"]
    (nothing,) = check(calendars, tmp_path, start=date(2025, 7, 7)).unchecked
    assert nothing.reason == "nothing is stored of these sessions"


def test_sessions_of_which_nothing_is_stored_are_missing_between_two_dates(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    store(tmp_path, minutes)
    *_, (_, last) = check(calendars, tmp_path, start=FIRST, end=LAST).found
    assert (last.session.date, last.quality.expected, last.quality.missing) == ("2025-07-07", 390, 390)


def test_only_the_streams_that_are_asked_for_are_judged(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    store(tmp_path, minutes)
    store(tmp_path, minutes, symbol="RIVN")
    store(tmp_path, minutes, interval="5m")
    notebook = check(calendars, tmp_path, symbols=("AAPL",), intervals=("1m",))
    assert {(stream.symbol, stream.interval) for stream, _ in notebook.found} == {("AAPL", "1m")}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"symbols": ("TSLA", "AAPL")}, r"no bars of symbol TSLA; it holds AAPL\. Correct --symbol"),
        ({"intervals": ("1s",)}, r"no bars of interval 1s; it holds 1m"),
    ],
)
def test_what_is_not_stored_is_named_with_what_is(
    asked: Any,  # noqa: ANN401  a request's fields
    message: str,
    calendars: Calendars,
    minutes: Bars,
    tmp_path: Path,
) -> None:
    store(tmp_path, minutes)
    with pytest.raises(DataError, match=message):
        check(calendars, tmp_path, **asked)


def test_a_calendar_is_never_guessed(calendars: Calendars, minutes: Bars, tmp_path: Path) -> None:
    write_bars(tmp_path, "AAPL", "1m", minutes, {"source": "nowhere"})
    (unchecked,) = check(calendars, tmp_path).unchecked
    assert unchecked.reason == "its files name no calendar; state it, as in --calendar XNYS"
    assert check(calendars, tmp_path, calendar="US_EQUITY").sessions("AAPL")[0] == "2025-07-01"


def test_a_stated_calendar_takes_the_place_of_the_one_in_the_files(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    store(tmp_path, minutes)
    found = check(calendars, tmp_path, calendar="24/7").found
    assert {stream.table.name for stream, _ in found} == {"24/7"}
    assert found[1][1].quality.expected == 1440


def test_a_calendar_that_there_is_not_is_refused_where_it_was_stated(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    store(tmp_path, minutes, calendar="XNYC")
    (unchecked,) = check(calendars, tmp_path).unchecked
    assert "'XNYC'" in unchecked.reason
    with pytest.raises(ConfigError, match=r"--calendar: .*'XNYD'"):
        check(calendars, tmp_path, calendar="XNYD")


def test_extended_hours_that_nobody_knows_leave_a_stream_unchecked(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    store(tmp_path, minutes, calendar="XLON")
    (unchecked,) = check(calendars, tmp_path, extended_hours=True).unchecked
    assert unchecked.reason == "calendar XLON: extended hours are known for US equities only"


def test_on_the_clock_hours_are_expected_on_the_hour(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    opens = minutes["open_ts"]
    store(
        tmp_path,
        {name: values[opens % (60 * MINUTE) == 0] for name, values in minutes.items()},
        interval="1h",
    )
    for align, missing in (("clock", [1, 1, 1]), ("session", [7, 7, 4])):
        found = check(calendars, tmp_path, align=align).found
        assert [verdict.quality.missing for _, verdict in found] == missing


def test_dates_without_a_session_are_refused(calendars: Calendars, minutes: Bars, tmp_path: Path) -> None:
    store(tmp_path, minutes)
    with pytest.raises(ConfigError, match="no session from 2025-07-04 to 2025-07-06"):
        check(calendars, tmp_path, start=date(2025, 7, 4), end=date(2025, 7, 6))


def test_a_damaged_file_is_named_and_the_other_streams_are_judged(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    (path,) = store(tmp_path, minutes)
    store(tmp_path, minutes, symbol="RIVN")
    path.write_bytes(path.read_bytes()[:-9])
    notebook = check(calendars, tmp_path)
    assert [(entry.symbol, "cut short" in entry.reason) for entry in notebook.unchecked] == [("AAPL", True)]
    assert len(notebook.sessions("RIVN")) == 3


def test_damage_that_only_reading_shows_ends_that_stream_alone(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    (path,) = store(tmp_path, minutes)
    store(tmp_path, minutes, symbol="RIVN")
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(bytes(content))
    notebook = check(calendars, tmp_path)
    assert [entry.symbol for entry in notebook.unchecked] == ["AAPL"]
    assert len(notebook.sessions("RIVN")) == 3


def test_bars_longer_than_a_session_are_left_out_with_the_reason(
    calendars: Calendars, minutes: Bars, tmp_path: Path
) -> None:
    store(tmp_path, minutes, interval="1w")
    (unchecked,) = check(calendars, tmp_path).unchecked
    assert "longer than a session" in unchecked.reason
