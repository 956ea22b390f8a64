import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors.cli import VERBS, main
from actors.domain.exit_codes import ExitCode

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLE = CONFIGS / "example_session.json"


def sessionflow(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], prog_name="sessionflow")


def in_a_process(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "actors", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def misspelt(tmp_path: Path) -> Path:
    path = tmp_path / "misspelt.json"
    text = EXAMPLE.read_text(encoding="utf-8")
    path.write_text(
        text.replace('"prefetch_days"', '"prefech_days"').replace('"1h"', '"1x"'), encoding="utf-8"
    )
    return path


def test_a_good_configuration_is_valid() -> None:
    result = sessionflow("validate", EXAMPLE)
    assert result.exit_code == ExitCode.DONE
    assert result.stdout.endswith("example_session.json: valid\n")


def test_what_is_not_acted_on_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "scanner.json"
    text = EXAMPLE.read_text(encoding="utf-8").replace('"strategies"', '"scanners": ["gap_up"], "strategies"')
    path.write_text(text.replace('"../data"', f'"{EXAMPLE.parents[1] / "data"}"'), encoding="utf-8")
    result = sessionflow("validate", path)
    assert result.exit_code == ExitCode.DONE
    assert "warning: session_data_config.scanners:" in result.stdout


def test_a_bad_configuration_gives_every_problem_and_no_traceback(misspelt: Path) -> None:
    result = in_a_process("validate", misspelt)
    assert result.returncode == ExitCode.CONFIGURATION
    assert result.stdout == ""
    first, unknown_key, bad_interval = result.stderr.splitlines()
    assert first == f"Error: {misspelt}: 2 problems"
    assert unknown_key == '  backtest_config.prefech_days: unknown key; did you mean "prefetch_days"?'
    assert bad_interval.startswith("  session_data_config.streams[3]: '1x' is not an interval: write")


def test_a_program_may_read_the_findings(misspelt: Path) -> None:
    good, bad = sessionflow("validate", "--json", EXAMPLE), sessionflow("validate", "--json", misspelt)
    assert (good.exit_code, bad.exit_code) == (ExitCode.DONE, ExitCode.CONFIGURATION)
    assert json.loads(good.stdout)["valid"]
    findings = json.loads(bad.stdout)
    assert not findings["valid"]
    assert findings["problems"][0]["where"] == "backtest_config.prefech_days"


def test_a_missing_file_is_named() -> None:
    result = sessionflow("validate", "nowhere.json")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "nowhere.json: 1 problem\n  there is no such file" in result.stderr


def test_reversed_dates_are_refused() -> None:
    result = sessionflow("validate", EXAMPLE, "--end", "2025-07-01")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "--end: 2025-07-01 is before start_date 2025-07-02" in result.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [("--start", "07/02"), ("--end", ""), ("--speed", "-1"), ("--window-steps", "0"), ("--credit", "0")],
)
def test_a_bad_override_is_named_by_its_option(option: str, value: str) -> None:
    result = sessionflow("validate", EXAMPLE, option, value)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert f"  {option}: must be" in result.stderr


def test_an_override_that_is_no_number_is_a_usage_error() -> None:
    result = sessionflow("validate", EXAMPLE, "--credit", "many")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "--credit" in result.stderr


def test_an_unknown_verb_is_a_usage_error() -> None:
    assert sessionflow("valdate", EXAMPLE).exit_code == ExitCode.CONFIGURATION


def test_the_schema_is_written_to_the_terminal_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    assert sessionflow("schema", "--output", file).exit_code == ExitCode.DONE
    assert sessionflow("schema").stdout == file.read_text(encoding="utf-8")
    assert file.read_bytes() == (CONFIGS / "session.schema.json").read_bytes()


def test_a_schema_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    result = sessionflow("schema", "--output", tmp_path / "none" / "schema.json")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "No such file or directory" in result.stderr


def test_help_lists_every_verb_and_imports_none() -> None:
    script = (
        "import sys\n"
        "from actors.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({'numpy', 'pydantic', 'rich', 'zmq'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert all(f"\n  {verb} " in result.stdout for verb in VERBS)
    assert result.stdout.endswith("[]\n")
