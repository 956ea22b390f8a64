from collections.abc import Callable
from pathlib import Path

import pytest

from actors.runtime.strategy_loading import StrategyLoadError, load_strategy
from actors.strategies.sma_crossover import SmaCrossover

Writer = Callable[..., str]
HEAD = """
from actors.domain.session_plan import IndicatorSpec
from actors.domain.strategy import Needs, Strategy, StrategyParams
"""
GOOD = f"""{HEAD}
class Params(StrategyParams):
    size: int = 3

class Mine(Strategy[Params]):
    Params = Params
"""


@pytest.fixture
def written(tmp_path: Path) -> Writer:
    def write(text: str, name: str = "mine.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return f"{path}:Mine"

    return write


def reason(target: str, **params: object) -> str:
    with pytest.raises(StrategyLoadError) as caught:
        load_strategy(target, params)
    assert str(caught.value).startswith(f"strategy {target}: ")
    return caught.value.reason


def test_a_class_of_a_module_is_built_with_its_params() -> None:
    strategy = load_strategy("actors.strategies.sma_crossover:SmaCrossover", {"fast": 3, "slow": 7})
    assert isinstance(strategy, SmaCrossover)
    assert (strategy.params.fast, strategy.params.slow) == (3, 7)


def test_a_class_of_a_file_is_built_with_its_params(written: Writer) -> None:
    assert load_strategy(written(GOOD), {"size": 5}).params.size == 5


def test_two_files_of_one_name_do_not_meet(written: Writer) -> None:
    first = load_strategy(written(GOOD, "a/mine.py"), {})
    second = load_strategy(written(GOOD.replace("= 3", "= 4"), "b/mine.py"), {})
    assert (first.params.size, second.params.size) == (3, 4)
    assert type(first).__module__ != type(second).__module__


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    assert f"there is no file {tmp_path}/gone.py" in reason(f"{tmp_path}/gone.py:Mine")


@pytest.mark.parametrize(
    ("target", "missing"), [("no_such_module:Mine", "no_such_module"), ("actors.gone.x:Mine", "actors.gone")]
)
def test_a_module_that_does_not_exist_is_named(target: str, missing: str) -> None:
    assert f"there is no module {missing}; install it" in reason(target)


@pytest.mark.parametrize("target", ["mine.py", "module", ":Mine", "module:", "module:not a name"])
def test_a_target_of_another_form_is_refused_with_the_right_form(target: str) -> None:
    assert "write it as module:Class or path/to/file.py:Class" in reason(target)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import json; json.loads('x')", "JSONDecodeError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_file_that_raises_at_import_is_named_with_its_line(
    written: Writer, line: str, complaint: str
) -> None:
    said = reason(written(f"import os\n\n{line}\n"))
    assert said.startswith(f"it fails at import: {complaint}")
    assert "mine.py, line 3" in said


def test_a_file_with_a_syntax_error_is_named_with_its_line(written: Writer) -> None:
    said = reason(written("import os\n\nclass Mine(\n"))
    assert "SyntaxError" in said
    assert "mine.py, line 3" in said


def test_a_module_whose_own_import_is_missing_fails_at_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needing.py").write_text("\nimport no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = reason("needing:Mine")
    assert "it fails at import: ModuleNotFoundError" in said
    assert "needing.py, line 2" in said


def test_a_class_that_is_not_there_is_refused_with_those_that_are(written: Writer) -> None:
    assert reason(written(GOOD.replace("class Mine", "class Other"))) == (
        "it has no class Mine; its strategies: Other"
    )


@pytest.mark.parametrize("text", ["class Mine:\n    pass\n", "Mine = 3\n", "def Mine(params): ...\n"])
def test_a_class_that_is_no_strategy_is_refused(written: Writer, text: str) -> None:
    assert "Mine is not a strategy: derive it from" in reason(written(text))


def test_params_of_another_kind_are_refused(written: Writer) -> None:
    assert "derive its Params from" in reason(
        written(GOOD.replace("    Params = Params", "    Params = dict"))
    )


def test_all_wrong_params_are_listed_with_their_fields() -> None:
    said = reason("actors.strategies.sma_crossover:SmaCrossover", fast="x", interval="5x", sloow=3)
    assert "params.fast: Input should be a valid integer" in said
    assert "params.interval: Value error, '5x' is not an interval" in said
    assert "params.sloow: Extra inputs are not permitted" in said
    assert "(known params: interval, fast, slow, quantity)" in said


def test_a_constructor_that_raises_is_named_with_its_line(written: Writer) -> None:
    said = reason(written(GOOD + "\n    def __init__(self, params):\n        1 / 0\n"))
    assert "it cannot be built: ZeroDivisionError" in said
    assert "mine.py, line 12" in said


@pytest.mark.parametrize(
    ("needs", "complaint"),
    [
        ("1 / 0", "its needs cannot be met: ZeroDivisionError"),
        ("None", "needs() gave None, not Needs"),
        ("Needs(intervals=('5x',))", "'5x' is not an interval"),
        ("Needs(indicators=(IndicatorSpec('smaa', '5m', {}),))", "unknown name; known are atr"),
    ],
)
def test_needs_that_cannot_be_are_refused_before_the_run(written: Writer, needs: str, complaint: str) -> None:
    assert complaint in reason(written(GOOD + f"\n    def needs(self):\n        return {needs}\n"))
