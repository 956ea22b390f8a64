"""docs/configuration.md names every field of every section, with its default."""

import json
import re
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from actors.config import sections
from actors.config.fields import Section
from actors.config.portfolio import PortfolioConfig
from actors.config.remote import RemoteConfig
from actors.config.session import SessionConfig
from actors.domain.trading.costs import CostModel

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
MODELS: Final = {
    model.__name__: model
    for model in (SessionConfig, PortfolioConfig, RemoteConfig, *vars(sections).values())
    if isinstance(model, type) and issubclass(model, Section) and model is not Section
}
TABLE: Final = re.compile(r"<!-- model: (\w+) -->\n\|.*\n\|[-|]+\n((?:\|.*\n)+)")
ROW: Final = re.compile(r"^\| `([^`]+)`(?: ⌘)? \| (.*?) \|", re.MULTILINE)


def tables() -> dict[str, dict[str, str]]:
    """Give for each model the fields and defaults that the page states, in their order."""
    found: list[tuple[str, str]] = TABLE.findall(PAGE.read_text(encoding="utf-8"))
    return {model: dict(ROW.findall(rows)) for model, rows in found}


def written(field: FieldInfo) -> str:
    """Write a default as the page does."""
    if field.is_required():
        return "required"
    if isinstance(field.default, CostModel):
        return f"`{field.default.model_dump_json()}`"
    if isinstance(field.default, BaseModel):
        return "all defaults"
    return f"`{json.dumps(field.default)}`"


def test_every_section_has_a_table() -> None:
    assert set(tables()) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_table_names_every_field_with_its_default(name: str) -> None:
    fields = MODELS[name].model_fields
    assert tables()[name] == {field.alias or key: written(field) for key, field in fields.items()}


def test_the_settings_that_the_command_line_replaces_are_marked() -> None:
    marked = set(re.findall(r"`(\w+)` ⌘", PAGE.read_text(encoding="utf-8")))
    assert marked == {"start_date", "end_date", "speed_multiplier", "path", "window_steps", "credit"}
