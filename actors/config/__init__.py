"""What people write: the configuration of a run, its errors, and its JSON Schema."""

from actors.config.loading import load_config, parse_config
from actors.config.schema import config_schema, schema_text
from actors.config.session import SessionConfig

__all__ = [
    "SessionConfig",
    "config_schema",
    "load_config",
    "parse_config",
    "schema_text",
]
