"""What people write: the configuration of a run, its errors, and its JSON Schema."""

from actors.config.loading import Overrides, load_config, parse_config
from actors.config.problems import ConfigError, Problem
from actors.config.schema import config_schema, schema_text
from actors.config.session import SessionConfig

__all__ = [
    "ConfigError",
    "Overrides",
    "Problem",
    "SessionConfig",
    "config_schema",
    "load_config",
    "parse_config",
    "schema_text",
]
