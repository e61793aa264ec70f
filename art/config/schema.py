"""The JSON schema of the configuration: ``python -m art.config.schema`` writes it to workflow/schemas."""

from __future__ import annotations

from pathlib import Path

from art.config.experiment import Config
from art.files import write_json

SCHEMA_PATH = Path("workflow/schemas/config.schema.json")


def config_schema() -> dict[str, object]:
    """Schema of a whole configuration (JSON Schema 2020-12), generated from the types."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Config.model_json_schema()


if __name__ == "__main__":
    write_json(SCHEMA_PATH, config_schema())
