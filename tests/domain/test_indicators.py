import subprocess
import sys
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.config.vocabulary import INDICATORS
from actors.domain.indicator_params import PARAMS, SESSION_FIGURES
from actors.domain.indicators import DEFINITIONS, IndicatorError, bars_needed, build, check, unit_needed
from actors.domain.session_plan import IndicatorSpec


def sma(**params: float) -> IndicatorSpec:
    return IndicatorSpec("sma", "5m", params)


def indicator(name: str, interval: str = "5m", **params: float) -> IndicatorSpec:
    return IndicatorSpec(name, interval, params)


def test_every_name_that_a_configuration_may_use_is_defined() -> None:
    assert set(DEFINITIONS) == set(PARAMS) == INDICATORS
    assert len(INDICATORS) == 35


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_with_its_defaults_every_indicator_can_be_built_and_says_what_it_needs(name: str) -> None:
    required = [key for key, field in PARAMS[name].model_fields.items() if field.is_required()]
    spec = indicator(name, **dict.fromkeys(required, 20))
    assert bars_needed(spec) >= 1
    assert unit_needed(spec) == ("sessions" if name in SESSION_FIGURES else "bars")
    assert build(spec).start_session(None) is None


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (indicator("smaa", period=3), "indicator smaa_3_5m: unknown name; known are atr, atr_daily, avg_"),
        (sma(), "indicator sma_5m: period: is required$"),
        (sma(perid=3, period=3), r"perid: unknown parameter \(parameters of sma: period\)"),
        (sma(perid=3), "period: is required; perid: unknown parameter"),
        (sma(period=0), "period: must be at least 1, not 0"),
        (sma(period=2.5), "period: must be a whole number, not 2.5"),
        (sma(period=True), "period: must be a whole number, not True"),
        (sma(period=100_001), "period: must be at most 100000, not 100001"),
        (IndicatorSpec("sma", "5x", {"period": 3}), "'5x' is not an interval"),
        (indicator("vwap", period=3), r"period: unknown parameter \(parameters of vwap: none\)"),
        (indicator("rsi", period=1), "period: must be at least 2, not 1"),
        (indicator("macd", fast=26, slow=26), r"fast \(26\) must be below slow \(26\)"),
        (indicator("ultimate_osc", period1=14), "must each be above the one before"),
        (indicator("bbands", num_std=0), "num_std: must be above 0, not 0"),
        (indicator("bbands", num_std=float("nan")), "num_std: must be a finite number, not nan"),
        (indicator("histvol", periods_per_year=float("inf")), "periods_per_year: must be a finite number"),
        (indicator("vwap", "2d"), "interval: vwap is computed session by session: choose 1d or shorter"),
        (indicator("high_low", "1w"), "interval: high_low is computed session by session"),
    ],
)
def test_a_wrong_indicator_is_refused_with_what_is_known(spec: IndicatorSpec, complaint: str) -> None:
    for question in (check, build, bars_needed, unit_needed):
        with pytest.raises(IndicatorError, match=complaint):
            question(spec)


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (sma(period=20), "sma_20_5m"),
        (indicator("vwap", "1m"), "vwap_1m"),
        (indicator("macd"), "macd_5m"),
        (indicator("macd", slow=20, fast=5), "macd_fast=5_slow=20_5m"),
        (indicator("bbands", num_std=2.5, period=20), "bbands_20_num_std=2.5_5m"),
        (indicator("ultimate_osc", period1=5), "ultimate_osc_period1=5_5m"),
    ],
)
def test_a_key_is_made_of_name_period_other_params_and_interval(spec: IndicatorSpec, key: str) -> None:
    assert spec.key == key


params_drawn = st.dictionaries(
    st.sampled_from(["period", "period1", "period2", "fast", "slow", "num_std"]),
    st.integers(0, 99) | st.floats(0, 99),
    max_size=3,
)


@given(
    specs=st.lists(
        st.builds(
            IndicatorSpec,
            st.sampled_from(sorted(INDICATORS)),
            st.sampled_from(["1m", "11m", "1h"]),
            params_drawn,
        ),
        max_size=8,
    )
)
def test_two_specs_that_differ_have_different_keys(specs: list[IndicatorSpec]) -> None:
    for one, other in combinations(specs, 2):
        assert (one.key == other.key) == (repr_of(one) == repr_of(other))


def repr_of(spec: IndicatorSpec) -> str:
    return repr((spec.name, spec.interval, sorted(spec.params.items())))


BUILDING = """
import sys
from actors.domain.indicators import bars_needed, build
from actors.domain.session_plan import IndicatorSpec
spec = IndicatorSpec("sma", "5m", {"period": 3})
bars_needed(spec)
build(IndicatorSpec("vwap", "5m", {}))
build(IndicatorSpec("pivot_points", "5m", {}))
assert "talib" not in sys.modules, "asking, and what needs it not, do not import TA-Lib"
build(spec)
assert "talib" in sys.modules
assert not {"pandas", "polars"} & set(sys.modules), "TA-Lib came without them"
import pandas
pandas.Series([1.0])
"""


def test_building_an_indicator_imports_talib_alone_and_pandas_can_be_imported_later() -> None:
    subprocess.run([sys.executable, "-c", BUILDING], check=True, timeout=60)


def test_where_pandas_is_there_already_it_stays() -> None:
    code = "import sys, pandas, actors.domain.talib_indicators\nassert sys.modules['pandas'] is pandas"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
