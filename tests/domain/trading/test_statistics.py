"""Statistics: one result worked out by hand, an independent computation, what is not defined, invariances."""

import math
import re
from datetime import datetime
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.trading.equity_curve import EquityCurve
from actors.domain.trading.orders import Fill
from actors.domain.trading.performance import Performance
from actors.domain.trading.statistics import Market, Result, Statistics, statistics_of
from actors.domain.trading.trade_figures import HourFigures, SymbolFigures, TradeFigures
from actors.domain.trading.trades import Trade, round_trips

NEW_YORK: Final = "America/New_York"
HOUR_NS: Final = 3600 * 10**9
TWO_A_YEAR: Final = Market(NEW_YORK, sessions_per_year=2)
YEAR: Final = Market(NEW_YORK)
PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "statistics.md"


def at(day: int, hour: int, minute: int = 30, month: int = 7) -> int:
    local = datetime(2025, month, day, hour, minute, tzinfo=ZoneInfo(NEW_YORK))
    return int(local.timestamp()) * 10**9


def curve_of(sessions: list[list[float]], exposure: list[float] | None = None) -> EquityCurve:
    """Put the steps of some sessions, an hour apart, from 10:30 on, together."""
    rows = [(day, hour, worth) for day, steps in enumerate(sessions) for hour, worth in enumerate(steps)]
    return EquityCurve(
        np.array([day for day, _, _ in rows], dtype=np.int64),
        np.array([at(1 + day, 10) + hour * HOUR_NS for day, hour, _ in rows], dtype=np.int64),
        np.array([worth for _, _, worth in rows], dtype=np.float64),
        np.array(exposure or [0.0] * len(rows), dtype=np.float64),
    )


def result_of(start: float, sessions: list[list[float]]) -> Result:
    return Result(start, curve_of(sessions), [], [])


def traded(*profits: float) -> list[Trade]:
    return [
        Trade("A", "long", 1, at(1, 11), at(1, 12), 100, 100 + profit, profit, 0, profit / 100)
        for profit in profits
    ]


def figures_of(*profits: float) -> TradeFigures:
    empty = curve_of([])
    return statistics_of(Result(1000.0, empty, traded(*profits), []), YEAR).trades


# Two sessions of five steps, 10:30 to 14:30. A closes at 10, 11, 12 in the first three steps, B at 20, 18,
# 22, 21, 20, 22 in the fourth to ninth, A at 11.5 in the tenth.
FILLS: Final = [
    Fill(0, "A", at(1, 10), 10, 10.0, 1.0, 0.5),
    Fill(1, "A", at(1, 12), -10, 12.0, 1.0, 0.0),
    Fill(2, "B", at(1, 13), -5, 20.0, 1.0, 0.25),
    Fill(3, "B", at(2, 11), 8, 21.0, 1.6, 0.0),
    Fill(4, "B", at(2, 13), -3, 22.0, 0.4, 0.0),
    Fill(5, "A", at(2, 14), 4, 11.0, 1.0, 0.0),
]
FIRST_DAY: Final = [
    999.0,  # 1000 - 1
    1009.0,  # A at 11
    1018.0,  # sold at 12, - 1
    1017.0,  # - 1
    1027.0,  # 5 B short at 18, sold at 20
]
SECOND_DAY: Final = [
    1007.0,  # B at 22
    1010.4,  # B bought back at 21: 1017 - 5 - 1.6
    1007.4,  # 3 B at 20
    1013.0,  # sold at 22: 1010.4 + 3 - 0.4
    1014.0,  # 4 A bought at 11, at 11.5, - 1
]
EXPOSURE: Final = [100.0, 110.0, 0.0, 100.0, 90.0, 110.0, 63.0, 60.0, 0.0, 46.0]
WORKED: Final = Result(1000.0, curve_of([FIRST_DAY, SECOND_DAY], EXPOSURE), round_trips(FILLS), FILLS)


def test_of_a_worked_example_the_returns_are_those_found_by_hand() -> None:
    found = statistics_of(WORKED, TWO_A_YEAR)
    assert (found.sessions, found.steps) == (2, 10)
    assert (found.start_equity, found.end_equity) == (1000.0, 1014.0)
    assert found.total_return == pytest.approx(0.014)
    assert found.cagr == pytest.approx(0.014)  # two sessions are the year


def test_of_a_worked_example_the_daily_figures_are_those_found_by_hand() -> None:
    found = statistics_of(WORKED, TWO_A_YEAR).daily
    up, down = 27 / 1000, 13 / 1027
    # Mean (up - down) / 2, deviation (up + down) / root 2, times a year: x 2 and x root 2.
    assert found.returns == 2
    assert found.volatility == pytest.approx(up + down)
    assert found.sharpe == pytest.approx((up - down) / (up + down))
    # Downside deviation: root of down² / 2.
    assert found.sortino == pytest.approx((up - down) / down)
    assert found.max_drawdown == pytest.approx(down)
    assert found.calmar == pytest.approx(0.014 / down)
    assert (found.max_drawdown_sessions, found.max_drawdown_ns) == (1, 24 * HOUR_NS)


def test_of_a_worked_example_the_intraday_figures_are_those_found_by_hand() -> None:
    found = statistics_of(WORKED, TWO_A_YEAR).intraday
    returns = [
        *(-1 / 1000, 10 / 999, 9 / 1009, -1 / 1018, 10 / 1017),
        *(-20 / 1027, 3.4 / 1007, -3 / 1010.4, 5.6 / 1007.4, 1 / 1013),
    ]
    mean = sum(returns) / 10
    deviation = math.sqrt(sum((one - mean) ** 2 for one in returns) / 9)
    downside = math.sqrt(((1 / 1000) ** 2 + (1 / 1018) ** 2 + (20 / 1027) ** 2 + (3 / 1010.4) ** 2) / 10)
    # Five steps a session, two sessions a year.
    assert found.returns == 10
    assert found.volatility == pytest.approx(deviation * math.sqrt(10))
    assert found.sharpe == pytest.approx(mean / deviation * math.sqrt(10))
    assert found.sortino == pytest.approx(mean / downside * math.sqrt(10))
    assert found.max_drawdown == pytest.approx(20 / 1027)
    assert found.calmar == pytest.approx(0.014 / (20 / 1027))
    # From 14:30 of the first day to the end, 14:30 of the second.
    assert (found.max_drawdown_sessions, found.max_drawdown_ns) == (1, 24 * HOUR_NS)


def test_of_a_worked_example_exposure_turnover_and_costs_are_those_found_by_hand() -> None:
    found = statistics_of(WORKED, TWO_A_YEAR)
    shares = [
        *(100 / 999, 110 / 1009, 0, 100 / 1017, 90 / 1027),
        *(110 / 1007, 63 / 1010.4, 60 / 1007.4, 0, 46 / 1014),
    ]
    assert found.time_in_market == 0.8
    assert found.average_exposure == pytest.approx(sum(shares) / 10)
    # 100 + 120 + 100 + 168 + 66 + 44 = 598 over a mean equity of 10,121.8 / 10, in a year.
    assert found.turnover == pytest.approx(598 / 1012.18)
    assert [found.commissions, found.slippage] == pytest.approx([6.0, 0.75])


def test_of_a_worked_example_the_figures_of_trades_are_those_found_by_hand() -> None:
    found = statistics_of(WORKED, TWO_A_YEAR).trades
    # 10 x 2 - 2 = 18; 5 x -1 - 1 - 1.6 x 5/8 = -7; 3 x 1 - 1.6 x 3/8 - 0.4 = 2.
    assert found.count == 3
    assert found.pnl == pytest.approx(13.0)
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.profit_factor == pytest.approx(20 / 7)
    assert found.expectancy == pytest.approx(13 / 3)
    assert found.average_win == pytest.approx(10.0)
    assert found.average_loss == pytest.approx(-7.0)
    # Off the mean of 13/3: 41/3, -34/3, -7/3; squares sum up to 2886/9, half of it is 1443/9.
    assert found.sqn == pytest.approx(math.sqrt(3) * 13 / math.sqrt(1443))
    assert found.kelly == pytest.approx(2 / 3 - (1 / 3) / (10 / 7))


def test_of_a_worked_example_the_figures_by_symbol_and_hour_are_those_found_by_hand() -> None:
    found = statistics_of(WORKED, TWO_A_YEAR)
    rows = [(one.symbol, one.trades, one.win_rate) for one in found.by_symbol]
    assert rows == [("A", 1, 1.0), ("B", 2, 0.5)]
    assert [one.pnl for one in found.by_symbol] == pytest.approx([18.0, -5.0])
    assert [one.commissions for one in found.by_symbol] == pytest.approx([3.0, 3.0])
    assert [(one.hour, one.trades) for one in found.by_hour] == [(10, 1), (11, 1), (13, 1)]
    assert [one.pnl for one in found.by_hour] == pytest.approx([18.0, 2.0, -7.0])


def test_a_risk_free_rate_is_taken_off_each_return_but_leaves_the_volatility() -> None:
    free = statistics_of(WORKED, TWO_A_YEAR)
    paid = statistics_of(WORKED, TWO_A_YEAR._replace(risk_free=0.0201))
    step = math.sqrt(1.0201) - 1  # 0.01 a session, two a year
    up, down = 27 / 1000, 13 / 1027
    assert paid.daily.volatility == free.daily.volatility
    assert paid.daily.sharpe == pytest.approx((up - down - 2 * step) / (up + down))
    assert paid.daily.sortino == pytest.approx((up - down - 2 * step) / (down + step))


@pytest.mark.parametrize(
    ("instant", "hour"),
    [
        (at(1, 9, 31), 9),
        (at(1, 10, 0), 9),
        (at(1, 10, 1), 10),
        (at(1, 16, 0), 15),
        (at(1, 10, 30, month=12), 10),
        (at(1, 0, 0), 23),
    ],
)
def test_an_entry_counts_in_the_hour_in_which_its_bar_ended(instant: int, hour: int) -> None:
    trades = [trade._replace(entry_ts=instant) for trade in traded(5.0)]
    found = statistics_of(Result(1000.0, curve_of([]), trades, []), YEAR)
    assert found.by_hour == (HourFigures(hour=hour, trades=1, pnl=5.0),)


def test_the_night_is_a_return_of_its_own_between_steps() -> None:
    found = statistics_of(result_of(100.0, [[100.0, 100.0], [110.0, 110.0]]), TWO_A_YEAR)
    assert found.intraday.returns == 4
    # 0, 0, 0.1, 0: mean 0.025, deviation root of (3 x 0.025² + 0.075²) / 3 = 0.05; four steps a year.
    assert found.intraday.volatility == pytest.approx(0.05 * 2)
    assert found.intraday.sharpe == pytest.approx(0.025 / 0.05 * 2)


def test_the_deepest_fall_and_the_longest_need_not_be_the_same() -> None:
    found = statistics_of(result_of(100.0, [[100.0, 80.0, 101.0], [99.0, 100.0], [100.0], [102.0]]), YEAR)
    assert found.intraday.max_drawdown == pytest.approx(0.2)
    assert found.intraday.max_drawdown_sessions == 3
    assert found.intraday.max_drawdown_ns == at(4, 10) - at(1, 12)


def test_a_fall_from_the_start_begins_with_the_first_step() -> None:
    found = statistics_of(result_of(100.0, [[90.0, 95.0], [90.0, 99.0], [99.0]]), YEAR)
    assert (found.daily.max_drawdown, found.intraday.max_drawdown) == pytest.approx((0.05, 0.1))
    assert (found.daily.max_drawdown_sessions, found.intraday.max_drawdown_sessions) == (3, 2)
    assert found.daily.max_drawdown_ns == found.intraday.max_drawdown_ns == 48 * HOUR_NS


def test_a_fall_within_a_session_is_seen_by_the_steps_alone() -> None:
    found = statistics_of(result_of(100.0, [[90.0, 100.0], [80.0, 100.0]]), YEAR)
    assert (found.daily.max_drawdown, found.daily.max_drawdown_ns) == (0.0, 0)
    assert found.intraday.max_drawdown == pytest.approx(0.2)
    assert (found.intraday.max_drawdown_sessions, found.intraday.max_drawdown_ns) == (1, 24 * HOUR_NS)
    assert found.intraday.calmar == 0.0
    assert found.daily.calmar is None


def test_without_a_step_and_without_a_fill_only_counts_and_sums_are_defined() -> None:
    found = statistics_of(result_of(1000.0, []), YEAR)
    assert (found.sessions, found.steps, found.end_equity) == (0, 0, 1000.0)
    assert (found.commissions, found.slippage, found.by_symbol, found.by_hour) == (0.0, 0.0, (), ())
    shares = [found.total_return, found.cagr, found.time_in_market, found.average_exposure, found.turnover]
    assert shares == [None] * 5
    assert defined(found.daily) == defined(found.intraday) == {"returns": 0}
    assert defined(found.trades) == {"count": 0, "pnl": 0.0}


def test_a_single_session_has_intraday_figures_but_no_yearly_ones_of_days() -> None:
    found = statistics_of(result_of(1000.0, [[1001.0, 999.0, 1002.0]]), YEAR)
    assert found.total_return == pytest.approx(0.002)
    assert found.cagr is None
    fall = {"max_drawdown": 0.0, "max_drawdown_sessions": 0, "max_drawdown_ns": 0}
    assert defined(found.daily) == {"returns": 1, **fall}
    assert set(Performance.__struct_fields__) - set(defined(found.intraday)) == {"calmar"}


def test_an_account_that_does_nothing_has_no_ratios() -> None:
    found = statistics_of(result_of(1000.0, [[1000.0] * 3] * 3), YEAR)
    assert (found.total_return, found.cagr, found.time_in_market, found.turnover) == (0.0, 0.0, 0.0, 0.0)
    for figures in (found.daily, found.intraday):
        assert (figures.volatility, figures.max_drawdown, figures.max_drawdown_ns) == (0.0, 0.0, 0)
        assert (figures.sharpe, figures.sortino, figures.calmar) == (None, None, None)


def test_even_growth_has_no_deviation_though_rounding_leaves_some() -> None:
    found = statistics_of(result_of(1000.0, [[1000 * 1.01**day] for day in range(1, 30)]), YEAR)
    assert (found.daily.volatility, found.daily.sharpe, found.daily.sortino) == (0.0, None, None)


def test_rounding_below_a_high_is_no_fall() -> None:
    found = statistics_of(result_of(0.3, [[0.1 + 0.2, 0.3], [0.3]]), YEAR)
    assert (found.intraday.max_drawdown, found.intraday.max_drawdown_sessions) == (0.0, 0)
    assert statistics_of(result_of(0.3, [[0.1 + 0.2, 0.3], [0.4]]), YEAR).intraday.sortino is None


@pytest.mark.parametrize("ruin", [0.0, -50.0])
def test_an_account_in_ruin_has_a_return_and_a_fall_but_no_ratios(ruin: float) -> None:
    found = statistics_of(result_of(1000.0, [[1000.0], [ruin], [ruin]]), YEAR)
    assert found.total_return == pytest.approx(ruin / 1000 - 1)
    assert (found.cagr, found.average_exposure) == (None, None)
    assert found.daily.max_drawdown == pytest.approx(1 - ruin / 1000)
    ratios = [found.daily.volatility, found.daily.sharpe, found.daily.sortino, found.daily.calmar]
    assert ratios == [None] * 4


def test_a_start_without_money_has_no_return_and_no_fall() -> None:
    found = statistics_of(result_of(0.0, [[1.0], [2.0]]), YEAR)
    assert (found.total_return, found.cagr, found.daily.max_drawdown) == (None, None, None)


def test_growth_beyond_all_numbers_is_none() -> None:
    assert statistics_of(result_of(1.0, [[1e5], [1e6]]), YEAR).cagr is None


def test_without_losses_neither_profit_factor_nor_kelly_is_defined() -> None:
    found = figures_of(1.0, 3.0)
    assert (found.profit_factor, found.average_loss, found.kelly) == (None, None, None)
    assert (found.win_rate, found.average_win) == (1.0, 2.0)


def test_without_wins_the_profit_factor_is_0() -> None:
    found = figures_of(-1.0, -3.0)
    assert (found.profit_factor, found.average_win, found.kelly, found.win_rate) == (0.0, None, None, 0.0)


def test_trades_without_profit_are_neither_won_nor_lost() -> None:
    found = figures_of(2.0, 0.0, -1.0, 0.0)
    assert (found.win_rate, found.average_win, found.average_loss) == (0.25, 2.0, -1.0)
    assert found.kelly == pytest.approx(1 / 2 - (1 / 2) / 2)


@pytest.mark.parametrize("profits", [(5.0,), (0.3, 0.1 + 0.2, 0.3), (0.0, 0.0)])
def test_sqn_needs_two_trades_that_differ(profits: tuple[float, ...]) -> None:
    assert figures_of(*profits).sqn is None


def test_a_symbol_with_an_open_position_only_has_commissions_but_no_trades() -> None:
    fills = [Fill(0, "A", at(1, 11), 1, 10.0, 2.0, 0.0)]
    found = statistics_of(Result(1000.0, curve_of([[998.0]]), round_trips(fills), fills), YEAR)
    (only,) = found.by_symbol
    assert only == SymbolFigures(symbol="A", trades=0, pnl=0.0, win_rate=None, commissions=2.0)


def defined(figures: msgspec.Struct) -> dict[str, Any]:
    """Give the fields that are not None."""
    return {name: value for name, value in msgspec.structs.asdict(figures).items() if value is not None}


class Oracle(NamedTuple):
    """The figures of some levels, computed in plain Python; whether one is 0 is decided on exact numbers."""

    volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    max_drawdown_sessions: int
    max_drawdown_ns: int


Level = tuple[int, int, int]
"""Session, instant, equity."""


def oracle(levels: list[Level], per_year: float) -> Oracle:
    exact = [Fraction(after[2], before[2]) - 1 for before, after in pairwise(levels)]
    returns = list(map(float, exact))
    few = len(returns) < 2
    differ, falls = len(set(exact)) > 1, min(exact) < 0
    downside = math.sqrt(fmean(min(one, 0.0) ** 2 for one in returns))
    scale = math.sqrt(per_year)
    deepest, sessions, ns = falls_of(levels)
    return Oracle(
        None if few else stdev(returns) * scale if differ else 0.0,
        None if few or not differ else fmean(returns) / stdev(returns) * scale,
        None if few or not falls else fmean(returns) / downside * scale,
        deepest,
        sessions,
        ns,
    )


def falls_of(levels: list[Level]) -> tuple[float, int, int]:
    """Walk along the levels with the newest high in hand."""
    high = levels[0]
    deepest, sessions, ns = 0.0, 0, 0
    was_below = False
    for level in levels[1:]:
        below = level[2] < high[2]
        if below or was_below:
            deepest = max(deepest, 1 - level[2] / high[2])
            sessions, ns = max(sessions, level[0] - high[0]), max(ns, level[1] - high[1])
        if not below:
            high = level
        was_below = below
    return deepest, sessions, ns


def daily_of(start: int, steps: list[Level]) -> list[Level]:
    last = {session: (session, ts, equity) for session, ts, equity in steps}
    return [(-1, steps[0][1], start), *last.values()]


WORTH = st.integers(90, 110)
SESSIONS = st.lists(st.lists(WORTH, min_size=1, max_size=6), min_size=1, max_size=8)


@given(WORTH, SESSIONS, st.sampled_from([252.0, 365.0, 3.0]))
@settings(max_examples=100)
def test_figures_of_levels_are_those_of_an_independent_computation(
    start: int, sessions: list[list[int]], per_year: float
) -> None:
    curve = curve_of([list(map(float, steps)) for steps in sessions])
    worths = chain.from_iterable(sessions)
    steps: list[Level] = list(zip(curve.session.tolist(), curve.event_ts.tolist(), worths, strict=True))
    found = statistics_of(Result(float(start), curve, [], []), Market(NEW_YORK, per_year))
    steps_a_year = len(steps) / len(sessions) * per_year
    before = (0, steps[0][1], start)
    for figures, expected in (
        (found.daily, oracle(daily_of(start, steps), per_year)),
        (found.intraday, oracle([before, *steps], steps_a_year)),
    ):
        for name, value in expected._asdict().items():
            assert getattr(figures, name) == (None if value is None else pytest.approx(value)), name
    years = len(sessions) / per_year
    if len(sessions) > 1:
        assert found.cagr == pytest.approx((steps[-1][2] / start) ** (1 / years) - 1)


@given(st.lists(st.integers(-5, 5), max_size=12))
@settings(max_examples=100)
def test_figures_of_trades_are_those_of_an_independent_computation(profits: list[int]) -> None:
    found = figures_of(*map(float, profits))
    wins, losses = [one for one in profits if one > 0], [-one for one in profits if one < 0]
    assert (found.count, found.pnl) == (len(profits), sum(profits))
    assert found.win_rate == (len(wins) / len(profits) if profits else None)
    assert found.profit_factor == (pytest.approx(sum(wins) / sum(losses)) if losses else None)
    assert found.expectancy == (pytest.approx(sum(profits) / len(profits)) if profits else None)
    differ = len(set(profits)) > 1
    sqn = fmean(profits) / stdev(profits) * len(profits) ** 0.5 if differ else None
    assert found.sqn == (pytest.approx(sqn) if differ else None)
    if wins and losses:
        edge = fmean(wins) / fmean(losses)
        won = len(wins) / (len(wins) + len(losses))
        assert found.kelly == pytest.approx((won * edge - (1 - won)) / edge)
    else:
        assert found.kelly is None


def flat(value: Any) -> list[Any]:  # noqa: ANN401  whatever structs hold
    """List what structs hold, from the outside in."""
    if isinstance(value, dict):
        return flat(list(value.values()))
    return list(chain.from_iterable(map(flat, value))) if isinstance(value, list | tuple) else [value]


MONEY = st.one_of(st.floats(-1e9, 1e9), st.sampled_from([0.0, 1e-6, 1e12]), st.integers(1, 3).map(float)).map(
    lambda money: round(money, 6)
)


@given(MONEY, st.lists(st.lists(MONEY, max_size=4), max_size=5), st.lists(MONEY, max_size=5))
@settings(max_examples=100)
def test_no_figure_is_ever_nan_or_infinite_and_all_can_be_sent(
    start: float, sessions: list[list[float]], profits: list[float]
) -> None:
    found = statistics_of(Result(start, curve_of(sessions), traded(*profits), FILLS), YEAR)
    numbers = [one for one in flat(msgspec.to_builtins(found)) if isinstance(one, int | float)]
    assert all(map(math.isfinite, numbers))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Statistics) == found


def near(left: Statistics, right: Statistics) -> None:
    """Compare all numbers of two statistics, and what is not defined."""
    assert flat(msgspec.to_builtins(left)) == pytest.approx(flat(msgspec.to_builtins(right)))


@given(WORTH, SESSIONS, st.sampled_from([0.001, 0.5, 3.0, 1e6]))
@settings(max_examples=50)
def test_ratios_do_not_depend_on_the_currency(start: int, sessions: list[list[int]], scale: float) -> None:
    once = curve_of([list(map(float, steps)) for steps in sessions], [1.0] * sum(map(len, sessions)))
    scaled = once._replace(equity=once.equity * scale, exposure=once.exposure * scale)
    fills = [one._replace(price=one.price * scale) for one in FILLS]
    left = statistics_of(Result(float(start), once, [], FILLS), YEAR)
    right = statistics_of(Result(start * scale, scaled, [], fills), YEAR)
    money = {"start_equity": left.start_equity, "end_equity": left.end_equity}
    near(msgspec.structs.replace(right, **money), left)


@given(st.permutations(range(len(FILLS))))
@settings(max_examples=30)
def test_figures_of_symbols_do_not_depend_on_the_order_of_fills_or_trades(order: list[int]) -> None:
    trades = [WORKED.trades[index] for index in order if index < len(WORKED.trades)]
    shuffled = WORKED._replace(fills=[FILLS[index] for index in order], trades=trades)
    near(statistics_of(shuffled, TWO_A_YEAR), statistics_of(WORKED, TWO_A_YEAR))


def test_symbols_and_hours_sum_up_to_the_whole() -> None:
    found = statistics_of(WORKED, TWO_A_YEAR)
    for parts in (found.by_symbol, found.by_hour):
        assert sum(part.trades for part in parts) == found.trades.count
        assert sum(part.pnl for part in parts) == pytest.approx(found.trades.pnl)
    assert sum(part.commissions for part in found.by_symbol) == pytest.approx(found.commissions)


def test_numbers_of_sessions_and_when_they_are_do_not_matter() -> None:
    curve = WORKED.curve
    later = curve._replace(session=curve.session * 5 + 7, event_ts=curve.event_ts + 10**15)
    near(statistics_of(WORKED._replace(curve=later), TWO_A_YEAR), statistics_of(WORKED, TWO_A_YEAR))


@given(WORTH, SESSIONS)
@settings(max_examples=50)
def test_daily_figures_look_at_session_ends_only(start: int, sessions: list[list[int]]) -> None:
    whole = [[float(worth) for worth in steps] for steps in sessions]
    longest = max(map(len, whole))
    padded = [[*[500.0] * (longest - len(steps)), steps[-1]] for steps in whole]
    left, right = (statistics_of(result_of(float(start), one), YEAR).daily for one in (whole, padded))
    assert left.sharpe == right.sharpe
    assert (left.max_drawdown, left.max_drawdown_sessions) == (
        right.max_drawdown,
        right.max_drawdown_sessions,
    )


@pytest.mark.parametrize(
    ("heading", "described"),
    [
        ("The whole", Statistics),
        ("Return and risk", Performance),
        ("Trades", TradeFigures),
        ("By symbol", SymbolFigures),
        ("By hour", HourFigures),
    ],
)
def test_the_page_lists_every_figure_in_its_order(heading: str, described: type[msgspec.Struct]) -> None:
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == described.__struct_fields__
