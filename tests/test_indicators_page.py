"""docs/indicators.md lists every indicator, with its parameters, defaults and outputs."""

import re
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from actors.domain.bar_views import BarColumns
from actors.domain.indicator_params import PARAMS, SESSION_FIGURES
from actors.domain.indicators import bars_needed, build, outputs
from actors.domain.session_plan import IndicatorSpec

PAGE: Final = (Path(__file__).resolve().parent.parent / "docs" / "indicators.md").read_text(encoding="utf-8")
ROWS: Final = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
LISTED: Final = {name: rest for name, *rest in ROWS}


def test_every_indicator_is_listed_once() -> None:
    assert sorted(name for name, *_ in ROWS) == sorted(PARAMS)


def test_figures_of_whole_sessions_are_listed_apart() -> None:
    below = PAGE.partition("## Figures of whole sessions")[2]
    assert {name for name in PARAMS if f"\n| `{name}` |" in below} == SESSION_FIGURES


@pytest.mark.parametrize("name", PARAMS)
def test_parameters_are_listed_with_their_defaults(name: str) -> None:
    written = {
        key: None if field.is_required() else str(field.default)
        for key, field in PARAMS[name].model_fields.items()
    }
    stated = re.findall(r"`(\w+)(?:=([^`]+))?`", LISTED[name][0])
    assert {key: default or None for key, default in stated} == written


@pytest.mark.parametrize("name", PARAMS)
def test_outputs_are_listed_by_name(name: str) -> None:
    required = [key for key, field in PARAMS[name].model_fields.items() if field.is_required()]
    spec = IndicatorSpec(name, "1m", dict.fromkeys(required, 5))
    indicator, value = build(spec), None
    for _ in range(bars_needed(spec) + 1):
        value = indicator.start_session(value)
        value = indicator.update(saw(100))[-1]
    stated = re.findall(r"`(\w+)`", LISTED[name][1])
    assert getattr(value, "_fields", ()) == tuple(stated) == outputs(spec)
    assert stated or (isinstance(value, float) and LISTED[name][1] == "one")


def saw(n: int) -> BarColumns:
    bars = BarColumns.empty(n)
    bars.floats[:] = 10.0 + np.arange(n) % 7
    bars.high[:] += 1
    bars.low[:] -= 1
    return bars
