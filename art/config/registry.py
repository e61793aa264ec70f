"""The names that a configuration can select, each with the module that implements it.

The entries are text, so that reading a configuration imports none of the modules; ``implementation`` imports the
selected one.  The configuration's types and the workflow take their allowed names from here.  (A method's module is
named beside its settings, in ``art/config/methods.py``.)
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

# models.NAME.family -> class
FAMILIES = {
    "qwen3_5": "art.models.policy:Policy",
    "qwen3_vl": "art.models.qwen3_vl:Qwen3Vl",
}

# engine.kind -> class
ENGINES = {
    "transformers": "art.rollouts.engines:Transformers",
    "vllm": "art.rollouts.vllm_engine:Vllm",
    "server": "art.rollouts.server_engine:Server",
}

# tasks.NAME.scorer -> module with ``extract`` and ``judge``
SCORERS = {
    "numeric": "art.scoring.numeric",
    "tool_call": "art.scoring.tool_call",
    "multiple_choice": "art.scoring.multiple_choice",
    "reasoning_gym": "art.scoring.reasoning_gym",
}

# a task's name -> module of its generator
GENERATORS = {
    "arithmetic": "art.tasks.generated.arithmetic",
    "tool_call": "art.tasks.generated.tool_call",
    "multiple_choice": "art.tasks.generated.multiple_choice",
}

# a task's rule (see ``TaskSection.rule``) -> module that reads the published data set
READERS = {
    "gsm8k": "art.tasks.published.gsm8k",
    "svamp": "art.tasks.published.svamp",
    "gpqa": "art.tasks.published.gpqa",
    "toolmind": "art.tasks.published.toolmind",
    "bfcl": "art.tasks.published.bfcl",
    "reasoning_gym": "art.tasks.published.reasoning_gym",
}

# a task's name -> module of its seed picture; a task without one gets the compass rose
SEED_PICTURES = {
    "arithmetic": "art.pictures.seeds.arithmetic",
    "tool_call": "art.pictures.seeds.tool_call",
    "multiple_choice": "art.pictures.seeds.multiple_choice",
}
OTHER_SEED_PICTURE = "art.pictures.seeds.compass"


def implementation(entry: str) -> Any:
    """Import what an entry names: ``module`` or ``module:attribute``."""
    module, _, attribute = entry.partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


class OneOf:
    """Annotation of a text that must be one of these names; the JSON schema has it as an ``enum``."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(self.names)
