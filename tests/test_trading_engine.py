"""Strategies trade: by bar or by step alike, whatever the cut into windows, and never on later bars."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from actors.analysis import STOPPED, Analysis
from actors.domain.bar_views import Bar, Step
from actors.domain.bar_windows import BarWindow
from actors.domain.roles import Send
from actors.domain.session_plan import Session, SessionPlan, StrategySpec, Stream, Trading
from actors.domain.strategy import Action, Context, Needs, SignalError, Strategy, StrategyParams
from actors.domain.trading.orders import Fill
from actors.runtime.store import ParquetTables
from protocol.blocks import BAR_DTYPE, Bars
from protocol.messages import Leave, RunEnd, SealedWindow, Verdict
from tests.plans import MINUTE, make_plan, make_session
from tests.windows import make_windows

STEPS: Final = 12
SYMBOLS: Final = ("AAPL", "RIVN")
STREAMS: Final = tuple(
    Stream(number, symbol, "1m", "STREAMED", "", history_sessions=1) for number, symbol in enumerate(SYMBOLS)
)
TRADING: Final = Trading(
    1e6,
    1e5,
    1e5,
    5,
    initial_cash=10_000.0,
    commission={"model": "per_share", "amount": 0.01},
    slippage={"model": "bps", "bps": 5.0},
)
PLAN: Final = make_plan([make_session(index, STEPS) for index in range(-1, 3)], STREAMS, trading=TRADING)
Tables = dict[str, list[dict[str, Any]]]


def bars_of(session: Session, seed: int) -> Bars:
    """Make the bars of a session with holes, in the order of delivery."""
    rng = np.random.default_rng([seed, session.index + 1])
    blocks = []
    for stream in STREAMS:
        bars = np.zeros(STEPS, BAR_DTYPE)
        bars["stream"] = stream.id
        bars["open_ts"] = session.open_ns + MINUTE * np.arange(STEPS)
        bars["close_ts"] = bars["open_ts"] + MINUTE
        prices = np.sort(rng.uniform(90, 110, (4, STEPS)), axis=0)
        bars["low"], bars["high"] = prices[0], prices[3]
        bars["open"], bars["close"] = rng.permuted(prices[1:3], axis=0)
        bars["volume"] = rng.integers(1, 1000, STEPS)
        blocks.append(bars[rng.random(STEPS) < 0.8])
    bars = np.concatenate(blocks)
    return bars[np.lexsort((bars["stream"], bars["close_ts"]))]


def windows_of(
    seed: int, cuts: set[int], later_seed: int | None = None, change_at: int = 0
) -> list[SealedWindow]:
    """Cut all sessions; from step `change_at` of session 1 on the bars are those of another seed."""

    def bars(session: Session) -> Bars:
        early = bars_of(session, seed)
        if later_seed is None or session.index < 1:
            return early
        from_ns = session.open_ns + MINUTE * (change_at if session.index == 1 else 0)
        late = bars_of(session, later_seed)
        return np.concatenate((early[early["close_ts"] <= from_ns], late[late["close_ts"] > from_ns]))

    return make_windows(PLAN, STEPS, bars, cuts)


class Trader(Strategy[StrategyParams]):
    """Trade by the pennies of a close: all kinds of orders, in no sensible way."""

    def __init__(self) -> None:
        super().__init__(StrategyParams())
        self.fills: list[Fill] = []

    def trade(self, ctx: Context, symbol: str, close: float) -> None:
        pennies = int(close * 100)
        action: Action = ("BUY", "SELL", "CLOSE")[pennies % 3]
        limit = close * 0.99 if action == "BUY" else close * 1.01
        stop = close * 1.01 if action == "BUY" else close * 0.99
        ctx.signal(
            symbol,
            action,
            0.0 if action == "CLOSE" else float(1 + pennies % 7),
            limit=limit if pennies % 5 < 2 else None,
            stop=stop if pennies % 4 == 0 else None,
            good_for="session" if pennies % 2 else "cancelled",
        )
        if pennies % 11 == 0:
            for order in ctx.orders(symbol):
                ctx.cancel(order.id)

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        assert fill.event_ts == ctx.now
        self.fills.append(fill)


class ByBar(Trader):
    def on_bar(self, ctx: Context, bar: Bar) -> None:
        self.trade(ctx, bar.symbol, bar.close)


class ByStep(Trader):
    def on_step(self, ctx: Context, step: Step) -> None:
        for index, close in zip(step.symbol_index.tolist(), step.close.tolist(), strict=True):
            self.trade(ctx, ctx.symbols[index], close)


class Breaking(ByBar):
    """Trade some bars, then raise."""

    def __init__(self, bars: int) -> None:
        super().__init__()
        self.bars = bars
        self.broke_at = 0

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        assert not self.broke_at
        super().on_bar(ctx, bar)
        self.bars -= 1
        if self.bars == 0:
            self.broke_at = ctx.now
            raise RuntimeError("enough")


def play(
    strategy: Strategy[Any], windows: list[SealedWindow], plan: SessionPlan = PLAN
) -> tuple[Verdict, Tables]:
    with TemporaryDirectory() as folder:
        sink = ParquetTables(Path(folder))
        role = Analysis(
            "analysis-mine", plan, strategy, StrategySpec("mine", "analysis-mine", "x:Y", {}), sink
        )
        last = None
        for message in (*windows, RunEnd(0, "", "")):
            for effect in role.on_message(message):
                last = effect.message if isinstance(effect, Send) else last
        assert isinstance(last, Leave)
        assert last.verdict is not None
        return last.verdict, read_tables(Path(folder) / "trading" / "mine")


class InAndOut(Trader):
    """Buy and sell with every bar, where fills are at the close."""

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        ctx.signal(bar.symbol, "BUY", 1)
        ctx.signal(bar.symbol, "CLOSE")


class BySteps(Trader):
    """Trade every third minute on each symbol's newest bar since."""

    def __init__(self) -> None:
        super().__init__()
        self.newest: dict[str, float] = {}

    def on_step(self, ctx: Context, step: Step) -> None:
        for index, close in zip(step.symbol_index.tolist(), step.close.tolist(), strict=True):
            self.newest[ctx.symbols[index]] = close
        if (ctx.now - ctx.session.open_ns) // MINUTE % 3 == 0:
            for symbol in ctx.symbols:
                if symbol in self.newest:
                    self.trade(ctx, symbol, self.newest[symbol])
            self.newest.clear()


class ByWindow(Trader):
    """Do the same with the bars of three minutes at once."""

    def needs(self) -> Needs:
        return Needs(window="3m")

    def on_window(self, ctx: Context, window: BarWindow) -> None:
        assert window.now == ctx.now
        for symbol in ctx.symbols:
            latest = window.bars(symbol, "1m").latest
            if latest is not None:
                self.trade(ctx, symbol, latest.close)


def read_tables(folder: Path) -> Tables:
    return {path.stem: plain(pq.read_table(path)).to_pylist() for path in folder.glob("*.parquet")}


def plain(table: pa.Table) -> pa.Table:
    """Turn instants into numbers."""
    for place, name in enumerate(table.column_names):
        if name.endswith("_ts"):
            table = table.set_column(place, name, table[name].cast(pa.int64()))
    return table


Cuts = st.sets(st.integers(1, STEPS - 1))


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), cuts=Cuts)
def test_by_bar_and_by_step_trade_alike_whatever_the_cut_into_windows(seed: int, cuts: set[int]) -> None:
    whole = play(ByBar(), windows_of(seed, set()))
    assert play(ByStep(), windows_of(seed, cuts)) == whole
    assert play(ByBar(), windows_of(seed, set(range(1, STEPS)))) == whole


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), cuts=Cuts)
def test_by_window_and_by_step_trade_alike_whatever_the_cut_into_windows(seed: int, cuts: set[int]) -> None:
    whole = play(BySteps(), windows_of(seed, set()))
    assert whole[0].orders
    assert play(ByWindow(), windows_of(seed, cuts)) == whole


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), other=st.integers(0, 10**6), change_at=st.integers(0, STEPS - 1))
def test_what_comes_later_changes_nothing_that_was_before(seed: int, other: int, change_at: int) -> None:
    instant = PLAN.sessions[1].open_ns + change_at * MINUTE
    before = [
        [row for row in tables[name] if row["event_ts"] <= instant]
        for tables in (
            play(ByBar(), windows_of(seed, {5}))[1],
            play(ByBar(), windows_of(seed, {7}, other, change_at))[1],
        )
        for name in ("equity", "fills", "decisions")
    ]
    assert before[:3] == before[3:]


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), cuts=Cuts)
def test_the_tables_tell_the_same_story_as_the_fills_and_the_verdict(seed: int, cuts: set[int]) -> None:
    strategy = ByBar()
    verdict, tables = play(strategy, windows_of(seed, cuts))
    fills, equity, orders = tables["fills"], tables["equity"], tables["orders"]
    assert [row["order"] for row in fills] == [fill.order for fill in strategy.fills]
    assert len(equity) == len(PLAN.sessions) * STEPS
    assert equity[-1]["equity"] == verdict.equity
    spent = sum(row["quantity"] * row["price"] + row["commission"] for row in fills)
    assert equity[-1]["cash"] == pytest.approx(TRADING.initial_cash - spent)
    assert sorted(row["order"] for row in orders) == list(range(verdict.orders))
    traded = {row["order"]: 0.0 for row in orders}
    for row in fills:
        traded[row["order"]] += row["quantity"]
    assert {row["order"]: row["filled"] for row in orders} == pytest.approx(traded)
    refused = [row for row in tables["decisions"] if row["code"] != "APPROVED"]
    assert (len(tables["decisions"]) - len(refused), len(refused)) == (
        verdict.approved,
        sum(verdict.refused.values()),
    )


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), cuts=Cuts, bars=st.integers(1, 40))
def test_a_strategy_that_raises_beside_others_trades_no_more_and_its_positions_are_marked_on(
    seed: int, cuts: set[int], bars: int
) -> None:
    strategy = Breaking(bars)
    specs = tuple(StrategySpec(name, f"analysis-{name}", "x:Y", {}) for name in ("mine", "other"))
    plan = structs.replace(PLAN, strategies=specs)
    verdict, tables = play(strategy, windows_of(seed, cuts), plan)
    assert play(Breaking(bars), windows_of(seed, set()), plan) == (verdict, tables)
    broke_at = strategy.broke_at
    assert (verdict.failed_ts, verdict.orders) == (broke_at, len(tables["orders"]))
    whole = play(ByBar(), windows_of(seed, set()))[1]
    for name in ("equity", "fills"):
        before = [row for row in tables[name] if row["event_ts"] <= broke_at]
        assert before == [row for row in whole[name] if row["event_ts"] <= broke_at]
    assert tables["decisions"] == whole["decisions"][: len(tables["decisions"])]
    assert all(row["event_ts"] <= broke_at for row in (*tables["fills"], *tables["decisions"]))
    last = [row for row in tables["orders"] if row["reason"] == STOPPED]
    assert {(row["status"], row["ended_ts"]) for row in last} <= {("cancelled", broke_at)}
    assert {row["status"] for row in tables["orders"]} <= {"filled", "cancelled", "expired"}
    assert_marked(tables, seed)


def assert_marked(tables: Tables, seed: int) -> None:
    """Work the equity after every step out from the fills and the newest closes."""
    for row in tables["equity"]:
        fills = [fill for fill in tables["fills"] if fill["event_ts"] <= row["event_ts"]]
        cash = TRADING.initial_cash - sum(fill["quantity"] * fill["price"] for fill in fills)
        cash -= sum(fill["commission"] for fill in fills)
        held = dict.fromkeys(SYMBOLS, 0.0)
        for fill in fills:
            held[fill["symbol"]] += fill["quantity"]
        worth = sum(held[stream.symbol] * newest(stream.id, seed, row["event_ts"]) for stream in STREAMS)
        assert row["equity"] == pytest.approx(cash + worth)


def newest(stream: int, seed: int, at: int) -> float:
    """Give the last close of a stream up to an instant; 0 before the first."""
    closes = [
        float(bar["close"])
        for session in PLAN.sessions
        for bar in bars_of(session, seed)
        if bar["stream"] == stream and bar["close_ts"] <= at
    ]
    return closes[-1] if closes else 0.0


def test_what_is_bought_and_sold_within_a_step_is_told_and_booked() -> None:
    plan = structs.replace(PLAN, trading=structs.replace(TRADING, fill="close"))
    strategy = InAndOut()
    verdict, tables = play(strategy, windows_of(1, {4}), plan)
    bars = sum(len(bars_of(session, 1)) for session in PLAN.sessions)
    assert len(strategy.fills) == len(tables["fills"]) == verdict.fills == 2 * bars
    spent = 0.0
    booked = {row["event_ts"]: row["equity"] for row in tables["equity"]}
    for row in tables["fills"]:
        spent += row["quantity"] * row["price"] + row["commission"]
        booked[row["event_ts"], "now"] = TRADING.initial_cash - spent
    for key, equity in booked.items():
        if isinstance(key, tuple):
            assert booked[key[0]] == pytest.approx(equity)


class Refused(Strategy[StrategyParams]):
    def on_session_end(self, ctx: Context) -> None:
        assert ctx.signal("AAPL", "BUY", 1e12).code == "BUYING_POWER"


def test_the_digest_tells_what_was_decided_even_where_the_books_are_the_same() -> None:
    idle, idle_tables = play(Strategy(StrategyParams()), windows_of(1, {4}))
    refused, tables = play(Refused(StrategyParams()), windows_of(1, {4}))
    assert tables["equity"] == idle_tables["equity"]
    assert refused.refused == {"BUYING_POWER": len(PLAN.sessions)}
    assert refused.digest != idle.digest


def test_without_a_signal_the_books_stay_as_they_were() -> None:
    verdict, tables = play(Strategy(StrategyParams()), windows_of(1, {4}))
    assert {row["equity"] for row in tables["equity"]} == {10_000.0}
    assert (tables["fills"], tables["orders"], verdict.equity) == ([], [], 10_000.0)


class Faulty(Strategy[StrategyParams]):
    def on_session_start(self, ctx: Context) -> None:
        with pytest.raises(SignalError, match="limit -1"):
            ctx.signal("AAPL", "BUY", 1, limit=-1.0)
        with pytest.raises(SignalError, match="good_for"):
            ctx.signal("AAPL", "BUY", 1, good_for="ever")  # type: ignore[arg-type]
        assert not ctx.cancel(99)
        assert ctx.position("AAPL").quantity == 0.0
        assert (ctx.cash, ctx.equity) == (10_000.0, 10_000.0)


def test_orders_that_cannot_be_raise_where_they_are_given() -> None:
    assert play(Faulty(StrategyParams()), windows_of(1, set()))[0].orders == 0
