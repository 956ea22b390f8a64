"""Every indicator against a batch computation that is written here, or is TA-Lib's own."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from talib import abstract

from actors.domain.bar_views import FLOAT_FIELDS, BarColumns
from actors.domain.indicator_params import PARAMS, SESSION_ANCHORED, SESSION_FIGURES
from actors.domain.indicator_values import Bands, GapStats, HighLow, Macd, PivotPoints, Stochastic
from actors.domain.indicators import bars_needed, build, unit_needed
from actors.domain.session_plan import IndicatorSpec

Floats = npt.NDArray[np.float64]
Days = Sequence[BarColumns]
Params = dict[str, Any]
KINDS: Final = ("walk", "ticks", "constant", "no volume", "zero prices")


def make_day(n: int, kind: str, rng: np.random.Generator) -> BarColumns:
    """Make a session of sound bars: low ≤ open, close ≤ high."""
    bars = BarColumns.empty(n)
    step = 0.0 if kind == "constant" else 0.01
    closes = 100 * np.exp(np.cumsum(rng.normal(0, step, n)))
    prices = np.stack((closes * np.exp(rng.normal(0, step, n)), closes))
    low, high = prices.min(axis=0), prices.max(axis=0)
    bars.floats[:4] = prices[0], high + rng.random(n) * step, low - rng.random(n) * step, prices[1]
    if kind == "ticks":
        bars.floats[:4] = np.round(bars.floats[:4])
    if kind == "zero prices":
        bars.floats[:4, rng.random(n) < 0.1] = 0.0
    bars.volume[:] = rng.integers(0, 5, n) * (kind != "no volume")
    return bars


def joined(days: Days) -> BarColumns:
    floats = np.concatenate([np.empty((len(FLOAT_FIELDS), 0)), *(day.floats for day in days)], axis=1)
    return BarColumns(np.zeros((6, floats.shape[1]), np.int64), floats)


def per_bar(*columns: Floats, output: Callable[[Sequence[float]], Any] = lambda row: row[0]) -> list[Any]:
    """Write what a batch function gives bar by bar: None for NaN."""
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [None if np.isnan(row).any() else output(row) for row in rows]


def batch(function: str, *fields: str, names: tuple[str, ...] = ("period",)) -> Callable[..., list[Any]]:
    def values(days: Days, params: Params) -> list[Any]:
        bars = joined(days)
        arguments = [params[name] for name in names]
        return per_bar(
            getattr(talib, function)(*(getattr(bars, field).copy() for field in fields), *arguments)
        )

    return values


def macd(days: Days, params: Params) -> list[Any]:
    arguments = (params["fast"], params["slow"], params["signal"])
    return per_bar(*talib.MACD(joined(days).close, *arguments), output=Macd._make)


def stochastic(days: Days, params: Params) -> list[Any]:
    bars = joined(days)
    arguments = (params["period"], params["smooth_k"], 0, params["smooth_d"], 0)
    return per_bar(*talib.STOCH(bars.high, bars.low, bars.close, *arguments), output=Stochastic._make)


def bbands(days: Days, params: Params) -> list[Any]:
    arguments = (params["period"], params["num_std"], params["num_std"])
    return per_bar(*talib.BBANDS(joined(days).close, *arguments), output=Bands._make)


def donchian(days: Days, params: Params) -> list[Any]:
    bars = joined(days)
    return per_bar(*talib.DONCHIAN(bars.high, bars.low, params["period"]), output=Bands._make)


def keltner(days: Days, params: Params) -> list[Any]:
    bars = joined(days)
    middle = talib.EMA(bars.close, params["period"])
    width = params["multiplier"] * talib.ATR(bars.high, bars.low, bars.close, params["atr_period"])
    return per_bar(middle + width, middle, middle - width, output=Bands._make)


def volume_ratio(days: Days, params: Params) -> list[Any]:
    volume = joined(days).volume
    average = talib.SMA(volume, params["period"])
    with np.errstate(invalid="ignore"):
        return per_bar(volume / np.where(average == 0, np.nan, average))


def histvol(days: Days, params: Params) -> list[Any]:
    closes, period = joined(days).close, params["period"]
    values: list[Any] = []
    for end in range(1, len(closes) + 1):
        window = closes[max(0, end - period - 1) : end]
        sound = len(window) == period + 1 and (window > 0).all()
        deviation = np.std(np.diff(np.log(window)), ddof=1) if sound else None
        values.append(None if deviation is None else deviation * np.sqrt(252 * 390))
    return values


def swing(field: str, sign: int) -> Callable[..., list[Any]]:
    def values(days: Days, params: Params) -> list[Any]:
        prices, wing = sign * getattr(joined(days), field), params["period"]
        last, found = None, []
        for now in range(len(prices)):
            around = prices[now - 2 * wing : now + 1] if now >= 2 * wing else prices[:0]
            if len(around) and (around < around[wing]).sum() == 2 * wing:
                last = sign * float(around[wing])
            found.append(last)
        return found

    return values


def session_average(days: Days, weigh: Callable[[BarColumns], Floats]) -> list[Any]:
    values: list[Any] = []
    for day in days:
        for end in range(1, len(day) + 1):
            part = BarColumns(day.ints[:, :end], day.floats[:, :end])
            worth, weight = (part.high + part.low + part.close) / 3 * weigh(part), weigh(part).sum()
            values.append(worth.sum() / weight if weight else None)
    return values


def of_sessions(formula: Callable[[list[Floats], Params], Any], more: int = 0) -> Callable[..., list[Any]]:
    """Compute a figure anew at each session, from an array (open, high, low, close, volume) per session."""

    def values(days: Days, params: Params) -> list[Any]:
        found: list[Any] = []
        done: list[Floats] = []
        for day in days:
            count = params.get("period", 1) + more
            found += [formula(done[-count:], params) if len(done) >= count else None] * len(day)
            if len(day):
                ends = (day.open[0], day.high.max(), day.low.min(), day.close[-1], day.volume.sum())
                done.append(np.array(ends))
        return found

    return values


def pivots(sessions: list[Floats], _: Params) -> PivotPoints:
    high, low, close = sessions[-1][1:4]
    pp = (high + low + close) / 3
    width = high - low
    return PivotPoints(
        pp, 2 * pp - low, pp + width, 2 * (pp - low) + high, 2 * pp - high, pp - width, low - 2 * (high - pp)
    )


def gap_stats(sessions: list[Floats], _: Params) -> GapStats:
    gaps = np.array([after[0] - before[3] for before, after in pairwise(sessions)])
    return GapStats(gaps.mean(), int((gaps != 0).sum()), int((gaps > 0).sum()), int((gaps < 0).sum()))


def range_ratio(sessions: list[Floats], _: Params) -> float | None:
    ranges = [session[1] - session[2] for session in sessions]
    return ranges[-1] / np.mean(ranges) if any(ranges) else None


def atr_daily(days: Days, params: Params) -> list[Any]:
    found: list[Any] = []
    done: list[tuple[float, float, float]] = []
    for day in days:
        columns = np.array(done).T.copy() if done else np.empty((3, 0))
        value = talib.ATR(*columns, params["period"])[-1] if len(done) > params["period"] else None
        found += [value] * len(day)
        if len(day):
            done.append((day.high.max(), day.low.min(), day.close[-1]))
    return found


RANGE = ("high", "low", "close")
EXACT: Final[dict[str, Callable[[Days, Params], list[Any]]]] = {
    "sma": batch("SMA", "close"),
    "ema": batch("EMA", "close"),
    "wma": batch("WMA", "close"),
    "dema": batch("DEMA", "close"),
    "tema": batch("TEMA", "close"),
    "hma": batch("HMA", "close"),
    "rsi": batch("RSI", "close"),
    "macd": macd,
    "stochastic": stochastic,
    "cci": batch("CCI", *RANGE),
    "roc": batch("ROC", "close"),
    "mom": batch("MOM", "close"),
    "williams_r": batch("WILLR", *RANGE),
    "ultimate_osc": batch("ULTOSC", *RANGE, names=("period1", "period2", "period3")),
    "atr": batch("ATR", *RANGE),
    "bbands": bbands,
    "keltner": keltner,
    "donchian": donchian,
    "stddev": batch("STDDEV", "close"),
    "obv": batch("OBV", "close", "volume", names=()),
    "pvt": batch("PVT", "close", "volume", names=()),
    "volume_sma": batch("SMA", "volume"),
    "volume_ratio": volume_ratio,
    "swing_high": swing("high", 1),
    "swing_low": swing("low", -1),
    "atr_daily": atr_daily,
}
"""Equal bit by bit."""
CLOSE: Final[dict[str, Callable[[Days, Params], list[Any]]]] = {
    "vwap": lambda days, _: session_average(days, lambda part: part.volume),
    "twap": lambda days, _: session_average(days, lambda part: np.ones(len(part))),
    "histvol": histvol,
    "pivot_points": of_sessions(pivots),
    "high_low": of_sessions(
        lambda sessions, _: HighLow(max(one[1] for one in sessions), min(one[2] for one in sessions))
    ),
    "avg_volume": of_sessions(lambda sessions, _: np.mean([one[4] for one in sessions])),
    "avg_range": of_sessions(lambda sessions, _: np.mean([one[1] - one[2] for one in sessions])),
    "gap_stats": of_sessions(gap_stats, more=1),
    "range_ratio": of_sessions(range_ratio),
}
"""Equal but for the rounding of sums in another order."""
ORACLES: Final = EXACT | CLOSE
least = st.integers(2, 9)
PARAM_CHOICES: Final[dict[str, st.SearchStrategy[Params]]] = {
    "macd": st.builds(
        lambda fast, more, signal: {"fast": fast, "slow": fast + more, "signal": signal},
        least,
        st.integers(1, 5),
        st.integers(1, 5),
    ),
    "stochastic": st.fixed_dictionaries({"period": least, "smooth_k": least, "smooth_d": least}),
    "ultimate_osc": st.builds(
        lambda one, two, three: {"period1": one, "period2": one + two, "period3": one + two + three},
        least,
        least,
        least,
    ),
    "bbands": st.fixed_dictionaries({"period": least, "num_std": st.floats(0.5, 4)}),
    "keltner": st.fixed_dictionaries({"period": least, "atr_period": least, "multiplier": st.floats(0.5, 4)}),
    "swing_high": st.fixed_dictionaries({"period": st.integers(1, 3)}),
    "swing_low": st.fixed_dictionaries({"period": st.integers(1, 3)}),
}


def params_of(name: str) -> st.SearchStrategy[Params]:
    has_period = "period" in PARAMS[name].model_fields
    return PARAM_CHOICES.get(name, st.fixed_dictionaries({"period": least} if has_period else {}))


def play(spec: IndicatorSpec, days: Days, cuts: set[int]) -> tuple[list[Any], list[Any]]:
    """Feed an indicator in pieces; give its values bar by bar, and those at the sessions' starts."""
    indicator, value = build(spec), None
    values: list[Any] = []
    starts: list[Any] = []
    for day in days:
        value = indicator.start_session(value)
        starts.append(value)
        bounds = sorted({0, len(day), *(cut for cut in cuts if cut < len(day))})
        for start, end in pairwise(bounds):
            values += indicator.update(BarColumns(day.ints[:, start:end], day.floats[:, start:end]))
            value = values[-1]
    return values, starts


def close_to(value: object, expected: object) -> bool:
    if value is None or expected is None:
        return value is expected
    return value == pytest.approx(expected, rel=1e-9, abs=1e-9)


days_drawn = st.builds(
    lambda lengths, kind, seed: [
        make_day(n, kind, rng) for rng in [np.random.default_rng(seed)] for n in lengths
    ],
    st.lists(st.integers(0, 20), min_size=1, max_size=8),
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
)
cuts_drawn = st.sets(st.integers(1, 19))


def test_every_indicator_has_an_oracle() -> None:
    assert set(ORACLES) == set(PARAMS)


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), days=days_drawn, cuts=cuts_drawn)
def test_values_equal_the_batch_function_for_every_cut_into_windows(
    name: str, data: st.DataObject, days: Days, cuts: set[int]
) -> None:
    params = data.draw(params_of(name))
    values, _ = play(IndicatorSpec(name, "1m", params), days, cuts)
    expected = ORACLES[name](days, params)
    assert len(values) == len(expected)
    if name in EXACT:
        assert values == expected
    else:
        assert all(map(close_to, values, expected))


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=10, deadline=None)
@given(data=st.data(), days=days_drawn, end=st.integers(1, 100))
def test_a_value_is_the_last_one_of_the_batch_over_what_came_so_far(
    name: str, data: st.DataObject, days: Days, end: int
) -> None:
    params = data.draw(params_of(name))
    values, _ = play(IndicatorSpec(name, "1m", params), days, set())
    for last, day in enumerate(days):
        part = BarColumns(day.ints[:, :end], day.floats[:, :end])
        before = sum(map(len, days[:last]))
        if len(part):
            expected = ORACLES[name]([*days[:last], part], params)
            assert values[before + len(part) - 1] == expected[-1]


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), days=days_drawn, cuts=cuts_drawn, other=cuts_drawn)
def test_values_are_the_same_to_the_last_bit_for_any_two_cuts(
    name: str, data: st.DataObject, days: Days, cuts: set[int], other: set[int]
) -> None:
    spec = IndicatorSpec(name, "1m", data.draw(params_of(name)))
    assert play(spec, days, cuts) == play(spec, days, other)
    assert play(spec, days, set(range(20))) == play(spec, days, set())


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=10, deadline=None)
@given(data=st.data(), days=days_drawn)
def test_a_session_starts_with_the_value_before_with_none_or_with_its_own(
    name: str, data: st.DataObject, days: Days
) -> None:
    values, starts = play(IndicatorSpec(name, "1m", data.draw(params_of(name))), days, set())
    ends = np.cumsum([0, *map(len, days)]).tolist()
    for start, end, day in zip(starts, ends, days, strict=False):
        if name in SESSION_ANCHORED:
            assert start is None
        elif name in SESSION_FIGURES:
            assert values[end : end + len(day)] == [start] * len(day)
        else:
            assert start == (values[end - 1] if end else None)


@pytest.mark.parametrize("name", sorted(set(ORACLES) - {"swing_high", "swing_low"}))
@settings(max_examples=10, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_the_first_value_comes_with_the_last_of_what_is_needed(
    name: str, data: st.DataObject, seed: int
) -> None:
    spec = IndicatorSpec(name, "1m", data.draw(params_of(name)))
    rng, needed = np.random.default_rng(seed), bars_needed(spec)
    if unit_needed(spec) == "sessions":
        values, starts = play(spec, [make_day(3, "walk", rng) for _ in range(needed + 1)], set())
        assert [start is None for start in starts] == [True] * needed + [False]
        assert values[-1] is not None
    else:
        day = make_day(needed, "walk", rng)
        day.volume[:] += 1
        values, _ = play(spec, [day], set())
        assert [value is None for value in values] == [True] * (needed - 1) + [False]


@pytest.mark.parametrize("name", ["swing_high", "swing_low"])
@given(wing=st.integers(1, 9))
def test_a_swing_is_known_as_many_bars_later_as_it_needs_on_either_side(name: str, wing: int) -> None:
    spec = IndicatorSpec(name, "1m", {"period": wing})
    day = BarColumns.empty(bars_needed(spec))
    peak = float(wing) - np.abs(np.arange(len(day)) - wing)
    day.high[:], day.low[:] = peak, -peak
    values, _ = play(spec, [day], set())
    assert values == [None] * (2 * wing) + [wing if name == "swing_high" else -wing]


@pytest.mark.parametrize(
    ("name", "function", "arguments"),
    [
        ("dema", "DEMA", {"timeperiod": "period"}),
        ("hma", "HMA", {"timeperiod": "period"}),
        ("macd", "MACD", {"fastperiod": "fast", "slowperiod": "slow", "signalperiod": "signal"}),
        (
            "stochastic",
            "STOCH",
            {"fastk_period": "period", "slowk_period": "smooth_k", "slowd_period": "smooth_d"},
        ),
        ("tema", "TEMA", {"timeperiod": "period"}),
        (
            "ultimate_osc",
            "ULTOSC",
            {"timeperiod1": "period1", "timeperiod2": "period2", "timeperiod3": "period3"},
        ),
    ],
)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_is_needed_is_one_more_than_talibs_lookback(
    name: str, function: str, arguments: dict[str, str], data: st.DataObject
) -> None:
    params = data.draw(params_of(name))
    talibs = abstract.Function(function)
    talibs.parameters = {theirs: params[ours] for theirs, ours in arguments.items()}
    assert bars_needed(IndicatorSpec(name, "1m", params)) == talibs.lookback + 1


@settings(max_examples=25, deadline=None)
@given(days=days_drawn, cuts=cuts_drawn)
def test_the_vwap_of_a_session_is_talibs_of_its_bars_alone(days: Days, cuts: set[int]) -> None:
    values, _ = play(IndicatorSpec("vwap", "1m", {}), days, cuts)
    theirs = [talib.VWAP(day.high, day.low, day.close, day.volume) for day in days if len(day)]
    traded = [np.cumsum(day.volume) > 0 for day in days if len(day)]
    for value, their, there in zip(
        values, np.concatenate([[], *theirs]), np.concatenate([[], *traded]), strict=True
    ):
        assert value == (their if there else None)


def test_levels_and_gaps_by_hand() -> None:
    first, second = (BarColumns.empty(2) for _ in range(2))
    first.floats[:] = np.array([[10, 11], [12, 14], [9, 10], [11, 13], [5, 7]])
    second.floats[:] = np.array([[12, 12], [13, 13], [11, 12], [12, 12], [1, 1]])
    days = [first, second, first]

    def figure(name: str, **params: int) -> list[Any]:
        return play(IndicatorSpec(name, "1m", params), days, set())[1]

    assert figure("pivot_points")[1] == PivotPoints(12.0, 15.0, 17.0, 20.0, 10.0, 7.0, 5.0)
    assert figure("high_low", period=2) == [None, None, HighLow(14.0, 9.0)]
    assert figure("gap_stats", period=1) == [None, None, GapStats(-1.0, 1, 0, 1)]
    assert figure("avg_volume", period=1) == [None, 12.0, 2.0]
    assert figure("avg_range", period=2) == [None, None, 3.5]
    assert figure("range_ratio", period=2) == [None, None, 2 / 3.5]
    assert figure("atr_daily", period=1) == [None, None, 2.0]


@pytest.mark.parametrize(
    ("interval", "given_params", "per_year"),
    [
        ("1m", {}, 252 * 390),
        ("1h", {}, 252 * 6.5),
        ("1d", {}, 252),
        ("2d", {}, 126),
        ("1w", {}, 52),
        ("1m", {"periods_per_year": 365 * 1440}, 365 * 1440),
    ],
)
def test_volatility_is_by_the_year(interval: str, given_params: Params, per_year: float) -> None:
    day = make_day(30, "walk", np.random.default_rng(1))
    spec = IndicatorSpec("histvol", interval, {"period": 20, **given_params})
    deviation = np.std(np.diff(np.log(day.close[-21:])), ddof=1)
    assert play(spec, [day], set())[0][-1] == pytest.approx(deviation * per_year**0.5)
