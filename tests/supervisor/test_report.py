"""The report says what summary, tables and statistics say, in a page that loads and runs nothing else."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from actors.cli import main
from actors.domain.trading.equity_curve import EquityCurve
from actors.domain.trading.orders import Fill
from actors.domain.trading.statistics import Market, Result, statistics_of
from actors.domain.trading.trades import round_trips
from actors.results import Run
from actors.supervisor.report import build_document, write_report
from actors.supervisor.report.document import PAGE_BYTES
from actors.supervisor.report.folding import fold
from actors.supervisor.report.packing import packed_candles, packed_series, packed_times
from actors.supervisor.summary import Failure
from tests.plans import DAY, MINUTE, OPEN
from tests.written_runs import WrittenRun, walk

ROOT: Final = Path(__file__).parents[2]
VENDOR: Final = ROOT / "actors" / "supervisor" / "report" / "vendor"
BROWSER: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
EVIL: Final = "</script><img src=x onerror=alert(1)>"
Json = dict[str, Any]


def invoke(*arguments: str) -> Any:  # noqa: ANN401  click's result
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Run:
    runs = tmp_path_factory.mktemp("runs")
    config = ROOT / "configs" / "opening_range.json"
    result = invoke("run", str(config), "--inline", "--json", "--runs", str(runs))
    assert result.exit_code == 0, result.output
    return Run(runs / "latest")


@pytest.fixture(scope="module")
def document(example: Run) -> Json:
    return build_document(example, nothing)


def nothing(_: Json) -> int:
    """Say that the rest of a page takes no room."""
    return 0


# Reading back what a page's script reads


def unpacked(packed: Json) -> list[float | None]:
    level, found = 0, list[float | None]()
    for step in packed["steps"]:
        level += step or 0
        found.append(None if step is None else level / 10 ** packed["decimals"])
    return found


def unpacked_times(packed: Sequence[int]) -> list[int]:
    found = list(packed[:1])
    for step, count in zip(packed[1::2], packed[2::2], strict=True):
        for _ in range(count):
            found.append(found[-1] + step)
    return found


def unpacked_candles(stream: Json) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in ("open", "high", "low", "close")}
    last = 0
    for opened, high, low, close in zip(*(stream[n] for n in ("open", "high", "low", "close")), strict=True):
        first, last = last + opened, last + opened + close
        row = (first, max(first, last) + high, min(first, last) - low, last)
        for name, value in zip(found, row, strict=True):
            found[name].append(value / 10 ** stream["decimals"])
    return found


class Page(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.content = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(self.content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  the parser's signature
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open, []).append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def words(self) -> str:
        return "\n".join(
            text for tag, texts in self.texts.items() if tag not in ("script", "style") for text in texts
        )


def page_of(run: Run) -> Page:
    path = run.folder / "report.html"
    write_report(run, path)
    return Page(path)


# The document


def test_the_figures_are_those_of_the_summary(example: Run, document: Json) -> None:
    summary, figures = example.summary, document["figures"]
    bars = summary["bars"].values()
    assert figures["delivered"] == sum(counts["delivered"] for counts in bars) == 1971
    assert (figures["expected"], figures["missing"]) == (1980, 9)
    assert figures["quality"] == 100 * 1971 / 1980
    assert figures["signals"] == summary["signals"]["emitted"]
    (result,) = summary["results"].values()
    assert (figures["fills"], figures["approved"]) == (result["fills"], result["approved"])
    assert document["digest"] == summary["digest"]
    assert document["config"] == example.config


def test_the_statistics_are_those_of_the_tables(example: Run, document: Json) -> None:
    tables = example.folder / "tables" / "trading" / "opening_range"
    rows = pq.read_table(tables / "fills.parquet").to_pandas()
    fills = [
        Fill(r.order, r.symbol, r.event_ts.value, r.quantity, r.price, r.commission, r.slippage)
        for r in rows.itertuples()
    ]
    books = pq.read_table(tables / "equity.parquet").to_pandas()
    curve = EquityCurve(
        books["session"].astype("category").cat.codes.to_numpy(np.int64),
        books["event_ts"].astype("int64").to_numpy(),
        books["equity"].to_numpy(),
        books["exposure"].to_numpy(),
    )
    trades = round_trips(fills)
    expected = statistics_of(Result(50_000.0, curve, trades, fills), Market("America/New_York"))
    (strategy,) = document["strategies"]
    assert strategy["statistics"]["daily"]["sharpe"] == expected.daily.sharpe
    assert strategy["statistics"]["trades"]["pnl"] == expected.trades.pnl
    assert strategy["statistics"]["end_equity"] == example.summary["results"]["opening_range"]["equity"]
    assert [trade["pnl"] for trade in strategy["trades"]] == [trade.pnl for trade in trades]


def test_the_drawn_equity_has_the_drawdown_of_the_statistics(document: Json) -> None:
    (line,) = document["equity"]["lines"]
    deepest = document["strategies"][0]["statistics"]["intraday"]["max_drawdown"]
    drawn = [value for value in unpacked(line["drawdown"]) if value is not None]
    assert min(drawn) == pytest.approx(-deepest, abs=1e-6)
    assert unpacked(line["equity"])[-1] == pytest.approx(
        document["strategies"][0]["statistics"]["end_equity"], abs=0.005
    )


def test_every_candle_is_that_of_the_table_at_the_exchange_s_time(example: Run, document: Json) -> None:
    for scale in document["candles"]["scales"]:
        for symbol, stream in scale["streams"].items():
            bars = example.bars(symbol, scale["interval"]).to_pandas()
            local = bars["open_ts"].dt.tz_convert("America/New_York").dt.tz_localize(None)
            assert unpacked_times(stream["time"]) == (local.astype("int64") // 10**9).tolist()
            for name, values in unpacked_candles(stream).items():
                assert values == pytest.approx(bars[name].tolist())
            assert stream["volume"] == bars["volume"].tolist()
            assert [row[0] for row in stream["marks"]] == np.flatnonzero(bars["flags"]).tolist()


def test_signals_fills_gaps_and_scores_are_those_of_the_tables(example: Run, document: Json) -> None:
    (marks,) = document["marks"]
    assert len(marks["signals"]) == example.table("trading/opening_range/decisions").num_rows
    fills = example.table("trading/opening_range/fills").to_pandas()
    assert [row[1:] for row in marks["fills"]] == fills[["symbol", "quantity", "price"]].to_numpy().tolist()
    assert document["gaps"]["total"] == example.table("gaps").num_rows
    last = example.table("quality").to_pandas().groupby(["symbol", "session"])["score"].last()
    for row in document["quality"]["rows"]:
        assert row["scores"] == pytest.approx(last[row["symbol"]].tolist())


def test_findings_are_in_words(document: Json) -> None:
    texts = [finding["text"] for finding in document["findings"]]
    assert (
        "AAPL: quality 99.39%, 6 of 990 bars missing in 4 gaps; the longest, 3 bars, from 2025-07-02 11:15"
        in texts
    )
    assert "opening_range: 4 orders never filled (4 expired: the session is over)" in texts


def test_refused_signals_are_counted_by_reason(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run", ["A"])
    run.add_strategy("s")
    codes = ["PER_TRADE", "APPROVED", "PER_TRADE"]
    run.add_table("trading/s/decisions", {
        "session": run.dates * 3, "event_ts": run.steps()[:3], "symbol": ["A"] * 3, "action": ["BUY"] * 3,
        "quantity": [1.0] * 3, "code": codes, "detail": ["first", "", "other"], "reason": [""] * 3,
    })  # fmt: skip
    run.write()
    texts = [finding["text"] for finding in build_document(Run(run.folder), nothing)["findings"]]
    assert "s: 2 signals refused, PER_TRADE: beyond max_per_trade; the first time first" in texts


# Packing and folding


@given(st_numpy.arrays(np.float64, st.integers(0, 40), elements=st.floats(-1e5, 1e5) | st.just(np.nan)))
@settings(max_examples=60)
def test_a_packed_series_is_right_to_six_places(values: Any) -> None:  # noqa: ANN401  an array
    found = np.array([np.nan if value is None else value for value in unpacked(packed_series(values))])
    largest = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    np.testing.assert_allclose(found, values, rtol=0, atol=max(largest * 1e-5, 1e-9))


@given(st.lists(st.integers(1, 3), max_size=30))
@settings(max_examples=60)
def test_packed_times_are_exact(steps: list[int]) -> None:
    instants = 1_751_448_600 + np.cumsum(np.array([0, *steps], np.int64))
    assert unpacked_times(packed_times(instants)) == instants.tolist()


@given(seed=st.integers(0, 99), factor=st.sampled_from([2, 5, 60, None]))
@settings(max_examples=25)
def test_folded_bars_are_those_of_their_parts(seed: int, factor: int | None) -> None:
    columns = walk(["2025-07-02", "2025-07-03"], 33, 1, np.random.default_rng(seed))
    keep = np.sort(np.random.default_rng(seed).choice(66, 50, replace=False))
    columns = {name: column[keep] for name, column in columns.items()}
    folded = fold(columns, factor * MINUTE if factor else None)
    for row, (begin, end) in enumerate(zip(folded["open_ts"], folded["close_ts"], strict=True)):
        within = (columns["open_ts"] >= begin) & (columns["close_ts"] <= end)
        bars = {name: column[within] for name, column in columns.items()}
        assert len(set(bars["session"])) == 1
        assert (folded["open"][row], folded["close"][row]) == (bars["open"][0], bars["close"][-1])
        assert (folded["high"][row], folded["low"][row]) == (bars["high"].max(), bars["low"].min())
        assert folded["volume"][row] == bars["volume"].sum()
    assert folded["n_base"].sum() == len(keep)


def test_an_empty_stream_packs_to_nothing() -> None:
    columns = {name: np.array([]) for name in ("open", "high", "low", "close", "volume")}
    assert packed_candles(columns)["close"] == []


# Size


def month(folder: Path, symbols: Sequence[str], sessions: int = 21) -> WrittenRun:
    run = WrittenRun(folder, symbols, sessions)
    for interval in ("1m", "5m"):
        run.add_bars(interval)
    fills = [
        {"session": run.dates[0], "event_ts": int(stamp), "order": n,
         "symbol": symbols[n // 2 % len(symbols)], "quantity": 10.0 if n % 2 == 0 else -10.0,
         "price": 200.0 + n % 7, "commission": 1.0, "slippage": 0.0}
        for n, stamp in enumerate(run.steps()[:1200])
    ]  # fmt: skip
    run.add_strategy("s", fills)
    run.write()
    return run


def test_a_month_of_five_symbols_is_whole_and_below_two_megabytes(tmp_path: Path) -> None:
    run = Run(month(tmp_path / "run", "ABCDE").folder)
    size_bytes = write_report(run, tmp_path / "report.html")
    assert size_bytes < 2_000_000
    found = json.loads(re.findall(r'id="data">(.*?)</script>', (tmp_path / "report.html").read_text())[0])
    assert {scale["interval"]: len(scale["streams"]) for scale in found["candles"]["scales"]} == {
        "1m": 5,
        "5m": 5,
    }
    assert found["candles"]["left_out"] == []
    assert found["equity"]["kept"] < found["equity"]["steps"] == 8190
    words = Page(tmp_path / "report.html").words
    assert "The first 500 of 600 trades" in words
    assert "steps are drawn" in words


def test_what_there_is_no_room_for_is_named(tmp_path: Path) -> None:
    run = Run(month(tmp_path / "run", "ABCDE", 4).folder)
    document = build_document(run, lambda _: PAGE_BYTES - 130_000)
    whole, fewer = document["candles"]["scales"]
    assert (whole["interval"], len(whole["streams"])) == ("5m", 5)
    assert (fewer["interval"], list(fewer["streams"])) == ("1m", ["A", "B", "C", "D"])
    assert document["candles"]["left_out"] == [{"interval": "1m", "symbols": ["E"], "of": 5}]


def test_bars_are_joined_where_none_would_fit(tmp_path: Path) -> None:
    run = Run(month(tmp_path / "run", "ABCDE", 4).folder)
    document = build_document(run, lambda _: PAGE_BYTES - 10_000)
    joined = document["candles"]["scales"][0]
    assert (joined["interval"], list(joined["streams"])) == ("5m \u00d7 5", list("ABCDE"))
    assert sum(joined["streams"]["A"]["volume"]) == sum(run.bars("A", "5m")["volume"].to_pylist())
    assert {entry["interval"] for entry in document["candles"]["left_out"]} == {"5m", "1m"}


def test_thinned_equity_keeps_its_extremes(tmp_path: Path) -> None:
    run = Run(month(tmp_path / "run", ["A"]).folder)
    document = build_document(run, nothing)
    (line,) = document["equity"]["lines"]
    levels = run.table("trading/s/equity")["equity"].to_numpy()
    drawn = [value for value in unpacked(line["equity"]) if value is not None]
    assert (min(drawn), max(drawn), drawn[-1]) == pytest.approx((levels.min(), levels.max(), levels[-1]))
    deepest = document["strategies"][0]["statistics"]["intraday"]["max_drawdown"]
    assert min(value for value in unpacked(line["drawdown"]) if value is not None) == pytest.approx(
        -deepest, abs=1e-6
    )


# The page


def evil_run(folder: Path) -> Run:
    run = WrittenRun(folder, [EVIL, "B"])
    run.add_bars("1m")
    run.add_bars("5m")
    run.add_strategy("s")
    stamps = run.steps()[:1]
    run.add_table("trading/s/decisions", {
        "session": run.dates, "event_ts": stamps, "symbol": [EVIL], "action": ["BUY"], "quantity": [1.0],
        "code": [EVIL], "detail": [EVIL], "reason": [EVIL],
    })  # fmt: skip
    run.add_table("gaps", {
        "session": run.dates, "known_ts": stamps, "symbol": [EVIL], "interval": ["1m"],
        "from_ts": stamps - MINUTE, "to_ts": stamps, "count": [1],
    })  # fmt: skip
    run.write(warnings=[EVIL])
    return Run(folder)


def test_names_and_reasons_that_look_like_html_are_words(tmp_path: Path) -> None:
    run = evil_run(tmp_path / "run")
    page = page_of(run)
    assert page.count("img") == 0
    assert page.count("script") == 4
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert EVIL in page.words
    assert "<img" not in page.content
    data = json.loads(page.texts["script"][0])
    assert EVIL in data["candles"]["scales"][0]["streams"]
    assert data["marks"][0]["signals"][0][1] == EVIL


def test_no_request_leaves_the_page(example: Run) -> None:
    page = page_of(example)
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "data", "action", "poster", "background"} & set(attributes), tag
        assert tag not in ("link", "iframe", "object", "embed", "base", "img", "form")
        assert "href" not in attributes or tag == "a"
    styles = "".join(page.texts["style"])
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv")) or ""
    scripts = page.texts["script"][1:]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def test_the_charts_keep_their_licences(example: Run) -> None:
    words = page_of(example).words
    for text in (
        "TradingView Lightweight Charts",
        "Apache License",
        "Leon Sorokin",
        "https://www.tradingview.com/",
    ):
        assert text in words
    table = (VENDOR / "README.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\S+)` .* `([0-9a-f]{64})` \|$", table, re.MULTILINE))
    scripts = [path for path in VENDOR.iterdir() if path.suffix in (".js", ".css")]
    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in scripts}
    assert not any("</script" in path.read_text(encoding="utf-8").lower() for path in scripts)


def failed_run(folder: Path) -> Run:
    run = WrittenRun(folder, ["A"])
    run.strategies.append("s")
    run.write(failure=Failure(actor="loader", reason="it broke", log_tail=("last line",), advice="mend it"))
    return Run(folder)


def bare_run(folder: Path) -> Run:
    run = WrittenRun(folder, ["A"])
    run.add_bars("1m")
    run.write(intervals=["1m"])
    return Run(folder)


def short_run(folder: Path) -> Run:
    run = WrittenRun(folder, ["A"], minutes=1)
    run.add_bars("1m")
    run.add_strategy("one")
    run.add_strategy("two")
    run.write(intervals=["1m"])
    return Run(folder)


def silent_run(folder: Path) -> Run:
    """Give a run whose sessions had no bar, as where there is history only."""
    run = WrittenRun(folder, ["A"])
    empty = {name: column[:0] for name, column in walk(run.dates, 1, 1, np.random.default_rng(1)).items()}
    run.add_table("bars/interval=1m/symbol=A/part-00000", empty)
    run.add_table(
        "quality", {n: [] for n in ("session", "event_ts", "symbol", "interval", "expected", "missing")}
    )
    run.write(intervals=["1m"])
    return Run(folder)


VARIANTS: Final = {
    "failed": (failed_run, ["loader failed: it broke", "mend it", "last line", "There are no bars to show."]),
    "without strategies": (bare_run, ["390 steps", "No quality was measured"]),
    "one step, two strategies, no trades": (short_run, ["Strategy two", "There were none."]),
    "no bars": (silent_run, ["There are no bars to show."]),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_that_lacks_things_has_a_page_that_says_so(variant: str, tmp_path: Path) -> None:
    make, texts = VARIANTS[variant]
    words = page_of(make(tmp_path / "run")).words
    assert [text for text in texts if text not in words] == []
    assert "None" not in words
    assert "nan" not in words.split()


def test_what_is_not_known_is_null_in_the_document_of_a_failed_run(tmp_path: Path) -> None:
    document = build_document(failed_run(tmp_path / "run"), nothing)
    figures = document["figures"]
    assert {figures[name] for name in ("delivered", "quality", "signals", "fills")} == {None}
    assert document["candles"] is document["equity"] is document["quality"] is None


def test_bars_stay_in_order_when_the_clocks_are_set_back(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path / "run", ["A"])
    run.add_bars("1m")
    run.write(intervals=["1m"])
    plan = json.loads((run.folder / "plan.json").read_text())
    bars = Run(run.folder).bars("A", "1m").to_pandas()
    fall_back = 1_762_063_200_000_000_000
    """2025-11-02 06:00 UTC, when New York's clocks go from 02:00 to 01:00."""
    moved = bars["open_ts"].astype("int64") - OPEN + fall_back - DAY // 8
    columns = {name: bars[name].to_numpy() for name in bars} | {"open_ts": moved, "close_ts": moved + MINUTE}
    run.add_table("bars/interval=1m/symbol=A/part-00000", columns)
    plan["sessions"][0]["open_ns"] = fall_back - DAY // 8
    (run.folder / "plan.json").write_text(json.dumps(plan))
    stream = build_document(Run(run.folder), nothing)["candles"]["scales"][0]["streams"]["A"]
    assert stream["time"][1:] == [60, 389]


# The verb


def test_the_verb_writes_the_page_into_the_run_or_where_it_is_told(example: Run, tmp_path: Path) -> None:
    result = invoke("report", str(example.folder))
    assert result.exit_code == 0, result.output
    assert (example.folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "report.html" in result.output
    other = tmp_path / "other.html"
    assert (
        invoke("report", "latest", "--runs", str(example.folder.parent), "--output", str(other)).exit_code
        == 0
    )
    assert [path.name for path in tmp_path.iterdir()] == ["other.html"]
    assert other.read_bytes() == (example.folder / "report.html").read_bytes()


def test_a_page_that_cannot_be_made_is_an_error_in_words(example: Run, tmp_path: Path) -> None:
    nowhere = tmp_path / "none" / "report.html"
    result = invoke("report", str(example.folder), "--output", str(nowhere))
    assert (result.exit_code, "--output" in result.output) == (4, True)
    killed = tmp_path / "killed"
    shutil.copytree(example.folder, killed)
    (killed / "summary.json").unlink()
    result = invoke("report", str(killed))
    assert (result.exit_code, "summary.json" in result.output) == (4, True)


# In a browser


def drawn(run: Run, profile: Path) -> dict[str, str]:
    """Open the page without a window; give what its script says of itself."""
    assert BROWSER is not None
    write_report(run, run.folder / "report.html")
    options = (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        f"user-data-dir={profile}", "virtual-time-budget=10000", "dump-dom",
    )  # fmt: skip
    url = (run.folder / "report.html").as_uri()
    command = [BROWSER, *(f"--{option}" for option in options), url]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=90).stdout
    return dict(re.findall(r'data-([a-z]+)="([^"]*)"', shown[: shown.index("<head>")]))


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome in PATH")
@pytest.mark.parametrize(
    ("variant", "charts"),
    [("example", 3), ("evil", 3), ("failed", 0), ("short", 3), ("bare", 1)],
)
def test_a_browser_draws_the_page_without_an_error(
    variant: str, charts: int, example: Run, tmp_path: Path
) -> None:
    makers = {"evil": evil_run, "failed": failed_run, "short": short_run, "bare": bare_run}
    run = makers[variant](tmp_path / "run") if variant in makers else example
    told = drawn(run, tmp_path / "profile")
    assert told == {"drawn": "yes", "errors": "0", "charts": str(charts)}
