import json
from pathlib import Path

from actors.config import config_schema, schema_text

CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_committed_schema_is_current() -> None:
    committed = (CONFIGS / "session.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "run `sessionflow schema --output configs/session.schema.json`"


def test_the_schema_knows_every_section_and_refuses_unknown_keys() -> None:
    schema = config_schema()
    sections = [part for part in schema["$defs"].values() if part.get("type") == "object"]
    assert schema["properties"].keys() >= {"$schema", "session_name", "pipeline", "api_config"}
    assert not any(section["additionalProperties"] for section in (*sections, schema))


def test_shipped_configurations_refer_to_a_schema_beside_them() -> None:
    for path in CONFIGS.glob("*.json"):
        reference = json.loads(path.read_text(encoding="utf-8"))["$schema"]
        assert reference.startswith("https://json-schema.org/") or (CONFIGS / reference).is_file()
