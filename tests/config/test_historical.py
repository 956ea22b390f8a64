"""Historical indicators in a configuration: what is understood, and what is refused with its path."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.config import load_config, parse_config
from actors.config.historical import MOST_SESSIONS, sessions_in
from actors.domain.errors import ConfigError

Document = dict[str, Any]
NAMED = "session_data_config.historical.indicators"
KNOWN = "session_data_config.indicators.historical"
HIGH = {"type": "trailing_max", "period": "52w", "field": "high"}


def with_indicators(
    document: Document, named: object = None, known: object = None, symbols: object = None
) -> Document:
    data = document["session_data_config"] | {
        "historical": {"indicators": {} if named is None else named},
        "indicators": {"historical": [] if known is None else known},
    }
    if symbols is not None:
        data["symbols"] = symbols
    return document | {"session_data_config": data}


@given(count=st.integers(1, 39), unit=st.sampled_from("dwmy"))
def test_a_period_is_counted_in_sessions(count: int, unit: str) -> None:
    assert sessions_in(f"{count}{unit}") == count * {"d": 1, "w": 5, "m": 21, "y": 252}[unit]


def test_both_kinds_are_read_with_their_defaults(document: Document) -> None:
    known = [{"name": "avg_volume", "period": 20}, {"name": "avg_volume", "period": "4w"}]
    data = parse_config(with_indicators(document, {"high_52w": HIGH}, known)).session_data_config
    high = data.historical.indicators["high_52w"]
    assert (high.sessions, high.granularity, high.skip_early_close, high.apply_to) == (
        *(260, "daily"),
        *(False, "all"),
    )
    assert [figure.key for figure in data.indicators.historical] == ["avg_volume_20d", "avg_volume_4w"]
    assert [figure.sessions for figure in data.indicators.historical] == [20, 20]


def test_what_is_written_out_is_read_back(document: Document, write: Callable[[object], Path]) -> None:
    profile = {"type": "trailing_average", "period": "3m", "field": "volume", "granularity": "minute"}
    known = [{"name": "gap_stats", "period": 7, "apply_to": ["RIVN"]}]
    config = parse_config(with_indicators(document, {"profile": profile}, known))
    again = load_config(write(config.as_json()))
    assert again.session_data_config == config.session_data_config


BAD: list[tuple[object, object, str, str]] = [
    ([], None, NAMED, "must be an object"),
    ({"h-1": HIGH}, None, f"{NAMED}.h-1", "use letters, digits and _"),
    ({"h" * 41: HIGH}, None, f"{NAMED}.{'h' * 41}", "40 at most"),
    ({"h": HIGH | {"perod": "1d"}}, None, f"{NAMED}.h.perod", 'did you mean "period"?'),
    ({"h": {"type": "trailing_max", "field": "high"}}, None, f"{NAMED}.h.period", "is required"),
    ({"h": HIGH | {"type": "trailing_mx"}}, None, f"{NAMED}.h.type", 'did you mean "trailing_max"?'),
    ({"h": HIGH | {"field": "hihg"}}, None, f"{NAMED}.h.field", 'did you mean "high"?'),
    ({"h": HIGH | {"period": "20"}}, None, f"{NAMED}.h.period", "as in 20d"),
    ({"h": HIGH | {"period": 20}}, None, f"{NAMED}.h.period", "must be a text, not 20"),
    ({"h": HIGH | {"period": "40y"}}, None, f"{NAMED}.h.period", "40y is 10,080 sessions, more than 10,000"),
    ({"h": HIGH | {"granularity": "minute"}}, None, f"{NAMED}.h.granularity", "not for trailing_max"),
    ({"h": HIGH | {"apply_to": ["X"]}}, None, f"{NAMED}.h.apply_to[0]", "X is not among"),
    (None, [{"name": "avg_volumes", "period": 2}], f"{KNOWN}[0].name", 'did you mean "avg_volume"?'),
    (None, [{"name": "sma", "period": 2}], f"{KNOWN}[0].name", "must be 'avg_volume'"),
    (None, [{"name": "high_low", "period": 0}], f"{KNOWN}[0].period", "as in 20d"),
    (None, [{"name": "high_low", "period": True}], f"{KNOWN}[0].period", "must be a text, not true"),
    (None, [{"name": "high_low", "period": MOST_SESSIONS + 1}], f"{KNOWN}[0].period", "more than 10,000"),
    (None, [{"name": "high_low", "period": 2, "field": "x"}], f"{KNOWN}[0].field", "unknown key"),
    (None, [{"name": "high_low", "period": 2, "apply_to": ["X"]}], f"{KNOWN}[0].apply_to[0]", "not among"),
    (
        None,
        [{"name": "high_low", "period": p} for p in (2, "2d")],
        f"{KNOWN}[1]",
        "high_low_2d is there twice",
    ),
    (
        {"high_low_2d": HIGH},
        [{"name": "high_low", "period": 2}],
        f"{KNOWN}[0]",
        "high_low_2d is already the name of",
    ),
]


@pytest.mark.parametrize(("named", "known", "where", "message"), BAD)
def test_what_cannot_be_is_refused_where_it_stands(
    document: Document, named: object, known: object, where: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(with_indicators(document, named, known))
    [(found, said)] = caught.value.problems
    assert (found, message in said) == (where, True), said


def test_wrong_symbols_are_told_before_what_applies_to_them(document: Document) -> None:
    named = {"h": HIGH | {"apply_to": ["X"]}}
    with pytest.raises(ConfigError) as caught:
        parse_config(with_indicators(document, named, symbols=["A", "../B"]))
    assert [problem.where for problem in caught.value.problems] == ["session_data_config.symbols[1]"]
