"""The tables of what indicators gave, against what the strategy was given at every bar."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.analysis import Analysis
from actors.domain.bar_views import Bar
from actors.domain.session_plan import IndicatorSpec, Session, SessionPlan, StrategySpec, Stream
from actors.domain.strategy import Context, Needs, Strategy, StrategyParams
from actors.runtime.store import ParquetTables
from protocol.blocks import BAR_DTYPE, Bars
from protocol.messages import RunEnd, SealedWindow
from tests.plans import MINUTE, make_plan, make_session
from tests.windows import make_windows

STEPS: Final = 20
SYMBOLS: Final = ("RIVN", "AAPL", "BRK/B")
DATES: Final = ("2025-07-01", "2025-07-02", "2025-07-03", "2025-07-07")
DESERTED: Final = 1
"""A session without a bar."""
SPECS: Final = (
    IndicatorSpec("sma", "1m", {"period": 25}),
    IndicatorSpec("macd", "1m", {"fast": 2, "slow": 4, "signal": 2}),
    IndicatorSpec("vwap", "1m", {}),
    IndicatorSpec("bbands", "5m", {"period": 3, "num_std": 2.5}),
    IndicatorSpec("pivot_points", "5m", {}),
)
STREAMS: Final = tuple(
    Stream(number, symbol, interval, label, "", base, history_sessions=1)
    for number, (symbol, interval, label, base) in enumerate(
        [
            *((symbol, "1m", "STREAMED", None) for symbol in SYMBOLS),
            *((symbol, "5m", "GENERATED", base) for base, symbol in enumerate(SYMBOLS)),
        ]
    )
)
PLAN: Final = make_plan(
    [make_session(index, STEPS, DATES[index + 1]) for index in range(-1, 3)],
    STREAMS,
    indicator_tables=True,
)
COLUMNS: Final = {
    "1m": [
        "sma_25_1m",
        "macd_fast=2_signal=2_slow=4_1m.macd",
        "macd_fast=2_signal=2_slow=4_1m.signal",
        "macd_fast=2_signal=2_slow=4_1m.histogram",
        "vwap_1m",
    ],
    "5m": [
        *(f"bbands_3_num_std=2.5_5m.{band}" for band in ("upper", "middle", "lower")),
        *(f"pivot_points_5m.{level}" for level in ("pp", "r1", "r2", "r3", "s1", "s2", "s3")),
    ],
}


def bars_of(session: Session, seed: int) -> Bars:
    """Make the bars of a session, with holes, in the order of delivery; some trade nothing."""
    rng = np.random.default_rng([seed, session.index + 1])
    blocks = []
    for stream in STREAMS:
        minutes = int(stream.interval[0])
        bars = np.zeros(STEPS // minutes, BAR_DTYPE)
        bars["stream"] = stream.id
        bars["open_ts"] = session.open_ns + minutes * MINUTE * np.arange(len(bars))
        bars["close_ts"] = bars["open_ts"] + minutes * MINUTE
        bars["low"], bars["open"], bars["close"], bars["high"] = np.sort(
            rng.uniform(9, 11, (4, len(bars))), axis=0
        )
        bars["volume"] = rng.integers(0, 3, len(bars))
        blocks.append(bars[rng.random(len(bars)) < 0.7 * (session.index != DESERTED)])
    bars = np.concatenate(blocks)
    return bars[np.lexsort((bars["stream"], bars["close_ts"]))]


def windows_of(seed: int, cuts: set[int]) -> list[SealedWindow]:
    return make_windows(PLAN, STEPS, lambda session: bars_of(session, seed), cuts)


class Diary(Strategy[StrategyParams]):
    """Write down at every bar what its interval's indicators give for its symbol."""

    def __init__(self, specs: tuple[IndicatorSpec, ...] = SPECS) -> None:
        super().__init__(StrategyParams())
        self.specs = specs
        self.rows: dict[str, list[list[Any]]] = {"1m": [], "5m": []}

    def needs(self) -> Needs:
        return Needs(indicators=self.specs)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        values = [ctx.indicator(spec.key, bar.symbol) for spec in self.specs if spec.interval == bar.interval]
        row: list[Any] = [ctx.session.date, ctx.now, bar.symbol]
        for value, width in zip(values, (1, 3, 1) if bar.interval == "1m" else (3, 7), strict=True):
            row += [None] * width if value is None else [value] if width == 1 else [*value]
        self.rows[bar.interval].append(row)


def record(
    folder: Path, windows: list[SealedWindow], strategy: Strategy[Any], plan: SessionPlan = PLAN
) -> None:
    """Run a strategy by the name of `mine` to the end of the run."""
    spec = StrategySpec("mine", "analysis-mine", "x:Y", {})
    role = Analysis(spec.actor, plan, strategy, spec, ParquetTables(folder))
    for message in (*windows, RunEnd(0, "", "")):
        list(role.on_message(message))


def rows_of(path: Path) -> list[list[Any]]:
    table = pq.read_table(path)
    table = table.set_column(1, "event_ts", table["event_ts"].cast(pa.int64()))
    return [list(row.values()) for row in table.to_pylist()]


def files_below(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.sets(st.integers(1, STEPS - 1)))
def test_the_tables_hold_what_the_strategy_was_given_at_every_bar_in_its_order(
    seed: int, cuts: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, diary = tmp_path_factory.mktemp("tables"), Diary()
    record(folder, windows_of(seed, cuts), diary)
    for interval, rows in diary.rows.items():
        assert rows_of(folder / "indicators" / "mine" / f"{interval}.parquet") == rows
        assert {row[0] for row in rows} == {DATES[1], DATES[3]}


def test_there_is_no_value_before_an_indicator_is_warm_and_one_at_every_bar_from_then_on(
    tmp_path: Path,
) -> None:
    record(tmp_path, windows_of(3, {7}), Diary())
    table = pq.read_table(tmp_path / "indicators" / "mine" / "1m.parquet")
    assert 0 < table["sma_25_1m"].null_count < table.num_rows
    for symbol in SYMBOLS:
        known = [row["sma_25_1m"] is not None for row in table.to_pylist() if row["symbol"] == symbol]
        held = np.count_nonzero(bars_of(PLAN.history[0], 3)["stream"] == SYMBOLS.index(symbol))
        assert known.index(True) == 25 - held - 1
        assert all(known[known.index(True) :])
    assert table["macd_fast=2_signal=2_slow=4_1m.signal"].null_count == 0


def test_columns_are_named_after_keys_and_outputs_and_are_numbers(tmp_path: Path) -> None:
    record(tmp_path, windows_of(0, set()), Diary())
    for interval, names in COLUMNS.items():
        schema = pq.read_schema(tmp_path / "indicators" / "mine" / f"{interval}.parquet")
        assert schema.names == ["session", "event_ts", "symbol", *names]
        instant = pa.timestamp("ns", tz="UTC")
        assert schema.types == [pa.string(), instant, pa.string(), *[pa.float64()] * len(names)]


def test_files_do_not_depend_on_how_windows_are_cut(tmp_path: Path) -> None:
    cuts = {"whole": set[int](), "steps": set(range(STEPS)), "sevens": {7, 14}}
    for name, places in cuts.items():
        record(tmp_path / name, windows_of(1, places), Diary())
    whole, *others = (files_below(tmp_path / name) for name in cuts)
    assert [name for name in whole if name.startswith("indicators")] == [
        "indicators/mine/1m.parquet",
        "indicators/mine/5m.parquet",
    ]
    assert all(other == whole for other in others)


def test_nothing_bears_its_name_before_the_end_of_the_run(tmp_path: Path) -> None:
    spec = StrategySpec("mine", "analysis-mine", "x:Y", {})
    role = Analysis(spec.actor, PLAN, Diary(), spec, ParquetTables(tmp_path))
    for window in windows_of(0, set()):
        role.on_message(window)
        assert list(tmp_path.rglob("*.parquet")) == []
    role.on_message(RunEnd(0, "", ""))
    assert len(list((tmp_path / "indicators").rglob("*.parquet"))) == 2


def test_a_run_that_is_interrupted_has_the_values_so_far(tmp_path: Path) -> None:
    windows, diary = windows_of(2, {5, 9}), Diary()
    record(tmp_path, windows[: len(windows) // 2 - 1], diary)
    for interval, rows in diary.rows.items():
        assert rows
        assert rows_of(tmp_path / "indicators" / "mine" / f"{interval}.parquet") == rows


def test_a_run_that_ends_in_its_history_has_tables_with_columns_and_no_row(tmp_path: Path) -> None:
    record(tmp_path, windows_of(2, set())[:1], Diary())
    for interval, names in COLUMNS.items():
        table = pq.read_table(tmp_path / "indicators" / "mine" / f"{interval}.parquet")
        assert (table.num_rows, table.column_names[3:]) == (0, names)


@pytest.mark.parametrize(
    ("specs", "tables"), [((), True), (SPECS, False)], ids=["no indicators", "switched off"]
)
def test_without_indicators_or_with_the_setting_off_nothing_is_written(
    tmp_path: Path, specs: tuple[IndicatorSpec, ...], *, tables: bool
) -> None:
    plan = make_plan((*PLAN.history, *PLAN.sessions), STREAMS, indicator_tables=tables)

    class Needy(Strategy[StrategyParams]):
        def needs(self) -> Needs:
            return Needs(indicators=specs)

    record(tmp_path, windows_of(0, set()), Needy(StrategyParams()), plan)
    assert not (tmp_path / "indicators").exists()
