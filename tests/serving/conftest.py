"""Fixtures of the tests with the real vLLM, which run in its own environment (`make test-vllm`), else are skipped."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from serving_world import CHECKPOINT, TASKS, ServingWorld

from art.files import write_records
from art.pictures.png import encode_png, reduce_contrast
from art.pictures.seeds import draw as draw_picture
from art.tasks.generated.problems import problems

if TYPE_CHECKING:
    from art.models.policy import Policy


INSTALLED = importlib.util.find_spec("vllm") is not None

# vLLM binds itself to the first cores of the machine; where tests run in parallel, each worker gets one core.
if INSTALLED and (worker := os.environ.get("PYTEST_XDIST_WORKER")):
    cores = sorted(os.sched_getaffinity(0))
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", str(cores[int(worker.removeprefix("gw")) % len(cores)]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not INSTALLED:
        skip = pytest.mark.skip(reason="vLLM is not installed here: make test-vllm")
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def serving_world(tmp_path_factory: pytest.TempPathFactory) -> ServingWorld:
    """Problems, seed pictures and a checkpoint at its own image size; a test may serve what an earlier one trained."""
    root = tmp_path_factory.mktemp("serving")
    shutil.copytree(CHECKPOINT, root / "checkpoint")
    for task in TASKS:
        for split, count in (("train", 32), ("validation", 8), ("test", 48)):
            write_records(root / f"results/tasks/{task}/{split}.jsonl", problems(task, split, count, 0))
        encode_png(reduce_contrast(draw_picture(task, 128), 0.5), root / f"results/seeds/{task}.png")
    return ServingWorld(root)


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The checkpoint as a policy; tests that overlay an adapter load their own."""
    import torch

    from art.models.policy import Policy

    torch.set_num_threads(1)
    return Policy(CHECKPOINT)
