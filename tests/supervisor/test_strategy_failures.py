"""What a run says of strategies that failed while it went on."""

from pathlib import Path

import pytest

from actors.assembly.places import RunPlaces
from actors.domain.session_plan import StrategySpec, Stream
from actors.supervisor.strategy_failures import describe, failed_strategies
from protocol.messages import Finished, Verdict
from tests.plans import MINUTE, OPEN, make_finished, make_plan, make_session

NAMES = ("a", "b", "c")
PLAN = make_plan(
    [make_session(0, 10)],
    [Stream(0, "A", "1m", "STREAMED", "")],
    strategies=tuple(StrategySpec(name, f"analysis-{name}", "", {}) for name in NAMES),
)
FINE = Verdict(0, {}, 0, 0, 1.0, 1.0, 0.0, 0.0, 0, "")
KILLED = "analysis-b was killed by signal 9"


def finished(raised: dict[str, int], dropped: dict[str, int]) -> Finished:
    verdicts = {
        f"analysis-{name}": Verdict(
            0, {}, 0, 0, 1.0, 1.0, 0.0, 0.0, 0, "", failure=f"{name} raised", failed_ts=OPEN + minute * MINUTE
        )
        if (minute := raised.get(name)) is not None
        else FINE
        for name in NAMES
        if name not in dropped
    }
    at = {f"analysis-{name}": OPEN + minute * MINUTE for name, minute in dropped.items()}
    return make_finished(verdicts=verdicts, dropped=at)


def places(folder: Path) -> RunPlaces:
    (folder / "logs").mkdir()
    (folder / "logs" / "analysis-a.log").write_text("one\ntwo\n")
    (folder / "logs" / "analysis-a.out").write_text("three\n")
    return RunPlaces(folder, folder, folder, 1)


def test_one_that_raised_is_named_with_its_step_and_its_last_lines(tmp_path: Path) -> None:
    failure = describe(PLAN, places(tmp_path), failed_strategies(PLAN, finished({"a": 3}, {}), {}))
    assert failure.reason == "a failed at 2025-07-02 09:33:00 EDT; the others went on: a raised"
    assert (failure.actor, failure.step) == ("analysis-a", "2025-07-02T09:33:00-04:00")
    assert failure.log_tail == ("one", "two", "three")
    assert failure.advice is not None
    assert "logs/analysis-a.log" in failure.advice


@pytest.mark.parametrize(
    ("died_at", "words"),
    [
        (5, "a failed at 2025-07-02 09:33:00 EDT, b failed after 2025-07-02 09:35:00 EDT"),
        (2, "b failed after 2025-07-02 09:32:00 EDT, a failed at 2025-07-02 09:33:00 EDT"),
    ],
)
def test_several_are_named_in_the_order_of_their_failures(died_at: int, words: str, tmp_path: Path) -> None:
    done = finished({"a": 3}, {"b": died_at})
    failure = describe(PLAN, places(tmp_path), failed_strategies(PLAN, done, {"analysis-b": KILLED}))
    assert failure.reason.startswith(f"{words}; the others went on: ")
    assert failure.reason.endswith(f"{KILLED}; a raised" if died_at < 3 else f"a raised; {KILLED}")


def test_where_all_failed_that_is_said(tmp_path: Path) -> None:
    failed = failed_strategies(PLAN, finished({"a": 1, "c": 0}, {"b": 2}), {"analysis-b": KILLED})
    assert [each.name for each in failed] == ["c", "a", "b"]
    assert "; no strategy was left: " in describe(PLAN, places(tmp_path), failed).reason


def test_an_engine_that_died_after_all_windows_keeps_its_figures_and_has_no_step(tmp_path: Path) -> None:
    failed = failed_strategies(PLAN, finished({}, {}), {"analysis-b": KILLED})
    failure = describe(PLAN, places(tmp_path), failed)
    assert failure.reason == f"b failed at the end; the others went on: {KILLED}"
    assert failure.step is None


def test_of_an_engine_that_died_before_the_run_was_resumed_no_step_is_told(tmp_path: Path) -> None:
    lost = {"analysis-b": KILLED}
    failed = failed_strategies(PLAN, finished({"a": 1}, {"b": 4}), lost, before=lost)
    failure = describe(PLAN, places(tmp_path), failed)
    assert failure.reason.startswith(
        "a failed at 2025-07-02 09:31:00 EDT, b failed before the run was resumed;"
    )


def test_where_nothing_failed_there_is_nothing_to_say() -> None:
    assert failed_strategies(PLAN, finished({}, {}), {}) == ()
