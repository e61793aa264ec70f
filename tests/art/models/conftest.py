"""Fixtures: both families on checkpoints of their exact architecture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from processor_inputs import TASKS, StillProcessor
from scaled_models import BUILDERS, build
from transformers import AutoImageProcessor, AutoTokenizer

from art.config.sections import ModelSection
from art.models.families import load_policy
from art.models.policy import Policy
from art.store.problem import Problem
from art.tasks.generated.problems import problems


@pytest.fixture(scope="session", params=BUILDERS)
def section(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelSection:
    """An entry of ``models`` for each family."""
    folder = build(request.param, tmp_path_factory.mktemp("scaled") / request.param)
    return ModelSection(family=request.param, path=str(folder), device="cpu")


@pytest.fixture(scope="session")
def policy(section: ModelSection) -> Policy:
    """The frozen model; tests must not change it."""
    torch.set_num_threads(1)
    return load_policy(section)


@pytest.fixture
def double(section: ModelSection, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """The model entirely in float64, also norms, rotary angles and softmax, which the code computes in float32."""
    made = type(policy)(Path(section.path), dtype=torch.float64)
    monkeypatch.setattr(torch, "float32", torch.float64)
    monkeypatch.setattr(torch, "float", torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    return made


@pytest.fixture(scope="module")
def mixed() -> list[Problem]:
    """Problems of all tasks, of different lengths."""
    return [problem for task in TASKS for problem in problems(task, "test", 2, 0)]


@pytest.fixture(scope="module")
def processor(section: ModelSection) -> StillProcessor:
    """The checkpoint's own processor, as transformers loads it."""
    tokenizer = AutoTokenizer.from_pretrained(section.path)
    return StillProcessor(
        AutoImageProcessor.from_pretrained(section.path), tokenizer, None, chat_template=tokenizer.chat_template
    )
