import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.bar_views import BarColumns
from actors.domain.indicators import IndicatorError, bars_needed, build, check
from actors.domain.session_plan import IndicatorSpec

prices = st.floats(min_value=0.01, max_value=1e6, allow_nan=False)


def sma(**params: float) -> IndicatorSpec:
    return IndicatorSpec("sma", "5m", params)


def columns(closes: list[float]) -> BarColumns:
    bars = BarColumns.empty(len(closes))
    bars.close[:] = closes
    return bars


@settings(max_examples=200, deadline=None)
@given(
    closes=st.lists(prices, max_size=60),
    period=st.integers(1, 25),
    cuts=st.sets(st.integers(0, 60)),
)
def test_the_moving_average_equals_the_batch_function_at_every_prefix_for_every_cut(
    closes: list[float], period: int, cuts: set[int]
) -> None:
    indicator = build(sma(period=period))
    bounds = sorted({0, len(closes), *(cut for cut in cuts if cut < len(closes))})
    values = [
        value for start, stop in pairwise(bounds) for value in indicator.update(columns(closes[start:stop]))
    ]
    assert len(values) == len(closes)
    for n, value in enumerate(values, start=1):
        batch = talib.SMA(np.array(closes[:n]), period)[-1]
        assert value == (None if np.isnan(batch) else batch)


@given(period=st.integers(1, 40))
def test_the_first_value_comes_with_the_last_of_the_bars_needed(period: int) -> None:
    needed = bars_needed(sma(period=period))
    values = build(sma(period=period)).update(columns([1.0] * needed))
    assert values == [None] * (needed - 1) + [1.0]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (IndicatorSpec("smaa", "5m", {"period": 3}), "indicator smaa_3_5m: unknown name; known are sma"),
        (sma(), r"period: Field required \(parameters of sma: period\)"),
        (sma(perid=3, period=3), r"perid: Extra inputs are not permitted \(parameters of sma: period\)"),
        (sma(period=0), "period: Input should be greater than or equal to 1"),
        (sma(period=2.5), "period: Input should be a valid integer"),
        (IndicatorSpec("sma", "5x", {"period": 3}), "'5x' is not an interval"),
    ],
)
def test_a_wrong_indicator_is_refused_with_what_is_known(spec: IndicatorSpec, complaint: str) -> None:
    for question in (check, build, bars_needed):
        with pytest.raises(IndicatorError, match=complaint):
            question(spec)


BUILDING = """
import sys
from actors.domain.indicators import bars_needed, build
from actors.domain.session_plan import IndicatorSpec
spec = IndicatorSpec("sma", "5m", {"period": 3})
bars_needed(spec)
assert "talib" not in sys.modules, "asking does not import TA-Lib"
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
