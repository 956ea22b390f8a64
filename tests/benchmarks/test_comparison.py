"""The comparison says what it has measured, and hides nothing."""

import re
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import pytest

from tests.benchmark_scripts import BENCHMARKS, imported


@pytest.fixture(autouse=True)
def import_siblings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def measurements() -> ModuleType:
    return imported("measurements")


def test_sizes_are_read_and_put_in_order() -> None:
    compare = imported("compare")
    found = compare.parse_sizes(None, None, "10x20 2x1")
    assert list(map(str, found)) == ["W(2,1)", "W(10,20)"]


@pytest.mark.parametrize("text", ["", "2", "2x0", "2x1,3x4", "2x1 x"])
def test_a_size_that_is_none_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write SYMBOLSxDAYS, such as '2x1 10x20'"):
        imported("compare").parse_sizes(None, None, text)


def test_the_first_engine_is_always_among_those_chosen() -> None:
    compare = imported("compare")
    names = [engine.name for engine in compare.choose(["BACKTRADER", "zipline"])]
    assert names == ["SessionFlow, processes, per bar", "backtrader", "zipline-reloaded"]
    assert compare.choose(()) == compare.ENGINES


def test_every_version_is_pinned() -> None:
    pins = imported("environments").PINS
    requirements = [text for every in pins.values() for each in every for text in each.requirements]
    assert requirements
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", text) for text in requirements)


def test_every_peer_has_its_script_and_its_environment() -> None:
    engines, pins = imported("engines"), imported("environments").PINS
    for peer in (engine for engine in engines.ENGINES if isinstance(engine, engines.Peer)):
        assert (BENCHMARKS / "peers" / peer.script).is_file()
        assert peer.environment is None or peer.environment in pins


def test_who_counts_otherwise_is_marked_and_who_did_not_run_says_why(measurements: ModuleType) -> None:
    table, counted = imported("comparison_table"), measurements.Counted
    size = measurements.Size(imported("workload").Workload(2, 1), 780)
    size.engines["ours"] = measurements.Measured(counted=counted(780, 2), walls_s=[2.0, 1.0, 4.0])
    size.engines["theirs"] = measurements.Measured(counted=counted(780, 3), walls_s=[6.0, 4.0, 4.0])
    size.engines["slow"] = measurements.Measured(reason="> 60 s")
    head, ours, theirs, slow = table.table([size], "ours")
    assert re.sub(" +", " ", head) == ("W(2,1), 780 bars median s min max ratio bars/s signals PSS MB RSS MB")
    assert ours.split() == ["ours", "2.00", "1.00", "4.00", "1.00", "390", "2", "?", "?"]
    assert theirs.split() == ["theirs", "4.00", "4.00", "6.00", "3.00", "195", "≠3", "?", "?"]
    assert slow.split() == ["slow", ">", "60", "s"]
    (line,) = table.differences([size], "ours")
    assert "W(2,1): theirs has Counted(bars=780, signals=3)" in line


def test_start_up_and_slope_come_from_the_smallest_and_the_largest_size(measurements: ModuleType) -> None:
    workload = imported("workload").Workload
    sizes = [measurements.Size(workload(1, 1), bars) for bars in (1_000, 50_000, 101_000)]
    for size, wall_s in zip(sizes, (0.5, 9.0, 1.5), strict=True):
        size.engines["one"] = measurements.Measured(walls_s=[wall_s])
        size.engines["other"] = measurements.Measured(walls_s=[wall_s], reason="> 60 s")
    start_s, us_per_bar = measurements.line_through(sizes, "one")
    assert (start_s, us_per_bar) == pytest.approx((0.49, 10.0))
    assert measurements.line_through(sizes, "other") is None


def test_lateness_is_measured_from_each_sessions_own_first_deadline() -> None:
    minute, day = 60 * 10**9, 86_400 * 10**9
    steps = [minute, 2 * minute, 3 * minute, day, day + minute]
    called = [1_000 + 5, 1_010 + 6, 1_020 + 7, 9_000 + 8, 9_010 + 9]
    calls = np.array([steps, called], dtype=np.int64).T
    late = imported("latency").lateness_ns(calls, [1_000, 9_000], minute / 10)
    assert late.tolist() == [5, 6, 7, 8, 9]


@pytest.mark.slow
def test_all_handlers_and_the_plain_programs_count_the_same_crossings(tmp_path: Path) -> None:
    engines, whole_run, workload = imported("engines"), imported("whole_run"), imported("workload")
    work = workload.Workload(3, 4)
    workload.prepare(tmp_path, work)
    engines.configure(tmp_path, work)
    chosen = [engines.SessionFlow(handler, inline=True) for handler in engines.STRATEGIES]
    chosen += [engine for engine in engines.ENGINES if getattr(engine, "environment", "") is None]
    found = {
        engine.name: engine.counted(whole_run.run(engine.command(tmp_path), tmp_path, 60.0).document)
        for engine in chosen
    }
    assert len(found) == len(engines.STRATEGIES) + 2
    assert len(set(found.values())) == 1, found
    assert found[chosen[0].name].signals > 0


@pytest.mark.slow
def test_a_run_that_is_over_its_deadline_is_ended(tmp_path: Path) -> None:
    whole_run = imported("whole_run")
    with pytest.raises(whole_run.TooSlow):
        whole_run.run(("/bin/sh", "-c", "mkfifo fifo; read line < fifo"), tmp_path, 0.5)


def test_a_run_that_fails_says_its_last_word(tmp_path: Path) -> None:
    whole_run = imported("whole_run")
    with pytest.raises(whole_run.RunFailed, match="exit code 3: no store"):
        whole_run.run(("/bin/sh", "-c", "echo no store >&2; exit 3"), tmp_path, 60.0)
