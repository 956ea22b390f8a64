import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.config import load_config
from actors.domain.errors import ConfigError
from actors.domain.overrides import Overrides

Document = dict[str, Any]
Write = Callable[[object], Path]
CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(path for path in CONFIGS.glob("*.json") if not path.name.endswith(".schema.json"))


def refusal(path: Path, overrides: Overrides | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides or Overrides())
    assert caught.value.path == path
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON: line 1 column 1"),
        ('{\n "a": 1,\n}', "is not JSON: line"),
        ("{} // no", "is not JSON: line 1 column 4"),
        ("[]", "must be a JSON object"),
        ('{"quality": {"jump_ratio": NaN}}', "NaN is no number"),
        ('{"quality": {"jump_ratio": 1e999}}', "a number that is too large: 1e999"),
        ('{"metadata": {"n": 99999999999999999999}}', "a number that is too large: 9999"),
        ('{"metadata": {"n": ' + "9" * 5000 + "}}", "a number that is too large: 9999"),
        ('{"metadata": ' + "[" * 100_000, "nested too deeply"),
        ('{"metadata": {"x": "\\ud800"}}', "holds \\ud800, which is half a character"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(write: Write, text: str, message: str) -> None:
    assert message in refusal(write(text))


@pytest.mark.parametrize("levels", [70, 150, 250, 500, 900, 990, 2000])
def test_a_deeply_nested_file_is_refused(write: Write, document: Document, levels: int) -> None:
    text = json.dumps(document | {"metadata": {"deep": 0}})
    assert "nested" in refusal(write(text.replace(": 0}", ": " + "[" * levels + "]" * levels + "}")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.json").endswith("none.json: 1 problem\n  there is no such file")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refusal(tmp_path)


def test_a_file_above_the_limit_is_refused(write: Write, document: Document) -> None:
    document["metadata"] = {"long": "x" * 2**20}
    assert "is larger than 1,048,576 bytes" in refusal(write(document))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(b'{"a": "\xff"}')
    assert "is not UTF-8 text: byte 7 is 0xff" in refusal(path)


def test_a_byte_order_mark_is_no_matter(tmp_path: Path, document: Document) -> None:
    path = tmp_path / "session.json"
    path.write_text(json.dumps(document), encoding="utf-8-sig")
    assert load_config(path).session_name == "Two days"


def test_repeated_keys_are_refused_with_all_else(write: Write, document: Document) -> None:
    text = json.dumps(document | {"mode": "live"}).replace('"streams"', '"streams": ["1d"], "streams"')
    message = refusal(write(text))
    assert "session_data_config.streams: is given twice" in message
    assert "mode:" in message


def test_repeated_keys_alone_are_refused(write: Write, document: Document) -> None:
    text = json.dumps(document)
    assert "session_name: is given twice; keep one" in refusal(write('{"session_name": "x", ' + text[1:]))


def test_overrides_replace_what_the_file_says(write: Write, document: Document, tmp_path: Path) -> None:
    overrides = Overrides("2025-06-02", "2025-06-30", 60, 7, 2, tmp_path / "bars")
    config = load_config(write(document), overrides)
    assert str(config.backtest_start_date) == "2025-06-02"
    assert str(config.backtest_end_date) == "2025-06-30"
    assert config.backtest_config.speed_multiplier == 60
    assert (config.pipeline.window_steps, config.pipeline.credit) == (7, 2)
    assert config.catalog_path == tmp_path / "bars"


def test_a_catalog_on_the_command_line_starts_at_the_working_directory(
    write: Write, document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    config = load_config(write(document), Overrides(catalog=Path("bars")))
    assert config.catalog_path == tmp_path / "here" / "bars"
    assert config.catalog.path == "here/bars"


def test_bad_overrides_are_named_by_their_options(write: Write, document: Document) -> None:
    message = refusal(write(document), Overrides("x", "2025-02-30", -1, 0, 0))
    for option in ("--start", "--end", "--speed", "--window-steps", "--credit"):
        assert f"\n  {option}: must be" in message


def test_an_override_of_a_malformed_section_leaves_its_error(write: Write, document: Document) -> None:
    message = refusal(write(document | {"backtest_config": 5}), Overrides(start="2025-07-02"))
    assert "backtest_config: must be an object, not 5" in message


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_loads_and_round_trips(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    assert config.schema_reference == "session.schema.json"
    assert config.catalog_path == CONFIGS.parent / "data"
    again = tmp_path / path.name
    again.write_text(config.as_json())
    assert load_config(again) == config.in_folder(tmp_path)
