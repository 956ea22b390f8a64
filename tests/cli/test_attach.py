"""What is refused of `attach` and `replay` before anything is begun; tests/pipeline has real runs."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.cli import main
from actors.domain.session_plan import StrategySpec, Stream
from actors.runtime.locks import take_lock
from actors.supervisor.attaching import default_name
from tests.plans import make_plan, make_session

SMA = "actors.strategies.sma_crossover:SmaCrossover"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of a run that was killed before it published anything."""
    folder = tmp_path / "one"
    for part in ("journal", "logs"):
        (folder / part).mkdir(parents=True)
    plan = make_plan(
        [make_session(0)],
        [Stream(0, "AAPL", "1m", "STREAMED", "asked for"), Stream(1, "AAPL", "5m", "GENERATED", "", base=0)],
        strategies=(StrategySpec("a", "analysis-a", "x:Y", {}),),
    )
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
    (folder / "lock").touch()
    return folder


@pytest.fixture
def running(folder: Path) -> Iterator[Path]:
    lock = take_lock(folder / "lock")
    yield folder
    os.close(lock)


def invoke(runs: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--runs", str(runs)])


def words(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--strategy", "nowhere:X"), "there is no module nowhere"),
        (("--strategy", "x.py:X"), "there is no file x.py"),
        (("--strategy", "nothing"), "write it as module:Class or path/to/file.py:Class"),
        (("--strategy", SMA, "--params", "{"), "this is no JSON"),
        (("--strategy", SMA, "--params", "[1]"), "write an object, such as"),
        (("--strategy", SMA, "--params", '{"fats": 5}'), "known params: interval, fast, slow"),
        (("--strategy", SMA, "--params", '{"interval": "15m"}'), "this run serves 1m, 5m"),
        (("--strategy", SMA, "--name", "../x"), "'../x' is no name"),
        (("--strategy", SMA, "--name", "ctl-x"), "'ctl-x' is no name"),
        (("--strategy", SMA, "--name", "loader"), "loader is an actor of the run: choose another name"),
        (("--strategy", SMA, "--name", "analysis-a"), "is an actor of the run"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do_and_leaves_nothing(
    folder: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    for verb in ("attach", "replay"):
        result = invoke(folder.parent, verb, "one", *arguments)
        assert result.exit_code == 2, result.output
        assert complaint in words(result)
        assert not list(folder.glob("attached/*"))


def test_from_now_is_refused_of_a_run_that_is_over(folder: Path) -> None:
    result = invoke(folder.parent, "attach", "one", "--strategy", SMA, "--from", "now")
    assert result.exit_code == 2
    assert "--from: the run is over" in words(result)


def test_without_a_name_a_run_must_be_running(folder: Path) -> None:
    result = invoke(folder.parent, "attach", "--strategy", SMA)
    assert result.exit_code == 2
    assert "no run is running in" in words(result)


def test_a_run_that_goes_on_is_not_replayed(running: Path) -> None:
    result = invoke(running.parent, "replay", "one", "--strategy", SMA)
    assert result.exit_code == 2
    assert "use `sessionflow attach one`" in words(result)


def test_a_run_without_sockets_cannot_be_attached_to(running: Path) -> None:
    result = invoke(running.parent, "attach", "--strategy", SMA)
    assert result.exit_code == 2
    assert "cannot attach: run one cannot be steered: it runs in one process (--inline)" in words(result)


def test_a_run_that_published_nothing_is_replayed_as_that(folder: Path) -> None:
    result = invoke(folder.parent, "replay", "one", "--strategy", SMA)
    assert result.exit_code == 0, result.output
    assert "its journal ends with window none" in words(result)
    assert "sma-crossover: done, replay of one" in words(result)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("a.b:SmaCrossover", "sma-crossover"),
        ("x.py:RSI2", "rsi2"),
        ("x:My_Own_Thing", "my-own-thing"),
        ("x:" + "Long" * 20, "long-long-long-long-long-lo"),
        ("x:Über", "ber"),
        ("x:Ü", "strategy"),
        ("x:Ctl_x", "strategy"),
    ],
)
def test_a_name_is_made_from_the_class(target: str, name: str) -> None:
    assert default_name(target) == name
