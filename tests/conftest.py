"""Settings and fixtures of all tests: a checkpoint with random weights, problem files, seed pictures."""

from __future__ import annotations

import functools
import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from tiny_world import SCORERS, Undisturbed, World, contents, run

from art.files import write_records
from art.pictures.png import encode_png, reduce_contrast
from art.pictures.seeds import draw as draw_picture

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

    from art.models.policy import Policy

# The same examples every time, and no time limit for one example: a busy machine must not fail a test.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


# Files whose tests share a slow fixture, the slowest first.  With several processes (``pytest -n 2``), one process runs
# all tests of such a file, so that the fixture is made once.  These files come first, so that the processes end at
# about the same time.
SHARED = (
    "tests/workflow/test_smoke.py",
    "tests/workflow/test_dag.py",
    "tests/analysis/test_paper.py",
    "tests/art/serving/test_check.py",
    "tests/workflow/test_stale.py",
    "tests/workflow/test_rules.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Units of work: each file above, and each other test by itself; ``--dist`` overrides this."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return file if file in SHARED else nodeid

    config.option.loadscopereorder = False  # True would put the files with most tests first
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if gone := [file for file in SHARED if not (Path(__file__).parents[1] / file).exists()]:
        raise pytest.UsageError(f"tests/conftest.py: SHARED names files that do not exist: {', '.join(gone)}")
    if hasattr(config, "workerinput"):  # this is one of several processes
        places = {file: place for place, file in enumerate(SHARED)}
        items.sort(key=lambda item: places.get(item.nodeid.split("::")[0], len(SHARED)))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, of the classes of the reference models."""
    from pretraining.corpus import Mixture, documents
    from pretraining.reference_model import ReferenceShape, build_model, save_checkpoint, train_tokenizer

    shape = ReferenceShape(hidden=64, feed_forward=64, vision_hidden=32, vision_depth=1, image_size=64, vocabulary=700)
    texts = (
        text for one in itertools.islice(documents(0, 64, Mixture()), 300) for text in (one.question, one.completion)
    )
    tokenizer = train_tokenizer(texts, shape.vocabulary)
    folder = tmp_path_factory.mktemp("tiny") / "checkpoint"
    save_checkpoint(folder, build_model(shape, tokenizer, 0), tokenizer, shape)
    return folder


@pytest.fixture(scope="session")
def tiny_policy(tiny_checkpoint: Path) -> Policy:
    """The checkpoint as a policy; tests must not change it (an adapter would)."""
    import torch

    from art.models.policy import Policy

    torch.set_num_threads(1)
    return Policy(tiny_checkpoint)


@pytest.fixture(scope="session")
def tiny_inputs(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the workflow's rules before training write: checkpoint, problem files, seed pictures."""
    from art.tasks.generated.problems import problems

    root = tmp_path_factory.mktemp("inputs")
    shutil.copytree(tiny_checkpoint, root / "checkpoint")
    for task in SCORERS:
        for split, count in (("train", 16), ("validation", 8), ("test", 8)):
            write_records(root / f"results/tasks/{task}/{split}.jsonl", problems(task, split, count, 0))
        encode_png(reduce_contrast(draw_picture(task, 64), 0.5), root / f"results/seeds/{task}.png")
    return root


@pytest.fixture
def world(tiny_inputs: Path, tmp_path: Path) -> World:
    """A folder with these inputs, in which no command has run yet."""
    shutil.copytree(tiny_inputs, tmp_path / "world")
    return World(tmp_path / "world")


@pytest.fixture(scope="session")
def undisturbed(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Contents of an undisturbed run of a method; each is made once."""

    @functools.cache
    def made(method: str) -> dict[str, bytes]:
        root = tmp_path_factory.mktemp("undisturbed") / "world"
        shutil.copytree(tiny_inputs, root)
        return contents(run(World(root), method))

    return made
