from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config import SessionConfig, parse_config
from actors.domain.errors import ConfigError
from actors.domain.overrides import Overrides

Document = dict[str, Any]

DATA = "session_data_config"
STRATEGY = {"name": "a", "strategy": "m:X"}
SMA = {"name": "sma", "interval": "5m"}


def changed(document: Document, path: str, value: object) -> Document:
    first, _, rest = path.partition(".")
    return document | {first: changed(document.get(first, {}), rest, value) if rest else value}


def problems(document: object, overrides: Overrides | None = None) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(document, overrides=overrides or Overrides())
    return dict(caught.value.problems)


BAD = [
    ("sesion_name", "x", "sesion_name", 'did you mean "session_name"?'),
    ("session_name", " ", "session_name", "one line of readable text"),
    ("session_name", "a\nb", "session_name", "one line of readable text"),
    ("exchange_group", "US_EQUITIES", "exchange_group", 'did you mean "US_EQUITY"?'),
    ("exchange_group", "????", "exchange_group", "the code of a calendar such as XNYS"),
    ("asset_class", "EQITY", "asset_class", 'did you mean "EQUITY"?'),
    ("mode", "live", "mode", 'write "backtest"'),
    ("mode", "paper", "mode", "must be 'backtest'"),
    ("metadata", [], "metadata", "must be an object, not []"),
    ("backtest_config", [], "backtest_config", "must be an object, not []"),
    ("backtest_config.start_date", "2025-13-01", "backtest_config.start_date", "must be a date such as"),
    ("backtest_config.start_date", "1751414400", "backtest_config.start_date", "must be a date such as"),
    ("backtest_config.start_date", 1751414400, "backtest_config.start_date", "must be a date such as"),
    ("backtest_config.end_date", "2025-07-01", "backtest_config.end_date", "is before start_date 2025-07-02"),
    ("backtest_config.speed_multiplier", -1, "backtest_config.speed_multiplier", "at least 0, not -1"),
    ("backtest_config.speed_multiplier", "2", "backtest_config.speed_multiplier", 'a number, not "2"'),
    ("backtest_config.prefetch_days", 0, "backtest_config.prefetch_days", "at least 1, not 0"),
    ("backtest_config.prefetch_days", 1.5, "backtest_config.prefetch_days", "a whole number, not 1.5"),
    (f"{DATA}.symbols", [], f"{DATA}.symbols", "must not be empty"),
    (f"{DATA}.symbols", "AAPL", f"{DATA}.symbols", 'a list, not "AAPL"'),
    (f"{DATA}.symbols", ["A", "../B"], f"{DATA}.symbols[1]", "cannot be a symbol"),
    (f"{DATA}.symbols", ["A", ".."], f"{DATA}.symbols[1]", "cannot be a symbol"),
    (f"{DATA}.symbols", ["A", "B/C"], f"{DATA}.symbols[1]", "cannot be a symbol"),
    (f"{DATA}.symbols", ["A", ""], f"{DATA}.symbols[1]", "cannot be a symbol"),
    (f"{DATA}.symbols", ["A", "B", "A"], f"{DATA}.symbols[2]", "A is there twice"),
    (f"{DATA}.streams", [], f"{DATA}.streams", "must not be empty"),
    (f"{DATA}.streams", ["1m", "5x"], f"{DATA}.streams[1]", "'5x' is not an interval"),
    (f"{DATA}.streams", ["1m", "1m"], f"{DATA}.streams[1]", "1m is there twice"),
    (
        f"{DATA}.streaming.catchup_treshold_seconds",
        5,
        f"{DATA}.streaming.catchup_treshold_seconds",
        'did you mean "catchup_threshold_seconds"?',
    ),
    (f"{DATA}.historical.enable_quality", 1, f"{DATA}.historical.enable_quality", "true or false, not 1"),
    (f"{DATA}.historical.data", [{}], f"{DATA}.historical.data[0].trailing_days", "is required"),
    (
        f"{DATA}.historical.data",
        [{"trailing_days": 5, "intervals": ["1m"], "apply_to": "AAPL"}],
        f"{DATA}.historical.data[0].apply_to",
        'must be "all" or a list of symbols',
    ),
    (
        f"{DATA}.historical.data",
        [{"trailing_days": 5, "intervals": ["1m"], "apply_to": ["AAPL", "TSLA"]}],
        f"{DATA}.historical.data[0].apply_to[1]",
        "TSLA is not among session_data_config.symbols",
    ),
    (
        f"{DATA}.indicators.session",
        [SMA | {"name": "smaa", "period": 2}],
        f"{DATA}.indicators.session[0].name",
        'did you mean "sma"?',
    ),
    (f"{DATA}.indicators.session", [SMA], f"{DATA}.indicators.session[0]", 'needs one "period"'),
    (
        f"{DATA}.indicators.session",
        [SMA | {"period": 2, "params": {"period": 3}}],
        f"{DATA}.indicators.session[0].params",
        'needs one "period"',
    ),
    (
        f"{DATA}.indicators.session",
        [SMA | {"period": 2, "params": {"perod": 3}}],
        f"{DATA}.indicators.session[0].params.perod",
        "unknown parameter (parameters of sma: period)",
    ),
    (
        f"{DATA}.indicators.session",
        [SMA | {"params": {"perod": 3}}],
        f"{DATA}.indicators.session[0].params",
        "period: is required; perod: unknown parameter",
    ),
    (
        f"{DATA}.indicators.session",
        [SMA | {"params": {"period": 0}}],
        f"{DATA}.indicators.session[0].params.period",
        "must be at least 1, not 0",
    ),
    (
        f"{DATA}.indicators.session",
        [SMA | {"name": "rsi", "period": 1}],
        f"{DATA}.indicators.session[0].period",
        "must be at least 2, not 1",
    ),
    (
        f"{DATA}.indicators.session",
        [SMA | {"name": "vwap", "period": 5}],
        f"{DATA}.indicators.session[0].period",
        "unknown parameter (parameters of vwap: none)",
    ),
    (
        f"{DATA}.indicators.session",
        [{"name": "vwap", "interval": "1w"}],
        f"{DATA}.indicators.session[0].interval",
        "choose 1d or shorter, not 1w",
    ),
    (
        f"{DATA}.indicators.session",
        [{"name": "macd", "interval": "5m", "params": {"fast": 30}}],
        f"{DATA}.indicators.session[0].params",
        "fast (30) must be below slow (26)",
    ),
    (
        f"{DATA}.indicators.session",
        [SMA | {"period": 2}, SMA | {"params": {"period": 2}}],
        f"{DATA}.indicators.session[1]",
        "sma_2_5m is there twice",
    ),
    (
        f"{DATA}.indicators.session",
        [SMA | {"period": 2}, SMA | {"period": 2}],
        f"{DATA}.indicators.session[1]",
        "sma_2_5m is there twice",
    ),
    (
        f"{DATA}.strategies",
        [STRATEGY | {"name": "A b"}],
        f"{DATA}.strategies[0].name",
        "cannot be a strategy's name",
    ),
    (
        f"{DATA}.strategies",
        [STRATEGY, STRATEGY],
        f"{DATA}.strategies[1].name",
        "the name of another strategy",
    ),
    (
        f"{DATA}.strategies",
        [STRATEGY | {"strategy": "m.X"}],
        f"{DATA}.strategies[0].strategy",
        "names no class",
    ),
    (
        f"{DATA}.strategies",
        [STRATEGY | {"strategy": "no/such.py:X"}],
        f"{DATA}.strategies[0].strategy",
        "no/such.py; relative paths start at",
    ),
    (
        f"{DATA}.strategies",
        [STRATEGY | {"on_error": "stpo"}],
        f"{DATA}.strategies[0].on_error",
        'did you mean "stop"?',
    ),
    ("trading_config.max_per_trade", 0, "trading_config.max_per_trade", "above 0, not 0"),
    ("trading_config.max_per_trade", True, "trading_config.max_per_trade", "a number, not true"),
    ("trading_config", {}, "trading_config.max_open_positions", "is required"),
    ("catalog.path", "", "catalog.path", "must name a folder"),
    ("pipeline.window_steps", 0, "pipeline.window_steps", "at least 1, not 0"),
    ("pipeline.credit", 0, "pipeline.credit", "at least 1, not 0"),
    ("pipeline.restarts.limit", -1, "pipeline.restarts.limit", "at least 0, not -1"),
    ("pipeline.restarts.period_seconds", 0, "pipeline.restarts.period_seconds", "above 0, not 0"),
    ("pipeline.restarts.backoff_seconds", 61, "pipeline.restarts.backoff_seconds", "at most 60, not 61"),
    ("pipeline.restarts.policy", {"loader": "drop"}, "pipeline.restarts.policy.loader", "analysis only"),
    ("pipeline.restarts.policy", {"quality": "wait"}, "pipeline.restarts.policy.quality", 'not "wait"'),
    ("pipeline.restarts.policy", {"clerk": "fail"}, "pipeline.restarts.policy.clerk", "coordinator"),
    ("pipeline.stall_seconds", 0.5, "pipeline.stall_seconds", "at least twice heartbeat_seconds (0.5)"),
    ("derived.min_coverage", 1.5, "derived.min_coverage", "at most 1, not 1.5"),
    ("derived.align", "hour", "derived.align", "clock"),
    ("quality.jump_ratio", 1, "quality.jump_ratio", "above 1, not 1"),
    ("logging.level", "info", "logging.level", 'did you mean "INFO"?'),
]


@pytest.mark.parametrize(("path", "value", "where", "message"), BAD)
def test_a_bad_value_is_named_by_its_path_with_what_to_do(
    document: Document, path: str, value: object, where: str, message: str
) -> None:
    assert message in problems(changed(document, path, value))[where]


def test_everything_wrong_is_listed_at_once(document: Document) -> None:
    for path in ("mode", "pipeline.credit", f"{DATA}.streaming.nonsense", "trading_config.max_per_trade"):
        document = changed(document, path, None)
    document = changed(document, f"{DATA}.strategies", [STRATEGY | {"strategy": "no/such.py:X"}])
    assert set(problems(document)) == {
        "mode",
        "pipeline.credit",
        f"{DATA}.streaming.nonsense",
        f"{DATA}.strategies[0].strategy",
        "trading_config.max_per_trade",
    }


@pytest.mark.parametrize(
    ("commission", "where", "message"),
    [
        ({"model": "per_shar"}, "portfolio.commission", 'no model "per_shar"; did you mean "per_share"?'),
        ({"amount": 1}, "portfolio.commission", 'needs a "model"'),
        ({"model": "fixed", "amount": "x"}, "portfolio.commission.amount", 'must be a number, not "x"'),
        ({"model": "fixed"}, "portfolio.commission.amount", "is required"),
        ("none", "portfolio.commission", 'must be an object, not "none"'),
        (
            {"model": "per_value", "bps": 1, "minimun": 2},
            "portfolio.commission.minimun",
            'did you mean "minimum"?',
        ),
    ],
)
def test_of_several_kinds_of_object_the_one_that_was_meant_is_judged(
    document: Document, commission: object, where: str, message: str
) -> None:
    found = problems(document | {"portfolio": {"commission": commission}})
    assert message in found[where]


def test_an_unknown_key_that_is_like_no_other_is_told_what_there_is(document: Document) -> None:
    assert "choose from align, min_coverage" in problems(changed(document, "derived.qqq", 1))["derived.qqq"]


def test_an_odd_key_is_quoted(document: Document) -> None:
    assert 'logging."a b"' in problems(changed(document, "logging", {"a b": 1}))


def test_a_long_value_is_not_shown_in_full(document: Document) -> None:
    assert len(problems(changed(document, "pipeline.credit", "x" * 1000))["pipeline.credit"]) < 120


@pytest.mark.parametrize("whole", [[], None, 5, "x"])
def test_what_is_no_object_is_refused(whole: object) -> None:
    assert problems(whole) == {"": "must be a JSON object: { … }"}


def test_an_error_reads_as_a_list(document: Document) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(document | {"mode": "live", "metdata": {}})
    assert str(caught.value).splitlines() == [
        "configuration: 2 problems",
        '  mode: "live" is not served: SessionFlow replays stored data; write "backtest"',
        '  metdata: unknown key; did you mean "metadata"?',
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SOUND: Document = {"session_name": "x", "exchange_group": "XNYS"}
FIELDS = sorted({path for path, *_ in BAD})


@settings(max_examples=150, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=4))
def test_whatever_is_written_gives_a_configuration_or_a_config_error(changes: Document) -> None:
    document: Document = dict(SOUND)
    for path in sorted(changes):
        parent = path.rpartition(".")[0]
        if parent not in changes:
            document = changed(document, path, changes[path])
    with suppress(ConfigError):
        assert isinstance(parse_config(document), SessionConfig)
