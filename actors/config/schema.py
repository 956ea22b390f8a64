"""The JSON Schema of a configuration, for editors."""

import json
from typing import Any, Final

from actors.config.session import SessionConfig

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """Describe what a configuration file may hold."""
    return {"$schema": DIALECT, **SessionConfig.model_json_schema()}


def schema_text() -> str:
    """Write the schema as the shipped file has it."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"
