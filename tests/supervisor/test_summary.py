"""What `summary.json` says of a run that went well, and of one that did not."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.domain.session_plan import (
    ActionFile,
    Adjustment,
    Flow,
    Hours,
    Rules,
    Session,
    SessionPlan,
    StrategySpec,
    Stream,
    Trading,
)
from actors.supervisor.split_findings import SuspectedSplit
from actors.supervisor.summary import SPLITS_NAMED, Failure, Outcome, build_summary
from protocol.messages import Finished, StreamTotal, Verdict

MINUTE_NS = 60 * 10**9
OPEN_NS = 1_751_463_000 * 10**9
"""2025-07-02 09:30 in New York."""


def session(index: int, date: str, day: int, minutes: int) -> Session:
    open_ns = OPEN_NS + day * 24 * 60 * MINUTE_NS
    close_ns = open_ns + minutes * MINUTE_NS
    kind = "full" if minutes == 390 else "half"
    return Session(index, date, kind, open_ns, close_ns, (Hours(open_ns, close_ns),), 0)


PLAN = SessionPlan(
    version=1,
    name="test",
    calendar="XNYS",
    timezone="America/New_York",
    first_date="2025-07-02",
    last_date="2025-07-07",
    catalog="catalog",
    symbols=("RIVN", "AAPL"),
    sessions=(
        session(0, "2025-07-02", 0, 390),
        session(1, "2025-07-03", 1, 210),
        session(2, "2025-07-07", 5, 390),
    ),
    history=(),
    holidays=("2025-07-04",),
    streams=(
        Stream(0, "RIVN", "1m", "STREAMED", "stored"),
        Stream(1, "AAPL", "1m", "STREAMED", "stored"),
        Stream(2, "RIVN", "5m", "GENERATED", "from 1m", base=0),
        Stream(3, "AAPL", "5m", "GENERATED", "from 1m", base=1),
        Stream(4, "AAPL", "1s", "IGNORED", "not stored"),
    ),
    stored=(),
    warmups=(),
    strategies=(
        StrategySpec("crossover", "analysis-1", "module:Class", {}),
        StrategySpec("silent", "analysis-2", "module:Class", {}),
    ),
    warnings=("mode is not acted on yet",),
    flow=Flow(),
    rules=Rules(),
    trading=Trading(1.0, 1.0, 1.0, 1),
)
FINISHED = Finished(
    interrupted=False,
    bars=1975,
    data_digest="d",
    stream_digest="s",
    signals_digest="i",
    signals={"analysis-1": 7},
    phase_wall_ns={"STREAMING": 250_000_000, "QUEUE_LOADING": 1_000_000},
    streams=(
        StreamTotal(0, 986, 990, 985, 5, 2, 2, 3, filled=1),
        StreamTotal(1, 990, 990, 990, 0, 0, 0, 0),
        StreamTotal(2, 198, 0, 0, 0, 0, 0, 0),
        StreamTotal(3, 197, 0, 0, 0, 0, 0, 0),
    ),
    suppressed=4,
    lag_ns=1_500_000,
)
OUTCOME = Outcome(
    run="20251122-example",
    status="done",
    exit_code=0,
    wall_s=0.5,
    sessions_done=3,
    peak_rss_bytes={"loader": 10, "coordinator": 20},
    cpu_ns={"loader": 1_234_567_890},
)
FAILED = Outcome(
    run="20251122-example",
    status="failed",
    exit_code=3,
    wall_s=0.5,
    sessions_done=1,
    failure=Failure(actor="processor", reason="killed by signal 9", log_tail=("last", "words")),
)


def test_a_summary_is_plain_json() -> None:
    for summary in (build_summary(PLAN, FINISHED, OUTCOME), build_summary(PLAN, None, FAILED)):
        assert json.loads(json.dumps(summary)) == summary


def test_sessions_stand_in_exchange_time_with_their_steps() -> None:
    sessions = build_summary(PLAN, FINISHED, OUTCOME)["sessions"]
    assert sessions[1] == {
        "date": "2025-07-03",
        "kind": "half",
        "open": "2025-07-03T09:30:00-04:00",
        "close": "2025-07-03T13:00:00-04:00",
        "steps": 210,
    }
    assert [found["steps"] for found in sessions] == [390, 210, 390]


def test_bars_quality_and_gaps_are_by_symbol_in_the_order_of_the_run() -> None:
    summary = build_summary(PLAN, FINISHED, OUTCOME)
    assert list(summary["bars"].items()) == [
        (
            "RIVN",
            {"expected": 990, "delivered": 986, "missing": 5, "duplicates": 2, "rejected": 2, "filled": 1},
        ),
        (
            "AAPL",
            {"expected": 990, "delivered": 990, "missing": 0, "duplicates": 0, "rejected": 0, "filled": 0},
        ),
    ]
    assert summary["quality"] == {"RIVN": 99.49, "AAPL": 100.0}
    assert summary["gaps"] == {"RIVN": 3, "AAPL": 0}
    assert summary["derived"] == {"5m": {"RIVN": 198, "AAPL": 197}}
    assert summary["suppressed_derived"] == 4


def test_signals_are_counted_by_strategy_and_one_without_any_says_0() -> None:
    finished = replace(FINISHED, signals_digests={"analysis-1": "ab", "analysis-2": "cd"})
    summary = build_summary(PLAN, finished, OUTCOME)
    assert summary["signals"]["emitted"] == 7
    assert summary["signals"]["by_strategy"] == {"crossover": 7, "silent": 0}
    assert list(summary["signals"]["digests"].items()) == [("crossover", "ab"), ("silent", "cd")]


def test_results_say_what_stopped_a_strategy_and_nothing_else_of_one_whose_engine_died() -> None:
    fine = Verdict(3, {"PER_TRADE": 1}, 2, 2, 100.0, 110.0, 9.0, 1.0, 0, "d")
    stopped = replace(fine, failure="crossover raised", failed_ts=OPEN_NS)
    finished = replace(FINISHED, verdicts={"analysis-1": stopped})
    outcome = dataclasses.replace(OUTCOME, lost={"analysis-2": "analysis-2 was killed by signal 9"})
    results = build_summary(PLAN, finished, outcome)["results"]
    assert results["crossover"] == {
        "approved": 3,
        "refused": {"PER_TRADE": 1},
        "orders": 2,
        "fills": 2,
        "start_equity": 100.0,
        "equity": 110.0,
        "realised": 9.0,
        "commissions": 1.0,
        "positions": 0,
        "digest": "d",
        "total_return": pytest.approx(0.1),
        "failure": "crossover raised",
    }
    unknown = dict.fromkeys(results["crossover"], None)
    assert results["silent"] == unknown | {"failure": "analysis-2 was killed by signal 9"}
    results = build_summary(PLAN, replace(FINISHED, verdicts={"analysis-1": fine}), OUTCOME)["results"]
    assert (results["crossover"]["failure"], results["silent"]) == (None, None)


def test_figures_of_the_run_itself() -> None:
    summary = build_summary(PLAN, FINISHED, OUTCOME)
    assert summary["digest"] == {"data": "d", "stream": "s", "signals": "i"}
    assert summary["wall_s"] == {"streaming": 0.25, "queue_loading": 0.001, "total": 0.5}
    assert summary["bars_per_s"] == 3950.0
    assert summary["peak_rss_bytes"] == {"loader": 10, "coordinator": 20}
    assert summary["cpu_s"] == {"loader": 1.235}
    assert summary["max_lag_s"] == 0.0015
    names = ("run", "status", "exit_code", "restarts", "warnings", "failure")
    assert [summary[name] for name in names] == [
        "20251122-example",
        "done",
        0,
        0,
        ["mode is not acted on yet"],
        None,
    ]


def test_what_a_failed_run_does_not_know_is_null_and_keeps_its_shape() -> None:
    whole, failed = build_summary(PLAN, FINISHED, OUTCOME), build_summary(PLAN, None, FAILED)
    assert list(failed) == list(whole)
    for name in ("bars", "derived", "quality", "gaps", "signals", "digest"):
        assert set(leaves(failed[name])) == {None}, name
        assert shape(failed[name]) == shape(whole[name])
    assert [found["steps"] for found in failed["sessions"]] == [390, None, None]
    assert failed["wall_s"] == {"total": 0.5}
    assert failed["bars_per_s"] is failed["suppressed_derived"] is None
    assert failed["failure"] == {
        "actor": "processor",
        "step": None,
        "reason": "killed by signal 9",
        "advice": None,
        "log_tail": ["last", "words"],
        "stack": [],
    }


def leaves(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    return [leaf for item in value.values() for leaf in leaves(item)] if isinstance(value, dict) else [value]


def shape(value: Any) -> Any:  # noqa: ANN401 - any JSON
    return {key: shape(item) for key, item in value.items()} if isinstance(value, dict) else None


def test_without_a_check_of_history_that_is_said() -> None:
    plan = replace(PLAN, rules=Rules(history_quality_enabled=False), history=PLAN.sessions[:1])
    summary = build_summary(plan, FINISHED, OUTCOME)
    assert any("assumed" in warning for warning in summary["warnings"])
    assert summary["bars"] == build_summary(PLAN, FINISHED, OUTCOME)["bars"]


def test_the_file_of_corporate_actions_is_named_with_how_many_were_applied() -> None:
    split = Adjustment("AAPL", "2025-07-03", 4.0, 0.0, 0.25, 4.0)
    plan = replace(PLAN, corporate_actions=ActionFile("actions.csv", "ab12"), adjustments=(split,))
    assert build_summary(PLAN, FINISHED, OUTCOME)["corporate_actions"] is None
    assert build_summary(plan, FINISHED, OUTCOME)["corporate_actions"] == {
        "file": "actions.csv",
        "sha256": "ab12",
        "applied": 1,
    }


def test_suspected_splits_are_listed_and_warned_of_and_unknown_without_tables() -> None:
    found = tuple(SuspectedSplit(f"S{n}", "2025-07-03", "4:1") for n in range(SPLITS_NAMED + 3))
    summary = build_summary(PLAN, FINISHED, dataclasses.replace(OUTCOME, suspected_splits=found))
    assert len(summary["suspected_splits"]) == len(found)
    assert summary["suspected_splits"][0] == {"symbol": "S0", "date": "2025-07-03", "split": "4:1"}
    *_, warning = summary["warnings"]
    assert warning.startswith("suspected splits: S0 2025-07-03 4:1, S1 2025-07-03 4:1, ")
    assert warning.endswith(" and 3 more; catalog.corporate_actions can adjust for it")
    assert build_summary(PLAN, None, FAILED)["suspected_splits"] is None


@pytest.mark.parametrize(
    ("missing", "expected", "score"),
    [(3, 390, 99.23), (120, 390, 69.23), (0, 210, 100.0), (0, 0, 100.0), (390, 390, 0.0)],
)
def test_scores_of_the_market_rules(missing: int, expected: int, score: float) -> None:
    assert score_of(expected, missing) == score


@given(expected=st.integers(1, 10**9), data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_score_is_100_only_where_nothing_is_missing(expected: int, data: st.DataObject) -> None:
    missing = data.draw(st.integers(0, expected))
    score = score_of(expected, missing)
    assert (score == 100) == (missing == 0)
    assert score == pytest.approx(100 * (1 - missing / expected), abs=0.011)


def score_of(expected: int, missing: int) -> float:
    total = StreamTotal(0, expected - missing, expected, expected, missing, 0, 0, 0)
    score: float = build_summary(PLAN, replace(FINISHED, streams=(total,)), OUTCOME)["quality"]["RIVN"]
    return score
